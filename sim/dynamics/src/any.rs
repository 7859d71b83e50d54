//! The batch behind a `dyn`, so that its width can be chosen at run time.
//!
//! All widths are compiled here, once, and not again by every crate that steps a batch.

use std::ops::Range;

use glam::DVec3;
use keiko_model::RobotModel;

use crate::batch::{Batch, Part};
use crate::block::AnyPass;
use crate::lane::{F32x4, Isa, Lanes};
#[cfg(target_arch = "x86_64")]
use crate::lane::{F32x8, F32x16};
use crate::plan::{BuildError, Parameters, Plan, StepOptions};

/// A [`Batch`] of any width, told in `f32`.
pub trait AnyBatch: Send + Sync {
    /// The plan of the step.
    fn plan(&self) -> &Plan;

    /// Environments in a register.
    fn width(&self) -> usize;

    /// Bytes of a number.
    fn number_size(&self) -> usize;

    /// See [`Batch::numbers`].
    fn numbers(&self, model: &RobotModel, parameters: &Parameters) -> Vec<f64>;

    /// Parameters and state of an environment; see [`Batch::reset`].
    fn reset(&mut self, env: usize, numbers: &[f64], qpos: &[f64], qvel: &[f64]);

    /// See [`Batch::set_wrench`].
    fn set_wrench(&mut self, env: usize, wrench: &[[DVec3; 2]]);

    /// See [`Batch::set_state`].
    fn set_state(&mut self, row: usize, env: usize, value: f64);

    /// Marks an environment as unusable.
    fn set_fault(&mut self, env: usize, cause: f64);

    /// Fills output rows of the environments in the mask from their state.
    fn observe_some(&mut self, mask: &[bool], rows: Range<usize>);

    /// One control step under `control` `[nu, num_envs]`; see [`Batch::step`].
    fn step(&mut self, control: &[f32]);

    /// Runs a pass over all blocks; see [`Batch::pass`].
    fn pass(&mut self, pass: &dyn AnyPass);

    /// A row over all environments.
    fn copy(&self, part: Part, row: usize, to: &mut [f32]);

    /// One number of an environment.
    fn number(&self, part: Part, row: usize, env: usize) -> f64;

    /// Sets a row over all environments.
    fn restore(&mut self, part: Part, row: usize, from: &[f64]);
}

/// A batch and room for its controls.
struct Typed<L: Lanes> {
    batch: Batch<L>,
    control: Vec<L::Scalar>,
}

impl<L: Lanes> Typed<L> {
    fn new(batch: Batch<L>) -> Self {
        let len = batch.plan().actuators.len * batch.num_envs();
        Self { control: vec![L::Scalar::default(); len], batch }
    }
}

impl<L: Lanes> AnyBatch for Typed<L> {
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

    fn set_wrench(&mut self, env: usize, wrench: &[[DVec3; 2]]) {
        self.batch.set_wrench(env, wrench);
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

    fn pass(&mut self, pass: &dyn AnyPass) {
        self.batch.pass(pass);
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

/// How many environments a step works on at once. All widths of `f32` give the same bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// As many as this processor's vector registers hold.
    #[default]
    Detected,
    /// One, in `f32`: the reference of the vectors.
    Single,
    /// One, in `f64`: the truth of tests.
    Double,
    /// These vectors, where the processor has them; else what it has.
    Vectors(Isa),
}

/// A batch of the widest lanes that `width` asks for and this processor has.
///
/// # Errors
/// See [`Plan::new`].
pub fn any_batch(
    model: &RobotModel,
    num_envs: usize,
    options: StepOptions,
    width: Width,
) -> Result<Box<dyn AnyBatch>, BuildError> {
    Ok(any_batch_with(model, num_envs, Plan::new(model, options)?, width))
}

/// The same, stepped as a plan of the model says.
pub fn any_batch_with(model: &RobotModel, num_envs: usize, plan: Plan, width: Width) -> Box<dyn AnyBatch> {
    boxed(model, num_envs, plan, width, true)
}

/// Environments of zeros for a plan that has rows and no physics; see [`Plan::rows`].
pub fn any_rows(model: &RobotModel, num_envs: usize, plan: Plan) -> Box<dyn AnyBatch> {
    boxed(model, num_envs, plan, Width::Detected, false)
}

fn boxed(model: &RobotModel, num_envs: usize, plan: Plan, width: Width, physics: bool) -> Box<dyn AnyBatch> {
    fn typed<L: Lanes>(model: &RobotModel, num_envs: usize, plan: Plan, physics: bool) -> Box<dyn AnyBatch> {
        Box::new(Typed::new(match physics {
            true => Batch::<L>::with_plan(model, num_envs, plan),
            false => Batch::<L>::of_rows(model, num_envs, plan),
        }))
    }
    let here = Isa::detect();
    let isa = match width {
        Width::Single => return typed::<f32>(model, num_envs, plan, physics),
        Width::Double => return typed::<f64>(model, num_envs, plan, physics),
        Width::Detected => here,
        Width::Vectors(isa) if isa.width() <= here.width() => isa,
        Width::Vectors(_) => here,
    };
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => typed::<F32x16>(model, num_envs, plan, physics),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => typed::<F32x8>(model, num_envs, plan, physics),
        _ => typed::<F32x4>(model, num_envs, plan, physics),
    }
}
