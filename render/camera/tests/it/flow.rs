//! Optical flow against closed forms, and against points that are carried along in double precision.

use glam::{DQuat, DVec3};
use keiko_camera::{Backend, Camera, Channel};
use keiko_model::Pose;
use keiko_model::camera::looking_along;
use keiko_model::robot::{RobotModel, Shape};
use keiko_world::BatchState;

use crate::support::{
    FISHEYE, LIDAR, Random, WIDE_ANGLE, body_pose, camera_above, camera_around, clutter, empty, geom, opencv,
    pixel_ray, render_moved, strewn, with_each,
};

const SIZE: [u32; 2] = [48, 32];

/// A wall 4 m before a camera at the origin that looks along x, and a ball on a body of its own 2 m before it.
fn wall() -> RobotModel {
    let mut model = empty();
    let mut random = Random(1);
    let ball = clutter(&mut random, false);
    model.bodies.push(ball.bodies[1].clone());
    model.joints.push(ball.joints[0].clone());
    let far = Pose::from_position(DVec3::new(5.0, 0.0, 0.0));
    model.geoms.push(geom("wall", 0, far, Shape::Box { half_size: DVec3::new(1.0, 9.0, 9.0) }));
    model.geoms.push(geom("disc", 1, Pose::IDENTITY, Shape::Box { half_size: DVec3::new(0.1, 0.3, 0.3) }));
    model
}

fn at(model: &RobotModel, pose: Pose) -> BatchState {
    let mut state = BatchState::new(model, 1);
    state.body_position.set_column(0, [0.0; 3].into_iter().chain(pose.position.as_vec3().to_array()));
    let rotation = [0.0, 0.0, 0.0, 1.0].into_iter().chain(pose.rotation.as_quat().to_array());
    state.body_rotation.set_column(0, rotation);
    state
}

/// Flow `[2, height, width]`, and which geom each pixel shows.
fn flow(backend: &Backend, model: &RobotModel, poses: [Pose; 2], camera: &Camera) -> (Vec<f32>, Vec<i32>) {
    let [before, now] = poses.map(|pose| at(model, pose));
    let channels = [Channel::Flow, Channel::Segmentation];
    let images = render_moved(backend, model, [&before, &now], std::slice::from_ref(camera), &channels);
    let flow = images.floats(Channel::Flow).expect("asked for").to_vec();
    (flow, images.ids(Channel::Segmentation).expect("asked for").to_vec())
}

#[test]
fn what_moves_moves_as_perspective_says() {
    with_each("flow::what_moves_moves_as_perspective_says", |backend| {
        let model = wall();
        let east = looking_along(DVec3::X, DVec3::Z);
        let camera = Camera::new("c", 0, Pose::new(DVec3::ZERO, east), SIZE, 0.9);
        let (focal, area) = (camera.focal[0], (SIZE[0] * SIZE[1]) as usize);
        // The front of what stands 2 m away is at 1.9 m; it goes to the left, which is along y, and up.
        let place = |y: f64, z: f64| Pose::from_position(DVec3::new(2.0, y, z));
        let (seen, ids) = flow(backend, &model, [place(0.0, 0.0), place(0.05, 0.02)], &camera);
        let expected = [-focal * 0.05 / 1.9, -focal * 0.02 / 1.9];
        let mut moving = 0;
        for at in 0..area {
            if ids[at] == 1 {
                moving += 1;
                for k in 0..2 {
                    let off = f64::from(seen[k * area + at]) - expected[k];
                    assert!(off.abs() < 1e-3, "{off} of {}", expected[k]);
                }
            } else {
                assert_eq!([seen[at], seen[area + at]], [0.0; 2], "the wall stands still");
            }
        }
        assert!(moving > 50, "{moving} pixels move");

        // The same camera on the body, looking past its own housing: the wall goes the other way.
        let mut riding = camera.clone();
        (riding.body, riding.near) = (1, 0.5);
        let (seen, _) = flow(backend, &model, [place(0.0, 0.0), place(0.05, 0.0)], &riding);
        // It stands at x = 2, so the wall is 2 m away.
        let expected = focal * 0.05 / 2.0;
        for at in 0..area {
            assert!((f64::from(seen[at]) - expected).abs() < 1e-3 && seen[area + at].abs() < 1e-3);
        }

        // It turns to the left by an angle: also the sky and what is far goes to the right.
        let angle: f64 = 0.02;
        let turned = Pose::new(DVec3::new(2.0, 0.0, 0.0), DQuat::from_rotation_z(angle));
        let mut empty_sky = model.clone();
        empty_sky.geoms.remove(0);
        for model in [&model, &empty_sky] {
            let (seen, _) = flow(backend, model, [place(0.0, 0.0), turned], &riding);
            for (at, seen) in seen[..area].iter().enumerate() {
                let now = f64::from(at as u32 % SIZE[0]) + 0.5 - riding.center[0];
                let then = focal * ((now / focal).atan() - angle).tan();
                assert!((f64::from(*seen) - (now - then)).abs() < 2e-3, "{seen} {}", now - then);
            }
        }
    });
}

