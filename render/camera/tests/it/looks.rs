//! Looks that differ by environment: what is drawn is what a model, a camera or a light with these values shows.

use glam::{DVec3, Vec3};
use keiko_camera::{Backend, Camera, Channel, Images, Look, Tracer, TracerOptions, aimed, daylight};
use keiko_model::lens::Lens;
use keiko_model::light::Lamp;
use keiko_model::robot::RobotModel;
use keiko_world::looks::{CameraLook, LampLook, LightLook};
use keiko_world::{BatchState, Looks};

use crate::support::{
    FISHEYE, Random, camera_above, camera_around, clutter, coat, render, strewn, with_each,
};

const SIZE: [u32; 2] = [40, 32];
const NUM_ENVS: usize = 4;

fn varied(num_envs: usize, looks: &Looks, state: &BatchState, of: &Of<'_>) -> Images {
    let options = TracerOptions { varied: true, flow: true, ..TracerOptions::default() };
    let tracer = Tracer::new(of.backend, of.model, num_envs, &options).expect("it fits");
    let group = tracer.group(of.cameras, &Channel::ALL).expect("they fit");
    tracer.dress(looks).expect("it was planned");
    tracer.pose(state);
    if !looks.cameras.is_empty() {
        let aim = |(at, look): (usize, &CameraLook)| aimed(&of.cameras[at % of.cameras.len()], look);
        let cameras: Vec<Camera> = looks.cameras.iter().enumerate().map(aim).collect();
        tracer.aim(&group, &cameras).expect("they fit");
    }
    tracer.render(&group);
    tracer.read(&group).expect("the device answers")
}

/// What is looked at.
struct Of<'a> {
    backend: &'a Backend,
    model: &'a RobotModel,
    cameras: &'a [Camera],
}

fn drawn(random: &mut Random, model: &RobotModel, cameras: &[Camera]) -> Looks {
    let mut looks = Looks::default();
    for _ in 0..NUM_ENVS {
        for _ in cameras {
            looks.cameras.push(CameraLook {
                shift: [0; 3].map(|_| random.within(-0.1, 0.1)),
                turn: [0; 3].map(|_| random.within(-0.2, 0.2)),
                zoom: random.within(0.9, 1.4),
                exposure: 1.0,
            });
        }
        looks.lights.push(LightLook {
            azimuth: Some(random.within(-3.0, 3.0)),
            elevation: Some(random.within(0.3, 1.4)),
            sun_factor: [0; 3].map(|_| random.within(0.5, 1.2) as f32),
            sky_factor: [0; 3].map(|_| random.within(0.5, 1.5) as f32),
        });
        looks.lamps.extend(model.lamps.iter().map(|_| LampLook {
            shift: [0; 3].map(|_| random.within(-0.3, 0.3)),
            factor: [0; 3].map(|_| random.within(0.4, 1.5) as f32),
        }));
        looks.colors.extend(model.geoms.iter().map(|_| [0; 3].map(|_| random.unit() as f32)));
        let materials = model.materials.len();
        let drawn = |random: &mut Random| (random.unit() * (materials + 1) as f64) as usize;
        looks.materials.extend(model.geoms.iter().map(|_| drawn(random).checked_sub(1)));
    }
    looks
}

/// A bulb in the world, and one on a body.
fn lamps() -> Vec<Lamp> {
    let lamp = |name: &str, body, z| Lamp {
        name: name.to_owned(),
        body,
        position: DVec3::new(0.3, -0.4, z),
        color: DVec3::new(0.8, 0.6, 0.5),
        ..Lamp::default()
    };
    vec![lamp("bulb", 0, 1.8), lamp("torch", 2, 0.5)]
}

/// The part of one environment.
fn only(looks: &Looks, env: usize) -> Looks {
    let [cameras, colors, lamps] =
        [looks.cameras.len(), looks.colors.len(), looks.lamps.len()].map(|len| len / NUM_ENVS);
    Looks {
        cameras: looks.cameras[env * cameras..(env + 1) * cameras].to_vec(),
        lights: vec![looks.lights[env]],
        lamps: looks.lamps[env * lamps..(env + 1) * lamps].to_vec(),
        colors: looks.colors[env * colors..(env + 1) * colors].to_vec(),
        materials: looks.materials[env * colors..(env + 1) * colors].to_vec(),
    }
}

#[test]
fn looks_that_change_nothing_change_no_bit() {
    with_each("looks::looks_that_change_nothing_change_no_bit", |backend| {
        let mut random = Random(31);
        let mut model = clutter(&mut random, true);
        coat(&mut model);
        model.lamps = lamps();
        let state = strewn(&model, &mut random, NUM_ENVS);
        let cameras = [camera_around(&mut random, SIZE), camera_above(&mut random, SIZE, FISHEYE)];
        let plain = render(backend, &model, &state, &cameras, &Channel::ALL);
        let of = Of { backend, model: &model, cameras: &cameras };
        assert!(varied(NUM_ENVS, &Looks::default(), &state, &of) == plain);
        let colors = model.geoms.iter().map(|geom| [geom.rgba[0], geom.rgba[1], geom.rgba[2]]);
        let same = Looks {
            cameras: vec![CameraLook::default(); 2 * NUM_ENVS],
            lights: vec![LightLook::default(); NUM_ENVS],
            lamps: vec![LampLook::default(); NUM_ENVS * model.lamps.len()],
            colors: colors.collect::<Vec<_>>().repeat(NUM_ENVS),
            materials: model.geoms.iter().map(|geom| geom.material).collect::<Vec<_>>().repeat(NUM_ENVS),
        };
        assert!(varied(NUM_ENVS, &same, &state, &of) == plain);
    });
}

