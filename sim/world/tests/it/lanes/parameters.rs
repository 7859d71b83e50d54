//! What differs between environments acts: closed forms, on the batched engine and on rapier.

use keiko_model::RobotModel;
use keiko_world::verify::read;
use keiko_world::{
    BatchState, EnvParameters, Executor, Field, LanesExecutor, PhysicsOptions, RapierExecutor,
};

const TIMESTEP: f32 = 1e-3;

/// Two environments of a model; everything is asked of the second.
struct Two {
    executor: Box<dyn Executor>,
    state: BatchState,
    ctrl: Field,
}

impl Two {
    fn new(rapier: bool, model: &RobotModel, set: &dyn Fn(&mut EnvParameters), start: Option<f32>) -> Self {
        let options =
            PhysicsOptions { timestep: TIMESTEP, solver_iterations: 1, ..PhysicsOptions::default() };
        let executor: Box<dyn Executor> = match rapier {
            true => Box::new(RapierExecutor::new(model, 2, options).unwrap()),
            false => Box::new(LanesExecutor::new(model, 2, options).unwrap()),
        };
        let mut two =
            Self { executor, state: BatchState::new(model, 2), ctrl: Field::zeros(model.actuators.len(), 2) };
        let mut parameters = EnvParameters::identity(model, 2);
        set(&mut parameters);
        let mut qpos = Field::zeros(model.num_qpos(), 2);
        for env in 0..2 {
            qpos.set_column(env, model.reference_qpos().iter().map(|q| *q as f32));
        }
        if let Some(q) = start {
            qpos.row_mut(0).fill(q);
        }
        let qvel = Field::zeros(model.num_dofs(), 2);
        two.executor.reset(&[true; 2], &qpos, &qvel, &parameters, &mut two.state);
        two
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            assert!(self.executor.step(&self.ctrl, &mut self.state).is_empty());
        }
    }

    fn velocity(&self, env: usize) -> Vec<f32> {
        self.state.qvel.column(env).collect()
    }
}