#[test]
fn every_pixel_comes_from_where_its_point_was() {
    with_each("flow::every_pixel_comes_from_where_its_point_was", |backend| {
        let mut random = Random(5);
        let mut model = clutter(&mut random, true);
        // Bodies that move, turn, and carry a camera.
        let now = strewn(&model, &mut random, 1);
        let mut before = now.clone();
        for body in 1..model.bodies.len() {
            let moved = |x: f64, random: &mut Random| x + random.within(-0.05, 0.05);
            for k in 0..3 {
                let x = f64::from(now.body_position.get(3 * body + k, 0));
                before.body_position.set(3 * body + k, 0, moved(x, &mut random) as f32);
            }
            let turn = [0, 1, 2, 3].map(|k| f64::from(now.body_rotation.get(4 * body + k, 0)));
            let turn = DQuat::from_array(turn.map(|x| moved(x, &mut random))).normalize();
            for (k, x) in turn.to_array().into_iter().enumerate() {
                before.body_rotation.set(4 * body + k, 0, x as f32);
            }
        }
        model.geoms[0].pose.position.z -= 0.5;
        let mut cameras = vec![camera_around(&mut random, SIZE)];
        cameras.extend([WIDE_ANGLE, FISHEYE, LIDAR].map(|lens| camera_above(&mut random, SIZE, lens)));
        let mut riding = camera_above(&mut random, SIZE, FISHEYE);
        riding.body = 3;
        cameras.push(riding);
        let channels = [Channel::Flow, Channel::Segmentation, Channel::Distance];
        for camera in &cameras {
            let images =
                render_moved(backend, &model, [&before, &now], std::slice::from_ref(camera), &channels);
            let (flow, ids) = (images.floats(Channel::Flow), images.ids(Channel::Segmentation));
            let (flow, ids) = (flow.expect("asked for"), ids.expect("asked for"));
            let distances = images.floats(Channel::Distance).expect("asked for");
            let [view, view_before] =
                [&now, &before].map(|state| body_pose(state, camera.body, 0).compose(camera.pose));
            let area = ids.len();
            let (mut seen, mut fast, mut worst) = (0, 0, 0.0f64);
            for at in 0..area {
                let (x, y) = (at as u32 % SIZE[0], at as u32 / SIZE[0]);
                let (origin, direction, _) = pixel_ray(camera, body_pose(&now, camera.body, 0), x, y);
                // A point so far away that only turns move it stands for the sky.
                let mut then = view_before.position + 1e9 * direction;
                if let Some(geom) = usize::try_from(ids[at]).ok().map(|id| &model.geoms[id]) {
                    let point = origin + f64::from(distances[at]) * direction;
                    let [now, before] = [&now, &before].map(|state| body_pose(state, geom.body, 0));
                    then = before.transform_point(now.inverse().transform_point(point));
                }
                let ray = view_before.inverse().transform_point(then).normalize();
                if camera.lens.is_pinhole() && ray.z < 1e-3 {
                    continue;
                }
                assert!(view.position.is_finite());
                let from = opencv(camera.lens, ray);
                let from = [0, 1].map(|k| from[k] * camera.focal[k] + camera.center[k]);
                let to = [x, y].map(|side| f64::from(side) + 0.5);
                let mut expected = [0, 1].map(|k| to[k] - from[k]);
                if camera.lens == LIDAR {
                    let turn = std::f64::consts::TAU * camera.focal[0];
                    expected[0] -= turn * (expected[0] / turn).round();
                }
                for k in 0..2 {
                    let off = (f64::from(flow[k * area + at]) - expected[k]).abs();
                    worst = worst.max(off / (1.0 + expected[k].abs()));
                }
                seen += 1;
                fast += usize::from(expected[0].hypot(expected[1]) > 0.3);
            }
            println!(
                "{:?}: {seen} of {area} pixels, {fast} move, {worst:.1e} of 1 px + flow off",
                camera.lens
            );
            assert!(seen * 10 > 9 * area && fast > 20, "{seen} pixels, {fast} that move");
            assert!(worst < 3e-3, "off by {worst} of 1 px and the flow");
        }
    });
}