#[test]
fn what_is_drawn_is_what_a_scene_with_these_values_shows() {
    with_each("looks::what_is_drawn_is_what_a_scene_with_these_values_shows", |backend| {
        let mut random = Random(32);
        let mut model = clutter(&mut random, false);
        coat(&mut model);
        model.lamps = lamps();
        let state = strewn(&model, &mut random, NUM_ENVS);
        let cameras = [camera_around(&mut random, SIZE), camera_above(&mut random, SIZE, FISHEYE)];
        let looks = drawn(&mut random, &model, &cameras);
        let of = Of { backend, model: &model, cameras: &cameras };
        let all = varied(NUM_ENVS, &looks, &state, &of);
        for env in 0..NUM_ENVS {
            let mut alone = BatchState::new(&model, 1);
            alone.body_position.set_column(0, state.body_position.column(env));
            alone.body_rotation.set_column(0, state.body_rotation.column(env));
            let mine = only(&looks, env);

            // The scene with these values, written out.
            let mut painted = model.clone();
            for (k, geom) in painted.geoms.iter_mut().enumerate() {
                let color = mine.colors[k];
                geom.rgba = [color[0], color[1], color[2], 1.0];
                geom.material = mine.materials[k];
            }
            for (lamp, look) in painted.lamps.iter_mut().zip(&mine.lamps) {
                lamp.position += DVec3::from(look.shift);
                // As f32, in which lamps are traced.
                lamp.color = (lamp.color.as_vec3() * Vec3::from(look.factor)).as_dvec3();
            }
            let light = mine.lights[0];
            let (azimuth, elevation) = (light.azimuth.expect("drawn"), light.elevation.expect("drawn"));
            let sun = [azimuth.cos() * elevation.cos(), azimuth.sin() * elevation.cos(), elevation.sin()];
            let day = daylight();
            let times = |a: [f32; 3], b: [f32; 3]| [0, 1, 2].map(|k| a[k] * b[k]);
            let look = Look {
                sun: sun.map(|x| x as f32),
                sun_color: times(day.sun_color, light.sun_factor),
                ambient_up: times(day.ambient_up, light.sky_factor),
                ambient_down: times(day.ambient_down, light.sky_factor),
                zenith: times(day.zenith, light.sky_factor),
                horizon: times(day.horizon, light.sky_factor),
                ..day
            };
            let turned: Vec<Camera> =
                cameras.iter().zip(&mine.cameras).map(|(c, look)| aimed(c, look)).collect();
            for (camera, (before, look)) in turned.iter().zip(cameras.iter().zip(&mine.cameras)) {
                let shift = before.pose.rotation.inverse() * (camera.pose.position - before.pose.position);
                assert!(shift.distance(look.shift.into()) < 1e-12);
                let turn = (before.pose.rotation.inverse() * camera.pose.rotation).to_scaled_axis();
                assert!(turn.distance(look.turn.into()) < 1e-12);
                assert!((camera.focal[0] / before.focal[0] - look.zoom).abs() < 1e-12);
            }
            let tracer = Tracer::new(
                backend,
                &painted,
                1,
                &TracerOptions { look, flow: true, ..TracerOptions::default() },
            );
            let tracer = tracer.expect("it fits");
            let group = tracer.group(&turned, &Channel::ALL).expect("they fit");
            tracer.pose(&alone);
            tracer.render(&group);
            let expected = tracer.read(&group).expect("the device answers");
            let single = varied(1, &mine, &alone, &of);
            for channel in Channel::ALL {
                for view in 0..cameras.len() {
                    let expected = expected.view_bits(channel, view);
                    let name = channel.name();
                    assert!(single.view_bits(channel, view) == expected, "{name} of environment {env} alone");
                    let of_all = all.view_bits(channel, env * cameras.len() + view);
                    assert!(of_all == expected, "{name} of environment {env}");
                }
            }
        }
    });
}

#[test]
fn looks_that_were_not_planned_are_refused() {
    with_each("looks::looks_that_were_not_planned_are_refused", |backend| {
        let mut random = Random(33);
        let model = clutter(&mut random, false);
        let camera = camera_around(&mut random, SIZE);
        let tracer = Tracer::new(backend, &model, 2, &TracerOptions::default()).expect("it fits");
        assert!(tracer.dress(&Looks::default()).expect_err("not planned").to_string().contains("alike"));
        let options = TracerOptions { varied: true, flow: true, ..TracerOptions::default() };
        let tracer = Tracer::new(backend, &model, 2, &options).expect("it fits");
        let group = tracer.group(std::slice::from_ref(&camera), &[Channel::Rgb]).expect("it fits");
        let error = tracer.aim(&group, std::slice::from_ref(&camera)).expect_err("one too few").to_string();
        assert!(error.contains("1 cameras for a group of 2"), "{error}");
        // What was compiled for pinholes knows of no lens.
        let bent = Lens::BrownConrady { k1: 0.1, k2: 0.0, p1: 0.0, p2: 0.0, k3: 0.0 };
        let bent = Camera { lens: bent, ..camera };
        let error = tracer.aim(&group, &[bent.clone(), bent]).expect_err("pinholes").to_string();
        assert!(error.contains("in a group of pinholes"), "{error}");
    });
}
