//! Cameras, projections and picking.

use glam::{DQuat, DVec3};
use keiko_camera::{Channel, Tracer, TracerOptions, aimed_each};
use keiko_model::Pose;
use keiko_viewer::{Eye, Orbit, Projection, Resolution, Shapes, View, body_pose};

use crate::support::{options, robot, scene};

const SIZE: [u32; 2] = [320, 200];

fn orbit() -> Orbit {
    Orbit { target: DVec3::new(0.3, -0.1, 0.4), yaw: 0.7, pitch: 0.4, distance: 2.0 }
}

#[test]
fn the_target_is_in_the_middle_and_drags_move_what_is_there() {
    let mut orbit = orbit();
    let project =
        |orbit: &Orbit, point| Projection::new(&orbit.camera(SIZE), Pose::IDENTITY).pixel(point).unwrap();
    let (pixel, depth) = project(&orbit, orbit.target);
    assert!((pixel[0] - 160.0).abs() < 1e-9 && (pixel[1] - 100.0).abs() < 1e-9 && (depth - 2.0).abs() < 1e-9);

    // A point at the target follows the mouse: a tenth of the height to the right, a fifth down.
    let point = orbit.target;
    orbit.pan([0.1, 0.2]);
    let (pixel, depth) = project(&orbit, point);
    assert!((pixel[0] - 180.0).abs() < 1e-9 && (pixel[1] - 140.0).abs() < 1e-9 && (depth - 2.0).abs() < 1e-9);

    orbit.zoom(0.5);
    assert_eq!(orbit.distance, 1.0);
    orbit.turn([0.0, 10.0]);
    assert!(orbit.pitch < std::f64::consts::FRAC_PI_2, "never over the pole: {}", orbit.pitch);
    let eye = orbit.camera(SIZE).pose.position;
    let (before, target) = (eye, orbit.target);
    orbit.fly([0.0, 0.0, 0.5]);
    let moved = orbit.camera(SIZE).pose.position - before;
    let ahead = (target - eye).normalize();
    assert!(moved.distance(0.5 * ahead) < 1e-9, "{moved} is half the distance ahead");
}

#[test]
fn rays_and_pixels_are_each_others_inverse() {
    let mut camera = orbit().camera(SIZE);
    camera.center[0] += 11.0;
    let body = Pose::new(DVec3::new(0.1, 0.2, 0.3), DQuat::from_rotation_x(0.4));
    let projection = Projection::new(&camera, body);
    for pixel in [[0.5, 0.5], [160.0, 100.0], [300.0, 20.0]] {
        let point = projection.pose.position + 1.7 * projection.ray(pixel);
        let (found, _) = projection.pixel(point).unwrap();
        assert!((found[0] - pixel[0]).abs() < 1e-9 && (found[1] - pixel[1]).abs() < 1e-9);
        let beside = projection.beside([pixel[0] + 10.0, pixel[1]], point);
        let ((_, a), (_, b)) = (projection.pixel(point).unwrap(), projection.pixel(beside).unwrap());
        assert!((a - b).abs() < 1e-9, "the same depth");
    }
    let behind = projection.pose.position - projection.ray([160.0, 100.0]);
    assert!(projection.pixel(behind).is_none());
    let ahead = projection.pose.position + projection.ray([160.0, 100.0]);
    let [a, b] = projection.segment(behind, ahead).unwrap();
    assert!(a.iter().chain(&b).all(|x| x.is_finite()));
    assert!(projection.segment(behind, behind).is_none());
}

#[test]
fn what_is_picked_is_what_the_tracer_shows_there() {
    let mut session = scene("walk", &[], 2);
    session.show(1);
    for _ in 0..20 {
        session.single_step();
    }
    let mut view = View::new(&session).unwrap();
    let (camera, _) = view.camera(&session, SIZE);
    let mut eye = Eye::new(&session.options().backend, session.subject(), Shapes::Visual).unwrap();
    eye.pose(&session).unwrap();
    let images = eye.look(&camera, &[Channel::Segmentation, Channel::Distance]).unwrap();
    let ids = images.ids(Channel::Segmentation).unwrap();
    let (mut hits, mut misses) = (0, 0);
    for y in (0..SIZE[1]).step_by(7) {
        for x in (0..SIZE[0]).step_by(7) {
            let id = ids[(y * SIZE[0] + x) as usize];
            let pixel = [f64::from(x) + 0.5, f64::from(y) + 0.5];
            match view.pick(&session, SIZE, pixel).unwrap() {
                Some(picked) => {
                    assert_eq!(i32::try_from(picked.geom).unwrap(), id, "{x}, {y}");
                    assert_eq!(picked.body, session.model().geoms[picked.geom].body);
                    let seen = view.projection(&session, SIZE).pixel(picked.point).unwrap().0;
                    assert!(
                        (seen[0] - pixel[0]).abs() < 0.01 && (seen[1] - pixel[1]).abs() < 0.01,
                        "{seen:?}"
                    );
                    hits += u32::from(picked.body > 0);
                }
                None => {
                    assert_eq!(id, -1);
                    misses += 1;
                }
            }
        }
    }
    assert!(hits > 20, "{hits} rays meet the robot, {misses} nothing");
}

