//! The lanes executor held to the card.

use keiko_model::RobotModel;

use super::{CheckError, Engine, Settings};
use crate::{Executor, LanesExecutor, PhysicsOptions};

/// The batched engine with the card's settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lanes;

impl Engine for Lanes {
    fn name(&self) -> &'static str {
        "lanes"
    }

    fn build(
        &self,
        model: &RobotModel,
        num_envs: usize,
        settings: &Settings,
    ) -> Result<Box<dyn Executor>, CheckError> {
        let options = PhysicsOptions {
            timestep: settings.timestep as f32,
            solver_iterations: settings.solver_iterations,
            ..PhysicsOptions::default()
        };
        match LanesExecutor::new(model, num_envs, options) {
            Ok(executor) => Ok(Box::new(executor)),
            Err(error) => Err(CheckError::Build(error.to_string())),
        }
    }

    fn lag(&self, _settings: &Settings) -> f64 {
        0.0
    }
}
