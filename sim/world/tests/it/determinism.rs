//! Bit equality: reset and fresh, alone and in a batch, threads, snapshots, neighbours with NaN.

use keiko_world::{Executor, FaultCause, Field};

use crate::bench::{Bench, options};
use crate::robots::{quadruped, standing};

fn quadrupeds(num_envs: usize) -> Bench {
    let mut bench = Bench::new(&quadruped(), num_envs, options(0.004, 2));
    bench.reset_all(start, |_| vec![0.0; 18]);
    bench
}

fn start(env: usize) -> Vec<f32> {
    let mut qpos = standing(0.36);
    qpos[7] += 0.01 * env as f32;
    qpos
}

/// Controls that differ by environment and time.
fn drive(bench: &mut Bench, offset: usize, steps: std::ops::Range<usize>) {
    for k in steps {
        for env in 0..bench.num_envs() {
            let phase = k as f32 * 0.13 + (env + offset) as f32;
            bench.ctrl.set_column(
                env,
                (0..12).map(|a| crate::robots::STANCE[a % 3] + 0.2 * (phase + a as f32).sin()),
            );
        }
        bench.run(1);
    }
}

#[test]
fn reset_equals_fresh() {
    let mut used = quadrupeds(1);
    drive(&mut used, 0, 0..70);
    used.reset_all(start, |_| vec![0.0; 18]);
    let mut fresh = quadrupeds(1);
    assert_eq!(used.bits(0), fresh.bits(0));
    drive(&mut used, 0, 0..100);
    drive(&mut fresh, 0, 0..100);
    assert_eq!(used.bits(0), fresh.bits(0));
}

#[test]
fn reset_with_parameters_equals_fresh() {
    let run = |bench: &mut Bench| {
        bench.parameters.mass_scale.row_mut(1).fill(1.3);
        bench.parameters.friction_scale.row_mut(0).fill(0.5);
        bench.parameters.stiffness_scale.row_mut(2).fill(0.8);
        bench.reset_all(start, |_| vec![0.0; 18]);
        drive(bench, 0, 0..60);
    };
    let mut used = quadrupeds(1);
    drive(&mut used, 0, 0..50);
    let plain = used.bits(0);
    run(&mut used);
    let mut fresh = quadrupeds(1);
    run(&mut fresh);
    assert_eq!(used.bits(0), fresh.bits(0));
    assert_ne!(used.bits(0), plain, "the parameters changed nothing");
}

#[test]
fn an_environment_in_a_batch_equals_itself_alone() {
    for n in [2, 7, 30] {
        let mut batch = quadrupeds(n);
        drive(&mut batch, 0, 0..60);
        for env in [0, n / 2, n - 1] {
            let mut alone = Bench::new(&quadruped(), 1, options(0.004, 2));
            alone.reset_all(|_| start(env), |_| vec![0.0; 18]);
            drive(&mut alone, env, 0..60);
            assert_eq!(alone.bits(0), batch.bits(env), "env {env} of {n}");
        }
    }
}

#[test]
fn partial_resets_leave_the_others_alone() {
    let mut calm = quadrupeds(6);
    let mut stormy = quadrupeds(6);
    let mask: Vec<bool> = (0..6).map(|env| env % 2 == 0).collect();
    for round in 0..5 {
        drive(&mut calm, 0, 10 * round..10 * round + 10);
        stormy.reset(&mask, start, |_| vec![0.0; 18]);
        drive(&mut stormy, 0, 10 * round..10 * round + 10);
    }
    for env in [1, 3, 5] {
        assert_eq!(calm.bits(env), stormy.bits(env), "env {env}");
    }
    assert_ne!(calm.bits(0), stormy.bits(0));
}

#[test]
fn threads_do_not_matter() {
    let results: Vec<_> = [1, 2, 7]
        .iter()
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(*threads).build().unwrap();
            pool.install(|| {
                let mut bench = quadrupeds(9);
                drive(&mut bench, 0, 0..60);
                (0..9).map(|env| bench.bits(env)).collect::<Vec<_>>()
            })
        })
        .collect();
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}

#[test]
fn a_loaded_snapshot_goes_on_bit_for_bit() {
    for before in [0, 1, 50] {
        let mut bench = quadrupeds(3);
        drive(&mut bench, 0, 0..before);
        let bytes = bench.executor.save();
        let kept = bench.state.clone();
        drive(&mut bench, 0, before..before + 60);
        let expected: Vec<_> = (0..3).map(|env| bench.bits(env)).collect();

        let mut other = quadrupeds(3);
        drive(&mut other, 5, 0..20);
        other.executor.load(&bytes).unwrap();
        other.state = kept;
        drive(&mut other, 0, before..before + 60);
        let found: Vec<_> = (0..3).map(|env| other.bits(env)).collect();
        assert_eq!(expected, found, "saved after {before} steps");
    }
}

#[test]
fn damaged_snapshots_are_refused() {
    let mut bench = quadrupeds(1);
    drive(&mut bench, 0, 0..10);
    let bytes = bench.executor.save();
    let mut refused = 0;
    for at in (0..bytes.len()).step_by(bytes.len() / 200) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        refused += bench.executor.load(&damaged).is_err() as usize;
        assert!(bench.executor.load(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(refused >= 200, "{refused} refused");
    let other = Bench::new(&crate::robots::cartpole(), 1, options(0.004, 2)).executor.save();
    let message = bench.executor.load(&other).unwrap_err().to_string();
    assert!(message.contains("another model"), "{message}");
}

#[test]
fn not_a_number_stays_in_its_environment() {
    let mut clean = quadrupeds(5);
    let mut sick = quadrupeds(5);
    drive(&mut clean, 0, 0..20);
    drive(&mut sick, 0, 0..20);
    let last_finite = sick.bits(2);
    let mut delta = Field::zeros(18, 5);
    delta.set(9, 2, f32::NAN);
    sick.executor.add_velocity(&[false, false, true, false, false], &delta, &mut sick.state);
    let faults = sick.step();
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].env, faults[0].cause), (2, FaultCause::NonFinite));
    assert_eq!(sick.bits(2), last_finite, "the column keeps the last finite state");
    // The same controls for both, then a reset heals the sick one.
    clean.run(1);
    for env in [0, 1, 3, 4] {
        assert_eq!(clean.bits(env), sick.bits(env), "env {env}");
    }
    sick.reset(&[false, false, true, false, false], start, |_| vec![0.0; 18]);
    drive(&mut clean, 0, 21..60);
    drive(&mut sick, 0, 21..60);
    for env in [0, 1, 3, 4] {
        assert_eq!(clean.bits(env), sick.bits(env), "env {env}");
    }
    assert!(sick.state.qpos.as_slice().iter().all(|v| v.is_finite()));
}

#[test]
fn controls_that_are_not_numbers_fault_at_once() {
    let mut bench = quadrupeds(3);
    drive(&mut bench, 0, 0..5);
    bench.ctrl.set(4, 1, f32::INFINITY);
    let faults = bench.step();
    assert_eq!(faults.iter().map(|f| f.env).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_velocity_beyond_the_limit_is_divergence() {
    let mut bench = quadrupeds(2);
    let mut delta = Field::zeros(18, 2);
    delta.set(0, 1, 5000.0);
    bench.executor.add_velocity(&[false, true], &delta, &mut bench.state);
    let faults = bench.step();
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].env, faults[0].cause), (1, FaultCause::Diverged));
}
