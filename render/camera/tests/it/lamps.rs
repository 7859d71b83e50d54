//! Light of lamps against the formulas of glTF's KHR_lights_punctual, and shadows against closed forms.

use glam::DVec3;
use keiko_camera::{Backend, Camera, Channel, Look, Tracer, TracerOptions};
use keiko_model::Pose;
use keiko_model::camera::looking_along;
use keiko_model::light::{Daylight, Lamp};
use keiko_model::robot::{Body, RobotModel, Shape};
use keiko_world::BatchState;

use crate::support::{body_pose, empty, geom, pixel_ray, with_each};

const SIZE: [u32; 2] = [60, 44];
/// Where a ball hangs over the floor, and its radius.
const BALL: (DVec3, f64) = (DVec3::new(0.3, 0.2, 0.6), 0.25);

fn lamp(name: &str, position: [f64; 3]) -> Lamp {
    Lamp {
        name: name.to_owned(),
        body: 0,
        position: position.into(),
        direction: DVec3::NEG_Z,
        color: DVec3::new(0.8, 0.5, 0.3),
        range: 3.0,
        cone: None,
        shadow: true,
        ..Lamp::default()
    }
}

/// A floor and a ball over it; body 1 carries nothing but lamps.
fn room(lamps: Vec<Lamp>) -> RobotModel {
    let mut model = empty();
    let half_size = DVec3::new(3.0, 3.0, 0.1);
    model.geoms.push(geom(
        "floor",
        0,
        Pose::from_position(DVec3::new(0.0, 0.0, -0.1)),
        Shape::Box { half_size },
    ));
    model.geoms.push(geom("ball", 0, Pose::from_position(BALL.0), Shape::Sphere { radius: BALL.1 }));
    model.bodies.push(Body { name: "carrier".to_owned(), ..model.bodies[0].clone() });
    model.lamps = lamps;
    model
}

fn camera() -> Camera {
    let position = DVec3::new(-1.2, -0.9, 2.2);
    let pose = Pose::new(position, looking_along(-position, DVec3::Z));
    Camera::new("above", 0, pose, SIZE, 0.9)
}

/// Light `[views, 3, height, width]` and the geoms that are seen, at night.
fn light(backend: &Backend, model: &RobotModel, state: &BatchState, shadows: bool) -> (Vec<f32>, Vec<i32>) {
    let look = Look { sun: [0.0, 0.0, 1.0], haze: 60.0, ..Look::default() };
    let options = TracerOptions { look, shadows, ..TracerOptions::default() };
    let tracer = Tracer::new(backend, model, state.steps.len(), &options).expect("it fits");
    let group = tracer.group(&[camera()], &[Channel::Radiance, Channel::Segmentation]).expect("it fits");
    tracer.pose(state);
    tracer.render(&group);
    let images = tracer.read(&group).expect("the device answers");
    let light = images.floats(Channel::Radiance).expect("asked for").to_vec();
    (light, images.ids(Channel::Segmentation).expect("asked for").to_vec())
}

/// What a point of the floor sends back along `-d`, of grey 0.5 as sRGB, and whether the ball is nearly in the way of some
/// lamp or its cone nearly ends there.
fn expected(lamps: &[(Lamp, Pose)], point: DVec3, d: DVec3, shadows: bool) -> (DVec3, bool) {
    let albedo = ((0.5f64 + 0.055) / 1.055).powf(2.4);
    let (mut sum, mut at_an_edge) = (DVec3::ZERO, false);
    for (lamp, world_from_body) in lamps {
        let way = world_from_body.transform_point(lamp.position) - point;
        let (mut distance, mut towards) = (way.length(), way.normalize());
        let [constant, linear, square] = lamp.attenuation;
        let mut left = 1.0 / (constant + linear * distance + square * distance.powi(2));
        left *= (1.0 - (distance / lamp.range).powi(4)).clamp(0.0, 1.0);
        let aim = world_from_body.rotation * lamp.direction;
        left *= (-towards.dot(aim)).max(0.0).powf(lamp.exponent);
        if lamp.parallel {
            (distance, towards, left) = (f64::INFINITY, -aim, 1.0);
        }
        let cone = lamp.cone.map_or(1.0, |[inner, outer]| {
            let cosine = -towards.dot(aim);
            ((cosine - outer.cos()) / (inner.cos() - outer.cos())).clamp(0.0, 1.0).powi(2)
        });
        if let Some([_, outer]) = lamp.cone {
            at_an_edge |= (-towards.dot(aim) - outer.cos()).abs() < 1e-3 && lamp.exponent > 0.0;
        }
        if shadows && lamp.shadow {
            let along = (BALL.0 - point).dot(towards);
            let beside = (BALL.0 - point - towards * along).length() - BALL.1;
            at_an_edge |= beside.abs() < 0.01;
            if beside < 0.0 && along > 0.0 && along < distance {
                continue;
            }
        }
        let shine = 0.12 * DVec3::Z.dot((towards - d).normalize()).max(0.0).powi(40);
        sum += lamp.color * (left * cone * (albedo * towards.z + shine));
    }
    (sum, at_an_edge)
}

