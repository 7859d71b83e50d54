//! What pixels mean: where images begin, what colours, classes and numbers stand for.

use glam::DVec3;
use keiko_camera::{Camera, CameraError, Channel, Tracer, TracerOptions};
use keiko_model::Pose;
use keiko_model::camera::looking_along;
use keiko_model::lens::Lens;
use keiko_model::robot::{RobotModel, Shape};
use keiko_world::BatchState;

use crate::support::{empty, geom, render, with_each};

/// A camera on the x axis that looks along it from -2 m.
fn along_x(size: [u32; 2]) -> Camera {
    let pose = Pose::new(DVec3::new(-2.0, 0.0, 0.0), looking_along(DVec3::X, DVec3::Z));
    Camera::new("along x", 0, pose, size, 1.0)
}

/// Balls at the image's upper left and upper right, of red and of blue.
fn two_balls() -> RobotModel {
    let mut model = empty();
    for (name, y, rgba) in [("left", 0.6, [1.0, 0.0, 0.0, 1.0]), ("right", -0.6, [0.0, 0.0, 1.0, 1.0])] {
        let pose = Pose::from_position(DVec3::new(0.0, y, 0.6));
        let mut ball = geom(name, 0, pose, Shape::Sphere { radius: 0.3 });
        ball.rgba = rgba;
        model.geoms.push(ball);
    }
    model
}

#[test]
fn images_begin_at_the_top_left_and_hold_what_was_asked_for() {
    with_each("conventions::images_begin_at_the_top_left_and_hold_what_was_asked_for", |backend| {
        let model = two_balls();
        let state = BatchState::new(&model, 1);
        let size = [60, 40];
        let images = render(backend, &model, &state, &[along_x(size)], &Channel::ALL);
        let pixel = |of: &[i32], x: u32, y: u32| of[(y * size[0] + x) as usize];
        // 0.6 m aside at 2 m of depth, in pixels.
        let focal = along_x(size).focal[0];
        let aside = (focal * 0.3).round() as u32;
        let (left, right, up) = (size[0] / 2 - aside, size[0] / 2 + aside, size[1] / 2 - aside);
        let ids = images.ids(Channel::Segmentation).expect("asked for");
        assert_eq!((pixel(ids, left, up), pixel(ids, right, up)), (0, 1));
        assert_eq!(pixel(ids, left, size[1] - 1), -1);
        let colors = images.rgb().expect("asked for");
        let color = |x: u32, y: u32| &colors[4 * (y * size[0] + x) as usize..][..4];
        let (red, blue) = (color(left, up), color(right, up));
        assert!(
            red[0] > 3 * red[2].max(red[1]) / 2 && blue[2] > 3 * blue[0].max(blue[1]) / 2,
            "{red:?} {blue:?}"
        );
        assert_eq!((red[3], blue[3]), (255, 255));
        // The same colour, as three planes of numbers.
        let floats = images.floats(Channel::RgbFloat).expect("asked for");
        let area = (size[0] * size[1]) as usize;
        for at in 0..area {
            for k in 0..3 {
                let (byte, float) = (f32::from(colors[4 * at + k]), floats[k * area + at]);
                assert!((byte - 255.0 * float).abs() <= 0.51, "pixel {at}: {byte} and {float}");
            }
        }
        // Light is the same colour before sRGB's transfer function.
        let light = images.floats(Channel::Radiance).expect("asked for");
        for (light, shown) in light.iter().zip(floats) {
            let exact = match f64::from(light.clamp(0.0, 1.0)) {
                c if c <= 0.0031308 => 12.92 * c,
                c => 1.055 * c.powf(1.0 / 2.4) - 0.055,
            };
            assert!((f64::from(*shown) - exact).abs() < 2e-6, "{light} is shown as {shown}");
        }
        // What is not asked for is not there.
        let images = render(backend, &model, &state, &[along_x(size)], &[Channel::Depth]);
        assert_eq!(images.channels().collect::<Vec<_>>(), [Channel::Depth]);
        let middle = images.floats(Channel::Depth).expect("asked for");
        assert_eq!(middle.len(), area);
    });
}

#[test]
fn a_camera_sees_out_of_what_carries_it_and_nothing_before_near() {
    with_each("conventions::a_camera_sees_out_of_what_carries_it_and_nothing_before_near", |backend| {
        let shapes = [
            Shape::Sphere { radius: 0.5 },
            Shape::Capsule { radius: 0.4, half_length: 0.5 },
            Shape::Cylinder { radius: 0.4, half_length: 0.5 },
            Shape::Box { half_size: DVec3::splat(0.5) },
            Shape::Ellipsoid { radii: DVec3::new(0.5, 0.6, 0.7) },
        ];
        for shape in shapes {
            let mut model = empty();
            model.geoms.push(geom("housing", 0, Pose::from_position(DVec3::new(-2.0, 0.0, 0.0)), shape));
            let wall = Shape::Box { half_size: DVec3::new(0.1, 50.0, 50.0) };
            model.geoms.push(geom("wall", 0, Pose::from_position(DVec3::new(1.1, 0.0, 0.0)), wall));
            let mut near = along_x([16, 16]);
            near.near = 3.5;
            let mut far = along_x([16, 16]);
            far.far = 2.5;
            let state = BatchState::new(&model, 1);
            let channels = [Channel::Segmentation, Channel::Depth];
            let images = render(backend, &model, &state, &[along_x([16, 16]), near, far], &channels);
            let (ids, depths) = (images.ids(Channel::Segmentation), images.floats(Channel::Depth));
            let (ids, depths) = (ids.expect("asked for"), depths.expect("asked for"));
            assert!(ids[..256].iter().all(|id| *id == 1), "{:?}", model.geoms[0].shape);
            assert!(depths[..256].iter().all(|z| (z - 3.0).abs() < 1e-4));
            assert!(ids[256..512].iter().all(|id| *id == -1) && depths[256..512].iter().all(|z| *z == 100.0));
            assert!(depths[512..].iter().all(|z| *z == 2.5), "far is the most that is reported");
        }
    });
}

