//! Limits, dry friction, equalities and contacts: MuJoCo's law against MuJoCo, the soft law against closed forms.

mod mujoco;
mod soft;

use std::path::Path;

use keiko_dynamics::batch::Batch;
use keiko_dynamics::plan::{Law, StepOptions};
use keiko_model::RobotModel;
use keiko_model::import::{AssetRoot, ImportOptions, mjcf, xml};

/// Reads a scene; one that loses something in the reading is not the one that is meant.
pub fn read(text: &str) -> RobotModel {
    let (path, options) = (Path::new("test.xml"), ImportOptions::default());
    let root = AssetRoot::new(path, &options).unwrap();
    let document = xml::parse(path, text.as_bytes().to_vec(), &options.limits).unwrap();
    let import = mjcf::lower(document, &root, &options.limits).unwrap();
    assert_eq!(import.report.physical().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    import.model
}

/// One environment in double precision.
pub struct One {
    pub model: RobotModel,
    pub batch: Batch<f64>,
    ctrl: Vec<f64>,
}

impl One {
    pub fn new(model: RobotModel, options: StepOptions) -> Self {
        let batch = Batch::new(&model, 1, options).unwrap();
        let ctrl = vec![0.0; model.actuators.len()];
        Self { model, batch, ctrl }
    }

    /// The card's settings of the soft law: 2 ms, four substeps.
    pub fn soft(text: &str) -> Self {
        Self::new(read(text), StepOptions::default())
    }

    pub fn start(&mut self, qpos: &[f64], qvel: &[f64]) {
        self.batch.reset(0, qpos, qvel);
    }

    pub fn control(&mut self, ctrl: &[f64]) {
        self.ctrl.copy_from_slice(ctrl);
    }

    pub fn step(&mut self) {
        self.batch.step(&self.ctrl);
        assert_eq!(self.batch.output(0, 0), 0.0, "the state is unusable");
    }

    /// Steps for a duration \[s\].
    pub fn run(&mut self, duration: f64, mut see: impl FnMut(&Self)) {
        let options = self.batch.plan().options;
        for _ in 0..(duration / options.timestep / options.decimation as f64).round() as usize {
            self.step();
            see(self);
        }
    }

    pub fn qpos(&self, k: usize) -> f64 {
        self.batch.state(self.batch.plan().qpos + k, 0)
    }

    pub fn qvel(&self, k: usize) -> f64 {
        self.batch.state(self.batch.plan().qvel + k, 0)
    }

    /// Origin of a body in the world \[m\].
    pub fn position(&self, name: &str) -> glam::DVec3 {
        let body = self.model.bodies.iter().position(|b| b.name == name).unwrap();
        let plan = self.batch.plan();
        let row = plan.body_position - plan.fault + 3 * body;
        glam::DVec3::from_array([0, 1, 2].map(|k| self.batch.output(row + k, 0)))
    }
}

/// One step of MuJoCo's law, solved to the end.
pub fn mujoco_options(timestep: f64, sweeps: usize) -> StepOptions {
    StepOptions { timestep, substeps: 1, sweeps, relax_sweeps: 0, law: Law::Mujoco, ..StepOptions::default() }
}
