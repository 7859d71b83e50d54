//! The batch behind a `dyn`, so that its width can be chosen at run time.

use std::ops::Range;

use keiko_dynamics::batch::{Batch, Part};
use keiko_dynamics::lane::Lanes;
use keiko_dynamics::plan::{Parameters, Plan};
use keiko_model::RobotModel;

/// A [`Batch`] of any width, told in `f32`.
pub(super) trait Core: Send + Sync {
    fn plan(&self) -> &Plan;

    /// Environments in a register.
    fn width(&self) -> usize;

    /// Bytes of a number.
    fn number_size(&self) -> usize;

    fn numbers(&self, model: &RobotModel, parameters: &Parameters) -> Vec<f64>;

    fn reset(&mut self, env: usize, numbers: &[f64], qpos: &[f64], qvel: &[f64]);

    fn set_state(&mut self, row: usize, env: usize, value: f64);

    fn set_fault(&mut self, env: usize, cause: f64);

    fn observe_some(&mut self, mask: &[bool], rows: Range<usize>);

    fn step(&mut self, control: &[f32]);

    /// A row over all environments.
    fn copy(&self, part: Part, row: usize, to: &mut [f32]);

    fn number(&self, part: Part, row: usize, env: usize) -> f64;

    fn restore(&mut self, part: Part, row: usize, from: &[f64]);
}

/// A batch and room for its controls.
pub(super) struct Typed<L: Lanes> {
    batch: Batch<L>,
    control: Vec<L::Scalar>,
}

impl<L: Lanes> Typed<L> {
    pub fn new(batch: Batch<L>) -> Self {
        let len = batch.plan().actuators.len * batch.num_envs();
        Self { control: vec![L::Scalar::default(); len], batch }
    }
}

impl<L: Lanes> Core for Typed<L> {
    fn plan(&self) -> &Plan {
        self.batch.plan()
    }

    fn width(&self) -> usize {
        L::WIDTH
    }

    fn number_size(&self) -> usize {
        size_of::<L::Scalar>()
    }

    fn numbers(&self, model: &RobotModel, parameters: &Parameters) -> Vec<f64> {
        self.batch.numbers(model, parameters)
    }

    fn reset(&mut self, env: usize, numbers: &[f64], qpos: &[f64], qvel: &[f64]) {
        self.batch.set_parameters(env, numbers);
        self.batch.reset(env, qpos, qvel);
    }

    fn set_state(&mut self, row: usize, env: usize, value: f64) {
        self.batch.set_state(row, env, value);
    }

    fn set_fault(&mut self, env: usize, cause: f64) {
        self.batch.set_fault(env, cause);
    }

    fn observe_some(&mut self, mask: &[bool], rows: Range<usize>) {
        self.batch.observe_some(mask, rows);
    }

    fn step(&mut self, control: &[f32]) {
        for (to, &from) in self.control.iter_mut().zip(control) {
            *to = L::scalar(f64::from(from));
        }
        self.batch.step(&self.control);
    }

    fn copy(&self, part: Part, row: usize, to: &mut [f32]) {
        self.batch.copy_single(part, row, to);
    }

    fn number(&self, part: Part, row: usize, env: usize) -> f64 {
        self.batch.number(part, row, env)
    }

    fn restore(&mut self, part: Part, row: usize, from: &[f64]) {
        self.batch.restore(part, row, from.iter().copied());
    }
}
