//! Faults, pushes, snapshots, delays, parameters, memory.

use keiko_world::lanes::Width;
use keiko_world::{Executor, FaultCause, Field, PhysicsOptions};

use super::{Batch, robot};

fn options() -> PhysicsOptions {
    PhysicsOptions { timestep: 0.004, decimation: 2, ..PhysicsOptions::default() }
}

fn quadrupeds(num_envs: usize) -> Batch {
    let mut batch = Batch::new(&robot("quadruped/quadruped.xml"), num_envs, options(), Width::Detected);
    batch.reset();
    batch
}

#[test]
fn a_quadruped_takes_less_than_four_kilobytes() {
    let batch = quadrupeds(32);
    let bytes = batch.executor.memory_per_env();
    eprintln!("{bytes} bytes an environment");
    assert!(bytes <= 4096, "{bytes} bytes an environment");
}

#[test]
fn not_a_number_rests_until_the_reset() {
    let mut batch = quadrupeds(5);
    assert!(batch.drive(0..20).is_empty());
    let last_finite = batch.bits(2);
    let mut delta = Field::zeros(batch.model.num_dofs(), 5);
    delta.set(9, 2, f32::NAN);
    batch.executor.add_velocity(&[false, false, true, false, false], &delta, &mut batch.state);
    for _ in 0..3 {
        let faults = batch.step();
        assert_eq!(faults.len(), 1);
        assert_eq!((faults[0].env, faults[0].cause), (2, FaultCause::NonFinite));
        assert_eq!(batch.bits(2), last_finite, "the column keeps the last finite state");
    }
    assert_eq!(batch.state.steps, [46, 46, 40, 46, 46]);
    batch.reset();
    assert!(batch.drive(0..20).is_empty());
    assert_eq!(batch.bits(2), last_finite, "after the reset it does what it did");
}

#[test]
fn controls_that_are_not_numbers_fault_at_once() {
    let mut batch = quadrupeds(3);
    batch.drive(0..5);
    batch.ctrl.set(4, 1, f32::NAN);
    let faults = batch.step();
    assert_eq!(faults.iter().map(|f| (f.env, f.cause)).collect::<Vec<_>>(), [(1, FaultCause::NonFinite)]);
}

#[test]
fn a_reset_to_what_is_not_a_number_faults_and_keeps_the_state() {
    let mut batch = quadrupeds(3);
    batch.drive(0..5);
    let kept = batch.bits(1);
    let n = batch.model.num_qpos();
    let (mut q, v) = (Field::zeros(n, 3), Field::zeros(batch.model.num_dofs(), 3));
    q.set(0, 1, f32::INFINITY);
    batch.executor.reset(&[false, true, false], &q, &v, &batch.parameters, &mut batch.state);
    assert_eq!(batch.bits(1), kept);
    assert_eq!(batch.step().iter().map(|f| f.env).collect::<Vec<_>>(), [1]);
    assert_eq!(batch.bits(1), kept);
}

#[test]
fn a_velocity_beyond_the_limit_is_divergence() {
    let mut batch = quadrupeds(2);
    let mut delta = Field::zeros(batch.model.num_dofs(), 2);
    delta.set(0, 1, 5000.0);
    batch.executor.add_velocity(&[false, true], &delta, &mut batch.state);
    let faults = batch.step();
    assert_eq!(faults.iter().map(|f| (f.env, f.cause)).collect::<Vec<_>>(), [(1, FaultCause::Diverged)]);
}

#[test]
fn a_push_changes_velocities_and_what_follows_from_them() {
    let mut batch = quadrupeds(2);
    batch.drive(0..10);
    let before = batch.state.clone();
    let mut delta = Field::zeros(batch.model.num_dofs(), 2);
    delta.set(0, 1, 0.5);
    batch.executor.add_velocity(&[false, true], &delta, &mut batch.state);
    let after = &batch.state;
    assert_eq!(after.qpos, before.qpos);
    assert_eq!(after.contact_force, before.contact_force);
    assert_eq!(after.actuator_force, before.actuator_force);
    assert!((after.qvel.get(0, 1) - before.qvel.get(0, 1) - 0.5).abs() < 1e-6);
    let base = batch.model.joints[0].body;
    let row = 3 * base;
    let (new, old) = (after.body_linear_velocity.get(row, 1), before.body_linear_velocity.get(row, 1));
    assert!((new - old - 0.5).abs() < 1e-5, "{old} -> {new}");
    assert_eq!(after.qvel.get(0, 0), before.qvel.get(0, 0));
}

