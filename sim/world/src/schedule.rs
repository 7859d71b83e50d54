//! The control step, as one list.
//!
//! ```text
//! Act -> Step -> Sense -> Reward -> Reset -> Observe -> Record
//! ```
//!
//! Systems run one after the other; each that has much to do runs over environments in rayon. That keeps the
//! order of everything that is written visible here, whatever the number of threads.

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::{ScheduleLabel, SingleThreadedExecutor};

use crate::executor::{BatchState, EnvParameters, Executor, Fault};
use crate::field::Field;
use crate::replay::ReplayRing;

/// Parts of a control step, in this order.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Actions to controls.
    Act,
    /// Physics, and with it the sensors of the model.
    Step,
    /// What is derived from the state once a step.
    Sense,
    /// Rewards and terminations.
    Reward,
    /// What ended or broke starts again.
    Reset,
    /// Observations of the state after resets.
    Observe,
    /// Recorders.
    Record,
}

/// Label of the control step's schedule.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct ControlStep;

/// The physics of the batch.
#[derive(Resource)]
pub struct Physics(pub Box<dyn Executor>);

/// Controls `[nu, num_envs]` that the next physics step gets.
#[derive(Resource, Clone, Debug, Default)]
pub struct Control(pub Field);

/// Environments that became unusable in this control step.
#[derive(Resource, Clone, Debug, Default)]
pub struct Faults(pub Vec<Fault>);

/// Environments that start again in [`Phase::Reset`], and where. Broken ones are added by [`Phase::Step`].
#[derive(Resource, Clone, Debug, Default)]
pub struct ResetMask {
    /// Which environments `[num_envs]`; cleared by the reset.
    pub mask: Vec<bool>,
    /// Positions they start at `[nq, num_envs]`.
    pub qpos: Field,
    /// Velocities they start with `[nv, num_envs]`.
    pub qvel: Field,
}

/// The control step with the systems of this crate: physics, reset, and the memory for replays.
pub fn control_step() -> Schedule {
    let mut schedule = phases();
    schedule.add_systems((remember, step_physics).chain().in_set(Phase::Step));
    schedule.add_systems(reset_environments.in_set(Phase::Reset));
    schedule
}

/// The phases of a control step in their order, without any system.
pub fn phases() -> Schedule {
    let mut schedule = Schedule::new(ControlStep);
    schedule.set_executor(SingleThreadedExecutor::new());
    schedule.configure_sets(
        (Phase::Act, Phase::Step, Phase::Sense, Phase::Reward, Phase::Reset, Phase::Observe, Phase::Record)
            .chain(),
    );
    schedule
}

/// Keeps the state before the step and the control that it gets.
fn remember(state: Res<BatchState>, control: Res<Control>, mut ring: ResMut<ReplayRing>) {
    ring.record(&state, &control.0);
}

/// Steps the physics; what breaks is marked for reset.
fn step_physics(
    mut physics: ResMut<Physics>,
    control: Res<Control>,
    mut state: ResMut<BatchState>,
    mut faults: ResMut<Faults>,
    mut reset: ResMut<ResetMask>,
) {
    faults.0 = physics.0.step(&control.0, &mut state);
    for fault in &faults.0 {
        reset.mask[fault.env] = true;
    }
}

/// Resets what is marked, and clears the marks.
fn reset_environments(
    mut physics: ResMut<Physics>,
    mut state: ResMut<BatchState>,
    parameters: Res<EnvParameters>,
    mut reset: ResMut<ResetMask>,
    mut ring: ResMut<ReplayRing>,
) {
    if !reset.mask.contains(&true) {
        return;
    }
    let reset = &mut *reset;
    physics.0.reset(&reset.mask, &reset.qpos, &reset.qvel, &parameters, &mut state);
    ring.reset(&reset.mask);
    reset.mask.fill(false);
}
