//! Where environments touch, as people see it, by both executors.

use glam::DVec3;
use keiko_model::RobotModel;
use keiko_model::robot::{JointKind, Shape};
use keiko_world::{
    BatchState, EnvParameters, Executor, Field, LanesExecutor, PhysicsOptions, RapierExecutor, Touch,
};

use crate::robots::{Builder, GRAVITY, quadruped, standing, turn};

const NUM_ENVS: usize = 3;

fn options() -> PhysicsOptions {
    PhysicsOptions { timestep: 0.002, decimation: 5, ..PhysicsOptions::default() }
}

fn executors(model: &RobotModel) -> [Box<dyn Executor>; 2] {
    [
        Box::new(LanesExecutor::new(model, NUM_ENVS, options()).unwrap()),
        Box::new(RapierExecutor::new(model, NUM_ENVS, options()).unwrap()),
    ]
}

/// Steps all environments from `qpos` under `ctrl` until they rest, and gives what touches in the last of them.
fn rest(
    model: &RobotModel,
    executor: &mut dyn Executor,
    qpos: &[f32],
    ctrl: impl Fn(usize) -> f32,
) -> (BatchState, Vec<Touch>) {
    let mut state = BatchState::new(model, NUM_ENVS);
    let (mut start, rest) =
        (Field::zeros(model.num_qpos(), NUM_ENVS), Field::zeros(model.num_dofs(), NUM_ENVS));
    let mut controls = Field::zeros(model.actuators.len(), NUM_ENVS);
    for env in 0..NUM_ENVS {
        start.set_column(env, qpos.iter().copied());
        controls.set_column(env, (0..model.actuators.len()).map(&ctrl));
    }
    let parameters = EnvParameters::identity(model, NUM_ENVS);
    executor.reset(&[true; NUM_ENVS], &start, &rest, &parameters, &mut state);
    assert!(executor.touches(2).is_empty(), "{}: nothing has pressed yet", executor.name());
    for _ in 0..200 {
        assert!(executor.step(&controls, &mut state).is_empty());
    }
    let touches = executor.touches(2);
    for (a, b) in touches.iter().zip(executor.touches(0)) {
        assert_eq!((a.position, a.force), (b.position, b.force), "environments are alike");
    }
    (state, touches)
}

/// Force on a body.
fn on(model: &RobotModel, touches: &[Touch], body: usize) -> DVec3 {
    let of = |touch: &Touch| match touch.geoms.map(|geom| model.geoms[geom].body == body) {
        [_, true] => touch.force,
        [true, false] => -touch.force,
        [false, false] => DVec3::ZERO,
    };
    touches.iter().map(of).sum()
}

/// A cube on a slope is held by four points at its lower face; their forces are its weight, straight up.
#[test]
fn a_cube_on_a_slope_stands_on_its_corners() {
    let tilt = turn(DVec3::Y, 20.0);
    let mut b = Builder::new("slope");
    let floor = b.floor();
    b.0.geoms[floor].pose.rotation = tilt;
    let body = b.body(0, [0.0; 3], 1.0, [0.0; 3], [0.04 / 6.0; 3]);
    b.joint(body, JointKind::Free, [0.0; 3], [0.0; 3]);
    b.geom(body, [0.0; 3], Shape::Box { half_size: DVec3::splat(0.1) });
    let center = tilt * DVec3::new(0.0, 0.0, 0.1);
    let qpos: Vec<f32> = center.to_array().iter().chain(&tilt.to_array()).map(|v| *v as f32).collect();
    for mut executor in executors(&b.0) {
        let (state, touches) = rest(&b.0, &mut *executor, &qpos, |_| 0.0);
        let name = executor.name();
        assert_eq!(touches.len(), 4, "{name}: {touches:?}");
        let force = on(&b.0, &touches, body);
        assert!(force.distance(DVec3::Z * GRAVITY) < 0.03 * GRAVITY, "{name}: {force}");
        let at = DVec3::from_array([0, 1, 2].map(|k| f64::from(state.body_position.get(3 * body + k, 2))));
        for touch in &touches {
            assert!(touch.geoms.contains(&floor), "{name}");
            // From the first into the second, up the slope's normal onto the cube.
            let up = if touch.geoms[0] == floor { touch.normal } else { -touch.normal };
            assert!(up.distance(tilt * DVec3::Z) < 0.01, "{name}: {up}");
            let corner = tilt.inverse() * (touch.position - at);
            let off = (corner.abs() - DVec3::splat(0.1)).abs().max_element();
            assert!(corner.z < 0.0 && off < 0.005, "{name}: {corner} from the cube's centre");
        }
    }
}

/// A quadruped stands on its feet alone: its weight is on them, and each point is on the ground.
#[test]
fn a_quadruped_stands_on_its_feet() {
    let model = quadruped();
    let mut qpos = standing(0.37);
    qpos.resize(model.num_qpos(), 0.0);
    for mut executor in executors(&model) {
        let (state, touches) = rest(&model, &mut *executor, &qpos, |k| crate::robots::STANCE[k % 3]);
        let name = executor.name();
        assert!(touches.len() >= 4, "{name}: {touches:?}");
        let weight = model.total_mass() * GRAVITY;
        let total: f64 = (1..model.bodies.len()).map(|body| on(&model, &touches, body).z).sum();
        assert!((total / weight - 1.0).abs() < 0.03, "{name}: {total} N of {weight} N");
        for touch in &touches {
            assert!(touch.position.z.abs() < 0.01, "{name}: {}", touch.position);
        }
        for body in 1..model.bodies.len() {
            let mean = f64::from(state.contact_force.get(3 * body + 2, 2));
            let now = on(&model, &touches, body).z;
            assert!((mean - now).abs() < 0.05 * weight, "{name}, body {body}: {now} N, mean {mean} N");
        }
    }
}
