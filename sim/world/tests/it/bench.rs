//! A batch with its state: what every test steps.

use keiko_model::RobotModel;
use keiko_world::{BatchState, EnvParameters, Executor, Fault, Field, PhysicsOptions, RapierExecutor};

pub struct Bench {
    pub model: RobotModel,
    pub executor: RapierExecutor,
    pub state: BatchState,
    pub parameters: EnvParameters,
    pub ctrl: Field,
}

pub fn options(timestep: f32, decimation: usize) -> PhysicsOptions {
    PhysicsOptions { timestep, decimation, ..PhysicsOptions::default() }
}

impl Bench {
    /// A batch that has not been reset.
    pub fn new(model: &RobotModel, num_envs: usize, options: PhysicsOptions) -> Self {
        let executor = RapierExecutor::new(model, num_envs, options).unwrap();
        Self {
            executor,
            state: BatchState::new(model, num_envs),
            parameters: EnvParameters::identity(model, num_envs),
            ctrl: Field::zeros(model.actuators.len(), num_envs),
            model: model.clone(),
        }
    }

    /// One environment at its reference configuration, at rest.
    pub fn at_reference(model: &RobotModel, options: PhysicsOptions) -> Self {
        let mut bench = Self::new(model, 1, options);
        let qpos: Vec<f32> = model.reference_qpos().iter().map(|q| *q as f32).collect();
        bench.reset_all(|_| qpos.clone(), |_| vec![0.0; model.num_dofs()]);
        bench
    }

    pub fn num_envs(&self) -> usize {
        self.executor.num_envs()
    }

    pub fn reset_all(&mut self, qpos: impl Fn(usize) -> Vec<f32>, qvel: impl Fn(usize) -> Vec<f32>) {
        let mask = vec![true; self.num_envs()];
        self.reset(&mask, qpos, qvel);
    }

    pub fn reset(
        &mut self,
        mask: &[bool],
        qpos: impl Fn(usize) -> Vec<f32>,
        qvel: impl Fn(usize) -> Vec<f32>,
    ) {
        let n = self.num_envs();
        let mut q = Field::zeros(self.model.num_qpos(), n);
        let mut v = Field::zeros(self.model.num_dofs(), n);
        for env in 0..n {
            q.set_column(env, qpos(env));
            v.set_column(env, qvel(env));
        }
        self.executor.reset(mask, &q, &v, &self.parameters, &mut self.state);
    }

    pub fn step(&mut self) -> Vec<Fault> {
        self.executor.step(&self.ctrl, &mut self.state)
    }

    /// Steps that must all go well.
    pub fn run(&mut self, steps: usize) {
        for k in 0..steps {
            let faults = self.step();
            assert!(faults.is_empty(), "step {k}: {faults:?}");
        }
    }

    pub fn qpos(&self, row: usize) -> f64 {
        self.state.qpos.get(row, 0) as f64
    }

    pub fn qvel(&self, row: usize) -> f64 {
        self.state.qvel.get(row, 0) as f64
    }

    /// Everything of one environment, as bits.
    pub fn bits(&self, env: usize) -> Vec<u32> {
        let s = &self.state;
        let fields = [
            &s.qpos,
            &s.qvel,
            &s.body_position,
            &s.body_rotation,
            &s.body_linear_velocity,
            &s.body_angular_velocity,
            &s.actuator_force,
            &s.contact_force,
            &s.sensors,
        ];
        fields.iter().flat_map(|f| f.column(env).map(f32::to_bits).collect::<Vec<_>>()).collect()
    }
}