#[test]
fn the_sun_casts_shadows_and_classes_tell_robots_from_things() {
    with_each("conventions::the_sun_casts_shadows_and_classes_tell_robots_from_things", |backend| {
        let mut model = empty();
        model.geoms.push(geom("floor", 0, Pose::IDENTITY, Shape::Plane { half_size: [0.0; 2] }));
        for (index, name) in ["robot", "thing"].into_iter().enumerate() {
            model.bodies.push(keiko_model::robot::Body { name: name.to_owned(), ..model.bodies[0].clone() });
            let shape = Shape::Box { half_size: DVec3::splat(0.25) };
            model.geoms.push(geom(name, index + 1, Pose::IDENTITY, shape));
        }
        let mut state = BatchState::new(&model, 1);
        for (body, y) in [(1, -1.0), (2, 1.0)] {
            state.body_position.set(3 * body + 1, 0, y);
            state.body_position.set(3 * body + 2, 0, 1.0);
            state.body_rotation.set(4 * body + 3, 0, 1.0);
        }
        let size = [96, 96];
        let pose = Pose::new(DVec3::new(0.0, 0.0, 8.0), looking_along(DVec3::NEG_Z, DVec3::X));
        let camera = Camera::new("above", 0, pose, size, 0.9);
        let image = |shadows: bool| {
            let options =
                TracerOptions { shadows, num_robot_bodies: 2, flow: true, ..TracerOptions::default() };
            let tracer = Tracer::new(backend, &model, 1, &options).expect("it fits");
            let group = tracer.group(std::slice::from_ref(&camera), &Channel::ALL).expect("it fits");
            tracer.pose(&state);
            tracer.render(&group);
            tracer.read(&group).expect("the device answers")
        };
        let (with, without) = (image(true), image(false));
        let classes = with.ids(Channel::Class).expect("asked for");
        let ids = with.ids(Channel::Segmentation).expect("asked for");
        assert!(classes.iter().zip(ids).all(|(class, id)| class == id), "floor 0, robot 1, thing 2 here");
        assert_eq!(with.ids(Channel::Link), Some(ids));
        assert!([0, 1, 2].iter().all(|class| classes.contains(class)));

        // In the shade are the points of the floor from which the sun is behind a box: those on its shadow.
        let sun = DVec3::from(keiko_camera::daylight().sun.map(f64::from));
        let (a, b) = (with.rgb().expect("asked for"), without.rgb().expect("asked for"));
        let (mut dark, mut wrong) = (0, 0);
        for at in (0..ids.len()).filter(|at| ids[*at] == 0) {
            let (x, y) = (at as u32 % size[0], at as u32 / size[0]);
            let (origin, direction, _) = crate::support::pixel_ray(&camera, Pose::IDENTITY, x, y);
            let point = origin - direction * (origin.z / direction.z);
            let shaded = [-1.0, 1.0].iter().any(|y| {
                let o = point - DVec3::new(0.0, *y, 1.0);
                let (low, high) = ((-0.25 - o) / sun, (0.25 - o) / sun);
                low.min(high).max_element() <= low.max(high).min_element()
            });
            let is_dark = u16::from(a[4 * at]) + 10 < u16::from(b[4 * at]);
            dark += usize::from(is_dark);
            wrong += usize::from(shaded != is_dark);
        }
        assert!(dark > 100, "{dark} pixels of shadow");
        assert!(wrong * 500 <= ids.len(), "{wrong} pixels are wrongly dark or light");
    });
}

#[test]
fn what_cannot_be_rendered_is_said() {
    with_each("conventions::what_cannot_be_rendered_is_said", |backend| {
        let model = two_balls();
        let tracer = Tracer::new(backend, &model, 1, &TracerOptions::default()).expect("it fits");
        let message = |cameras: &[Camera], channels: &[Channel]| {
            tracer.group(cameras, channels).expect_err("it cannot be").to_string()
        };
        assert!(message(&[], &[Channel::Rgb]).contains("needs a camera"));
        assert!(message(&[along_x([8, 8])], &[]).contains("a channel"));
        assert!(message(&[along_x([8, 8]), along_x([8, 9])], &[Channel::Rgb]).contains("[8, 9]"));
        assert!(message(&[Camera { body: 7, ..along_x([8, 8]) }], &[Channel::Rgb]).contains("body 7"));
        let lens = Lens::BrownConrady { k1: -2.0, k2: 0.0, p1: 0.0, p2: 0.0, k3: 0.0 };
        let folded = message(&[Camera { lens, ..along_x([8, 8]) }], &[Channel::Rgb]);
        assert!(folded.contains("has no ray"), "{folded}");
        let huge = along_x([65_536, 65_536]);
        let error = tracer.group(&[huge], &[Channel::Depth]).expect_err("16 GiB");
        assert!(matches!(error, CameraError::TooLarge { .. }), "{error}");
    });
}