#[test]
fn a_camera_of_the_robot_is_looked_through_from_its_body() {
    let session = scene("reach-to", &[], 1);
    let mut view = View::new(&session).unwrap();
    let (index, camera) = session.model().cameras.iter().enumerate().next_back().unwrap();
    view.through = Some(index);
    let (found, pose) = view.camera(&session, camera.size);
    assert_eq!(&found, camera);
    assert_eq!(pose, body_pose(session.state(), 0, camera.body));
}

#[test]
fn collision_shapes_are_those_that_collide() {
    let session = robot(
        r#"<mujoco><worldbody><body name="b"><freejoint/>
          <geom name="shell" type="sphere" size=".3" contype="0" conaffinity="0" group="1"/>
          <geom name="core" type="sphere" size=".1" group="3"/></body></worldbody></mujoco>"#,
    );
    for (shapes, expected) in [(Shapes::Visual, 0), (Shapes::Collision, 1)] {
        let mut eye = Eye::new(&options(1).backend, session.subject(), shapes).unwrap();
        eye.pose(&session).unwrap();
        let camera = Orbit { target: DVec3::ZERO, ..orbit() }.camera(SIZE);
        let (geom, point) = eye.pick(&camera, Pose::IDENTITY, [160.0, 100.0]).unwrap().unwrap();
        assert_eq!(session.model().geoms[geom].name, ["shell", "core"][expected]);
        assert!((point.length() - [0.3, 0.1][expected]).abs() < 1e-5, "{point}");
    }
}

#[test]
fn pictures_get_coarser_where_the_machine_is_slow() {
    let mut resolution = Resolution::default();
    for _ in 0..50 {
        resolution.took([1000, 500], 0.5); // 1 µs a pixel
    }
    assert_eq!(resolution.divisor([1000, 500], 0.5), 1);
    // 500,000 pixels in 20 ms: 25 times fewer.
    assert_eq!(resolution.divisor([1000, 500], 0.0199), 6);
    assert_eq!(resolution.divisor([1000, 500], 1e-9), 8);
}

#[test]
fn the_window_shows_each_environment_as_it_is_drawn() {
    let paint = "randomize.paint={ term = \"color\", bodies = [\"cart\", \"pole\"], offset = [-0.5, 0.5] }";
    let mount = "randomize.mount={ term = \"camera_pose\", position = [-0.2, 0.2] }";
    let mut session = scene("cartpole", &[paint, mount], 2);
    session.single_step();
    let (env, model) = (session.subject().task().unwrap(), session.model());
    let looks = env.looks();
    let options = TracerOptions { varied: true, ..session.subject().looks() };
    let tracer = Tracer::new(&session.options().backend, model, 2, &options).unwrap();
    tracer.dress(&looks).unwrap();
    tracer.pose(session.state());
    let camera = model.cameras[0].clone().resized([64, 40]);
    let group = tracer.group(std::slice::from_ref(&camera), &[Channel::Rgb]).unwrap();
    tracer.aim(&group, &aimed_each(&camera, 0, &looks, 2)).unwrap();
    tracer.render(&group);
    let both = tracer.read(&group).unwrap();
    let mut view = View::new(&session).unwrap();
    let mut seen = Vec::new();
    for which in 0..2 {
        session.show(which);
        let shown = view.preview(&session, 0, Channel::Rgb).unwrap().unwrap();
        // Previews are as large as the camera's own image, if that is small.
        let camera = session.model().cameras[0].clone();
        assert_eq!(shown.size, camera.size.map(|side| side as usize));
        seen.push(shown.pixels);
        view.through = Some(0);
        let through = view.camera(&session, [64, 40]).0;
        let expected = aimed_each(&camera.resized([64, 40]), 0, &looks, 2)[which].clone();
        assert!(through.pose.position.distance(expected.pose.position) < 1e-12);
    }
    assert!(seen[0] != seen[1], "two environments, two paints");
    let mut eye = Eye::new(&session.options().backend, session.subject(), Shapes::Visual).unwrap();
    for which in 0..2 {
        session.show(which);
        eye.pose(&session).unwrap();
        let aimed = aimed_each(&camera, 0, &looks, 2)[which].clone();
        let images = eye.look(&aimed, &[Channel::Rgb]).unwrap();
        assert!(
            images.view_bits(Channel::Rgb, 0) == both.view_bits(Channel::Rgb, which),
            "environment {which}"
        );
    }
}