fn near(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{what}: {found:?}, expected {expected:?}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// A brick of 2 kg in the air: moments of inertia 2/3 (b² + c²).
const BRICK: &str = r#"
<mujoco><worldbody><body name="brick"><freejoint/>
  <geom type="box" size=".3 .2 .1" mass="2"/></body></worldbody></mujoco>"#;
const MOMENTS: [f32; 3] = [2.0 / 3.0 * 0.05, 2.0 / 3.0 * 0.10, 2.0 / 3.0 * 0.13];

#[test]
fn gravity_and_external_wrenches_accelerate_by_their_size() {
    let model = read(BRICK).unwrap();
    for rapier in [false, true] {
        let mut fall = Two::new(rapier, &model, &|p| p.gravity.set_column(1, [1.0, -2.0, 3.0]), None);
        fall.run(500);
        near(&fall.velocity(1), &[0.5, -1.0, 1.5, 0.0, 0.0, 0.0], 1e-4, "drawn gravity");
        near(&fall.velocity(0), &[0.0, 0.0, -4.905, 0.0, 0.0, 0.0], 2e-4, "the model's gravity");

        let none = |p: &mut EnvParameters| p.gravity.as_mut_slice().fill(0.0);
        let force = |p: &mut EnvParameters| {
            none(p);
            p.wrench.set_column(1, [0.0; 6].into_iter().chain([3.0, -1.0, 0.5, 0.0, 0.0, 0.0]));
        };
        let mut pulled = Two::new(rapier, &model, &force, None);
        pulled.run(500);
        near(&pulled.velocity(1), &[0.75, -0.25, 0.125, 0.0, 0.0, 0.0], 1e-4, "force over mass");
        near(&pulled.velocity(0), &[0.0; 6], 0.0, "the other environment");

        for axis in 0..3 {
            let turn = |p: &mut EnvParameters| {
                none(p);
                p.wrench.set(6 + 3 + axis, 1, 0.01);
                p.inertia_scale.set(1, 1, 2.0);
            };
            let mut turned = Two::new(rapier, &model, &turn, None);
            turned.run(500);
            let mut expected = [0.0; 6];
            expected[3 + axis] = 0.01 * 0.5 / (2.0 * MOMENTS[axis]);
            near(&turned.velocity(1), &expected, 1e-4, "torque over twice the inertia");
        }
    }
}

#[test]
fn a_wrench_acts_while_it_is_set() {
    let model = read(BRICK).unwrap();
    for rapier in [false, true] {
        let mut two = Two::new(rapier, &model, &|p| p.gravity.as_mut_slice().fill(0.0), None);
        let mut wrench = Field::zeros(6 * model.bodies.len(), 2);
        two.run(50);
        wrench.row_mut(6).fill(4.0);
        two.executor.set_wrench(&[false, true], &wrench);
        two.run(100);
        near(&two.velocity(1), &[0.2, 0.0, 0.0, 0.0, 0.0, 0.0], 1e-4, "4 N for 0.1 s on 2 kg");
        let saved = two.executor.save();
        two.run(100);
        let went_on = two.velocity(1);
        near(&went_on, &[0.4, 0.0, 0.0, 0.0, 0.0, 0.0], 1e-4, "and on");
        two.executor.load(&saved).unwrap();
        two.run(100);
        assert_eq!(two.velocity(1), went_on, "a snapshot holds the wrench");
        wrench.row_mut(6).fill(0.0);
        two.executor.set_wrench(&[true, true], &wrench);
        two.run(100);
        near(&two.velocity(1), &[0.4, 0.0, 0.0, 0.0, 0.0, 0.0], 1e-4, "without it");
        near(&two.velocity(0), &[0.0; 6], 0.0, "the other environment");
        wrench.row_mut(6).fill(f32::NAN);
        two.executor.set_wrench(&[true, false], &wrench);
        let faults = two.executor.step(&two.ctrl, &mut two.state);
        assert_eq!(faults.iter().map(|f| f.env).collect::<Vec<_>>(), [0]);
    }
}

/// A point mass of 1 kg, 0.5 m below a hinge, as a small ball.
const PENDULUM: &str = r#"
<mujoco><worldbody><body pos="0 0 1"><joint axis="0 1 0" armature="0.05"/>
  <inertial pos="0 0 -0.5" mass="1" diaginertia="0.001 0.001 0.001"/></body></worldbody></mujoco>"#;

/// Seconds until a pendulum that is let go at 0.02 rad hangs straight: a quarter of its period.
fn quarter(rapier: bool, set: &dyn Fn(&mut EnvParameters)) -> f32 {
    let model = read(PENDULUM).unwrap();
    let mut two = Two::new(rapier, &model, set, Some(0.02));
    let mut before = 0.02;
    for step in 0..2000 {
        two.run(1);
        let now = two.state.qpos.get(0, 1);
        if now <= 0.0 {
            return (step as f32 + before / (before - now)) * TIMESTEP;
        }
        before = now;
    }
    panic!("it never hangs straight");
}

#[test]
fn rotor_inertia_and_the_centre_of_mass_set_the_period_of_a_pendulum() {
    let period = |inertia: f32, length: f32| (inertia / (9.81 * length)).sqrt() * std::f32::consts::TAU;
    for rapier in [false, true] {
        for (what, set, inertia, length) in [
            ("as it is", (|_| {}) as fn(&mut EnvParameters), 0.25 + 0.001 + 0.05, 0.5),
            ("armature", |p| p.armature_scale.set(0, 1, 4.0), 0.25 + 0.001 + 0.2, 0.5),
            ("inertia", |p| p.inertia_scale.set(1, 1, 100.0), 0.25 + 0.1 + 0.05, 0.5),
            ("centre of mass", |p| p.com_offset.set(5, 1, -0.3), 0.64 + 0.001 + 0.05, 0.8),
        ] {
            let found = 4.0 * quarter(rapier, &set);
            let expected = period(inertia, length);
            // Half a time step of the integrator.
            assert!((found - expected).abs() < 3e-3, "rapier {rapier}, {what}: {found} s, {expected} s");
        }
    }
}

/// A ball over a field with two plains: height 0 where x is below 0, 0.4 m where it is above 0.2 m.
const PLAINS: &str = r#"
<mujoco>
  <asset><hfield name="h" nrow="2" ncol="11" size="1 1 0.4 0.1"
    elevation="0 0 0 0 0 0 1 1 1 1 1   0 0 0 0 0 0 1 1 1 1 1"/></asset>
  <worldbody>
    <geom type="hfield" hfield="h"/>
    <body pos="0 0 0.55"><freejoint/><geom type="sphere" size="0.1" mass="1"/></body>
  </worldbody>
</mujoco>"#;

#[test]
fn environments_stand_on_their_own_part_of_the_terrain() {
    let model = read(PLAINS).unwrap();
    for rapier in [false, true] {
        let apart = |p: &mut EnvParameters| {
            p.terrain.set_column(0, [0.5, 0.0, 0.0]);
            p.terrain.set_column(1, [-0.5, 0.0, -0.1]);
        };
        let mut two = Two::new(rapier, &model, &apart, None);
        two.run(1500);
        for (env, expected) in [(0, 0.1), (1, 0.4)] {
            let height = two.state.qpos.get(2, env);
            assert!((height - expected).abs() < 2e-3, "rapier {rapier}: {height}, expected {expected}");
        }
    }
}