#[test]
fn a_loaded_snapshot_goes_on_bit_for_bit_in_any_width() {
    for before in [0, 1, 50] {
        let mut batch = quadrupeds(19);
        batch.parameters.delay.row_mut(3).fill(4.0);
        batch.parameters.mass_scale.row_mut(1).fill(1.2);
        batch.reset();
        batch.drive(0..before);
        let bytes = batch.executor.save();
        let kept = batch.state.clone();
        batch.drive(before..before + 60);
        for width in [Width::Detected, Width::Single] {
            let mut other = Batch::new(&batch.model, 19, options(), width);
            other.reset();
            other.drive(5..25);
            other.executor.load(&bytes).unwrap();
            other.state = kept.clone();
            other.drive(before..before + 60);
            for env in 0..19 {
                assert_eq!(batch.bits(env), other.bits(env), "saved after {before} steps, {width:?}");
            }
        }
    }
}

#[test]
fn damaged_snapshots_are_refused_and_change_nothing() {
    let mut batch = quadrupeds(2);
    batch.drive(0..10);
    let bytes = batch.executor.save();
    for at in (0..bytes.len()).step_by(bytes.len() / 200) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(batch.executor.load(&damaged).is_err(), "bit of byte {at}");
        assert!(batch.executor.load(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(batch.executor.save(), bytes);
    let mut cart = Batch::new(&robot("cartpole/cartpole.xml"), 2, options(), Width::Detected);
    let message = batch.executor.load(&cart.executor.save()).unwrap_err().to_string();
    assert!(message.contains("another model"), "{message}");
    let mut more = Batch::new(&cart.model, 3, options(), Width::Detected);
    let message = cart.executor.load(&more.executor.save()).unwrap_err().to_string();
    assert!(message.contains("3 environments, expected 2"), "{message}");
    let rapier = keiko_world::RapierExecutor::new(&more.model, 3, options()).unwrap();
    let message = more.executor.load(&rapier.save()).unwrap_err().to_string();
    assert!(message.contains("`lanes` engine"), "{message}");
}

#[test]
fn a_delayed_control_arrives_whole_steps_later() {
    let model = robot("cartpole/cartpole.xml");
    let run = |delay: f32, shift: usize| {
        let mut batch = Batch::new(&model, 3, options(), Width::Detected);
        batch.parameters.delay.set(0, 1, delay);
        batch.reset();
        let mut forces = Vec::new();
        for k in 0..12usize {
            // The first control stands for all before it.
            let u = 0.1 + 0.05 * k.saturating_sub(shift) as f32;
            batch.ctrl.row_mut(0).fill(u);
            batch.step();
            forces.push(batch.bits(1));
        }
        forces
    };
    assert_eq!(run(3.0, 0), run(0.0, 3));
    assert_ne!(run(3.0, 0), run(0.0, 0));
}

#[test]
fn parameters_scale_what_they_name() {
    let model = robot("cartpole/cartpole.xml");
    let force = |set: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::new(&model, 4, options(), Width::Detected);
        set(&mut batch);
        batch.reset();
        batch.ctrl.row_mut(0).fill(0.5);
        batch.step();
        (batch.state.actuator_force.get(0, 2), batch.state.qvel.get(0, 2))
    };
    let (plain, speed) = force(&|_| {});
    let (weak, slow) = force(&|b| b.parameters.strength_scale.set(0, 2, 0.5));
    assert!((weak / plain - 0.5).abs() < 1e-5 && (slow / speed - 0.5).abs() < 1e-2, "{weak} {plain}");
    let (same, slower) = force(&|b| b.parameters.mass_scale.row_mut(1).fill(2.0));
    assert!((same - plain).abs() < 1e-5 && slower < 0.75 * speed, "{same} {plain} {slower} {speed}");
}
