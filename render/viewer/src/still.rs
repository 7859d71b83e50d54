//! A robot that no executor can step, to be looked at all the same: it stands where it is put.

use keiko_model::robot::RobotModel;
use keiko_world::kinematics::BodyMotions;
use keiko_world::{BatchState, EnvParameters, Executor, Fault, Field, SnapshotError};

/// Physics in which nothing happens.
pub struct Still {
    model: RobotModel,
    num_envs: usize,
}

impl Still {
    /// `num_envs` copies of a model.
    pub fn new(model: RobotModel, num_envs: usize) -> Self {
        Self { model, num_envs }
    }
}

impl Executor for Still {
    fn name(&self) -> &'static str {
        "still"
    }

    fn num_envs(&self) -> usize {
        self.num_envs
    }

    fn reset(
        &mut self,
        mask: &[bool],
        qpos: &Field,
        _qvel: &Field,
        _parameters: &EnvParameters,
        state: &mut BatchState,
    ) {
        let rest = vec![0.0; self.model.num_dofs()];
        let mut motions = BodyMotions::default();
        for env in (0..self.num_envs).filter(|env| mask[*env]) {
            let positions: Vec<f32> = qpos.column(env).collect();
            motions.update(&self.model, &positions, &rest);
            let poses = || motions.bodies.iter().map(|motion| motion.pose);
            let mut alone = BatchState::new(&self.model, 1);
            alone.body_position.set_column(0, poses().flat_map(|pose| pose.position.as_vec3().to_array()));
            alone.body_rotation.set_column(0, poses().flat_map(|pose| pose.rotation.as_quat().to_array()));
            alone.qpos.set_column(0, positions);
            state.set_column(env, &alone, 0);
        }
    }

    fn step(&mut self, _ctrl: &Field, _state: &mut BatchState) -> Vec<Fault> {
        Vec::new()
    }

    fn add_velocity(&mut self, _mask: &[bool], _delta_qvel: &Field, _state: &mut BatchState) {}

    fn set_wrench(&mut self, _mask: &[bool], _wrench: &Field) {}

    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    fn load(&mut self, _bytes: &[u8]) -> Result<(), SnapshotError> {
        Ok(())
    }
}
