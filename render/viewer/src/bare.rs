//! A model with its physics alone: robot files, and the last steps of an environment that broke.

use std::sync::Arc;

use keiko_model::error::{Error, ErrorKind, Location};
use keiko_model::robot::RobotModel;
use keiko_world::engine::{self, EngineChoice};
use keiko_world::replay::ReplayFile;
use keiko_world::schedule::{Physics, ResetMask};
use keiko_world::{
    BatchState, Executor, FaultCause, Field, PhysicsOptions, Simulation, SnapshotError, Touch, Unsupported,
    World,
};

use crate::still::Still;

/// Where an environment starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// Positions `[nq]`.
    pub qpos: Vec<f64>,
    /// Controls `[nu]`.
    pub ctrl: Vec<f64>,
}

impl Start {
    /// The first keyframe of a model, else its reference configuration without controls.
    pub fn of(model: &RobotModel) -> Self {
        match model.keyframes.first() {
            Some(key) => Self { qpos: key.qpos.clone(), ctrl: key.ctrl.clone() },
            None => Self { qpos: model.reference_qpos(), ctrl: vec![0.0; model.actuators.len()] },
        }
    }
}

/// A world without a task.
pub struct Bare {
    /// The model.
    pub model: Arc<RobotModel>,
    /// What steps it, and why.
    pub engine: String,
    /// What it leaves out.
    pub notes: Vec<String>,
    /// Time of a control step \[s\].
    pub control_dt: f64,
    simulation: Simulation,
    start: Start,
    recorded: Option<ReplayFile>,
    /// The recorded step that is shown; past the last one the physics goes on by itself.
    at: usize,
}

/// What [`Bare::restore`] goes back to.
#[derive(Clone, Debug)]
pub struct BareSnapshot {
    physics: Vec<u8>,
    state: BatchState,
    at: usize,
}

impl BareSnapshot {
    /// Memory that it takes \[byte\].
    pub fn bytes(&self) -> usize {
        // The state repeats a part of what the physics holds.
        2 * self.physics.len()
    }
}

impl Bare {
    /// `num_envs` copies of a model at their start. One that no executor can step stands still, and its notes say why.
    ///
    /// # Errors
    /// A batch of none; what of the model the executor that was asked for cannot step.
    pub fn new(
        model: RobotModel,
        num_envs: usize,
        options: &PhysicsOptions,
        choice: Option<EngineChoice>,
        start: Start,
        place: &dyn Fn() -> Location,
    ) -> Result<Self, Error> {
        let refuse = |kind, message: String| Error::new(kind, place(), message);
        if num_envs == 0 {
            return Err(refuse(ErrorKind::Value, "a batch of 0 environments".to_owned()));
        }
        let (executor, engine, notes) =
            match engine::build(&model, num_envs, options, choice.unwrap_or_default()) {
                Ok(built) => {
                    let note = |note: &Unsupported| format!("{}: {}", note.element, note.what);
                    (built.executor, built.reason, built.unsupported.iter().map(note).collect())
                }
                // Nobody asked for this executor or that: what cannot be stepped can be looked at.
                Err(error) if matches!(choice, None | Some(EngineChoice::Auto)) => {
                    let still: Box<dyn Executor> = Box::new(Still::new(model.clone(), num_envs));
                    (still, "no physics (see Log)".to_owned(), vec![format!("it stands still: {error}")])
                }
                Err(error) => return Err(refuse(ErrorKind::Unsupported, error.to_string())),
            };
        let model = Arc::new(model);
        let simulation = Simulation::new(model.clone(), executor);
        let mut bare = Self {
            engine,
            notes,
            control_dt: f64::from(options.timestep) * options.decimation as f64,
            model,
            simulation,
            start,
            recorded: None,
            at: 0,
        };
        bare.reset(&vec![true; num_envs]);
        Ok(bare)
    }

    /// Shows the last step of a recording from now on. Its neutral controls are those of that step.
    pub fn record(&mut self, replay: ReplayFile) {
        let last = replay.num_steps.saturating_sub(1);
        self.recorded = Some(replay);
        self.show(last);
    }

    /// What was recorded, and which step is shown.
    pub fn recorded(&self) -> Option<(&ReplayFile, usize)> {
        self.recorded.as_ref().map(|replay| (replay, self.at))
    }