#[test]
fn lamps_shine_as_gltf_has_it_and_things_stand_in_their_light() {
    with_each("lamps::lamps_shine_as_gltf_has_it_and_things_stand_in_their_light", |backend| {
        let spot = Lamp {
            direction: DVec3::new(0.2, 0.1, -1.0).normalize(),
            cone: Some([0.2, 0.5]),
            ..lamp("spot", [0.1, -0.2, 1.5])
        };
        let carried = Lamp { body: 1, cone: Some([0.3, 0.8]), ..lamp("carried", [0.1, 0.0, 0.2]) };
        let clear = Lamp { shadow: false, range: 1.4, ..lamp("clear", [-0.6, 0.5, 0.9]) };
        compare_with_formulas(backend, vec![lamp("bulb", [0.7, 0.5, 1.6]), spot, carried, clear]);
    });
}

#[test]
fn lamps_of_robot_files_shine_as_opengl_has_it() {
    with_each("lamps::lamps_of_robot_files_shine_as_opengl_has_it", |backend| {
        let parallel = Lamp {
            direction: DVec3::new(0.5, 0.3, -1.0).normalize(),
            parallel: true,
            body: 1,
            ..lamp("parallel", [0.0; 3])
        };
        let falling = Lamp { attenuation: [0.5, 0.3, 0.2], range: 1e6, ..lamp("falling", [0.7, 0.5, 1.6]) };
        let theatre = Lamp {
            direction: DVec3::new(0.2, 0.1, -1.0).normalize(),
            cone: Some([0.5994, 0.6]),
            exponent: 10.0,
            attenuation: [1.0, 0.0, 0.0],
            range: 1e6,
            ..lamp("theatre", [0.1, -0.2, 1.5])
        };
        compare_with_formulas(backend, vec![parallel, falling, theatre]);
    });
}

fn compare_with_formulas(backend: &Backend, lamps: Vec<Lamp>) {
    let model = room(lamps);
    let mut state = BatchState::new(&model, 2);
    for (env, x) in [(0, 0.2f32), (1, -0.5)] {
        for (k, value) in [x, 0.3, 1.1].into_iter().enumerate() {
            state.body_position.set(3 + k, env, value);
        }
        // Turned about x by 0.4.
        state.body_rotation.set(4, env, 0.2f32.sin());
        state.body_rotation.set(7, env, 0.2f32.cos());
    }
    for shadows in [true, false] {
        let (light, ids) = light(backend, &model, &state, shadows);
        let area = (SIZE[0] * SIZE[1]) as usize;
        let (mut compared, mut dark, mut worst) = (0, 0, 0.0f64);
        for (env, at) in (0..2).flat_map(|env| (0..area).map(move |at| (env, at))) {
            if ids[env * area + at] != 0 {
                continue;
            }
            let (o, d, _) = pixel_ray(&camera(), Pose::IDENTITY, at as u32 % SIZE[0], at as u32 / SIZE[0]);
            let point = o - d * (o.z / d.z);
            let lamps: Vec<_> =
                model.lamps.iter().map(|lamp| (lamp.clone(), body_pose(&state, lamp.body, env))).collect();
            let (sum, at_an_edge) = expected(&lamps, point, d, shadows);
            if point.x.abs().max(point.y.abs()) > 2.99 || at_an_edge {
                continue;
            }
            compared += 1;
            let whole = expected(&lamps, point, d, false).0;
            dark += usize::from(sum.x < 0.9 * whole.x);
            for k in 0..3 {
                let found = f64::from(light[(3 * env + k) * area + at]);
                worst = worst.max((found - sum[k]).abs() / (0.01 + sum[k]));
            }
        }
        println!("{compared} points, {dark} of them in some shadow; worst error {worst:.1e}");
        assert!(compared > area && worst < 1e-3, "{worst}");
        assert_eq!(dark > 100, shadows);
    }
}

#[test]
fn a_scene_says_how_much_of_the_day_there_is() {
    with_each("lamps::a_scene_says_how_much_of_the_day_there_is", |backend| {
        let mut model = room(Vec::new());
        let state = BatchState::new(&model, 1);
        let mut seen = |daylight| {
            model.daylight = daylight;
            let tracer = Tracer::new(backend, &model, 1, &TracerOptions::default()).expect("it fits");
            let group = tracer.group(&[camera()], &[Channel::Radiance]).expect("it fits");
            tracer.pose(&state);
            tracer.render(&group);
            let images = tracer.read(&group).expect("the device answers");
            images.floats(Channel::Radiance).expect("asked for").to_vec()
        };
        let day = seen(Daylight::default());
        let parts = [
            Daylight { sun: 1.0, sky: 0.0, headlight: 0.0 },
            Daylight { sun: 0.0, sky: 1.0, headlight: 0.0 },
            Daylight { sun: 0.0, sky: 0.0, headlight: 1.0 },
        ]
        .map(&mut seen);
        assert!(parts.iter().all(|part| part.iter().any(|light| *light > 0.01)));
        for (at, day) in day.iter().enumerate() {
            let sum: f32 = parts.iter().map(|part| part[at]).sum();
            assert!((day - sum).abs() < 1e-5, "{day} is not {sum}");
        }
        let night = seen(Daylight { sun: 0.0, sky: 0.0, headlight: 0.0 });
        assert!(night.iter().all(|light| *light == 0.0));
    });
}