    /// The controls at the start `[nu]`.
    pub fn neutral(&self) -> Vec<f32> {
        match &self.recorded {
            Some(replay) => {
                let nu = self.model.actuators.len();
                replay.ctrl[replay.ctrl.len() - nu..].to_vec()
            }
            None => self.start.ctrl.iter().map(|u| *u as f32).collect(),
        }
    }

    /// The world.
    pub fn world(&self) -> &World {
        &self.simulation.world
    }

    /// Where all environments are.
    pub fn state(&self) -> &BatchState {
        self.simulation.state()
    }

    /// One control step under controls `[nu, num_envs]`, or the next recorded one; what broke, and why.
    pub fn step(&mut self, ctrl: &Field) -> Vec<(usize, String)> {
        if let Some(replay) = &self.recorded
            && self.at + 1 < replay.num_steps
        {
            self.show(self.at + 1);
            return Vec::new();
        }
        self.at += 1;
        self.simulation.control_mut().as_mut_slice().copy_from_slice(ctrl.as_slice());
        self.mark_starts();
        let cause = |cause| match cause {
            FaultCause::NonFinite => "a position, velocity or force is no number; it was reset",
            FaultCause::Diverged => "a velocity is beyond what counts as physics; it was reset",
        };
        self.simulation.step().into_iter().map(|fault| (fault.env, cause(fault.cause).to_owned())).collect()
    }

    /// Starts again where the mask says; a recording starts at its first step.
    pub fn reset(&mut self, mask: &[bool]) {
        if self.recorded.is_some() {
            self.show(0);
            return;
        }
        self.mark_starts();
        self.simulation.world.resource_mut::<ResetMask>().mask.copy_from_slice(mask);
        self.simulation.reset_marked();
    }

    /// Puts an environment at `qpos` `[nq]` and `qvel` `[nv]`.
    pub fn place(&mut self, env: usize, qpos: &[f32], qvel: &[f32]) {
        let mut reset = self.simulation.world.resource_mut::<ResetMask>();
        reset.mask[env] = true;
        reset.qpos.set_column(env, qpos.iter().copied());
        reset.qvel.set_column(env, qvel.iter().copied());
        self.simulation.reset_marked();
    }

    /// Force and torque on the bodies of an environment from now on `[6 nb]`.
    pub fn set_wrench(&mut self, env: usize, wrench: &[f32]) {
        let num_envs = self.state().steps.len();
        let (mut mask, mut all) = (vec![false; num_envs], Field::zeros(wrench.len(), num_envs));
        mask[env] = true;
        all.set_column(env, wrench.iter().copied());
        self.simulation.world.resource_mut::<Physics>().0.set_wrench(&mask, &all);
    }

    /// The points at which an environment presses on something.
    pub fn touches(&self, env: usize) -> Vec<Touch> {
        self.simulation.world.resource::<Physics>().0.touches(env)
    }

    /// What [`Bare::restore`] goes back to.
    pub fn snapshot(&self) -> BareSnapshot {
        let physics = self.simulation.world.resource::<Physics>().0.save();
        BareSnapshot { physics, state: self.state().clone(), at: self.at }
    }

    /// Goes back.
    ///
    /// # Errors
    /// The snapshot is of another model or batch.
    pub fn restore(&mut self, snapshot: &BareSnapshot) -> Result<(), SnapshotError> {
        self.simulation.world.resource_mut::<Physics>().0.load(&snapshot.physics)?;
        *self.simulation.world.resource_mut::<BatchState>() = snapshot.state.clone();
        self.at = snapshot.at;
        Ok(())
    }

    /// Puts the one environment at a recorded step.
    fn show(&mut self, step: usize) {
        let Some(replay) = &self.recorded else { return };
        let (nq, nv) = (self.model.num_qpos(), self.model.num_dofs());
        let (qpos, qvel) = (replay.qpos[step * nq..][..nq].to_vec(), replay.qvel[step * nv..][..nv].to_vec());
        self.at = step;
        self.place(0, &qpos, &qvel);
    }

    /// Where an environment starts again, should it break.
    fn mark_starts(&mut self) {
        let mut reset = self.simulation.world.resource_mut::<ResetMask>();
        for (row, value) in self.start.qpos.iter().enumerate() {
            reset.qpos.row_mut(row).fill(*value as f32);
        }
        reset.qvel.as_mut_slice().fill(0.0);
    }
}
