//! Surfaces with a finish, judged by energy, reciprocity, and the formulas of the papers worked out the long way.

use std::f64::consts::{PI, TAU};

use glam::DVec3;
use keiko_camera::{Backend, Camera, Channel, Look, Tracer, TracerOptions};
use keiko_model::Pose;
use keiko_model::camera::looking_along;
use keiko_model::light::Lamp;
use keiko_model::material::{Finish, Material};
use keiko_model::robot::{RobotModel, Shape};
use keiko_world::BatchState;

use crate::support::{empty, geom, with_each};

/// One pixel, whose ray goes through the middle.
const SIDE: u32 = 1;

fn finish(roughness: f64, metallic: f64, specular: f64) -> Finish {
    Finish { roughness, metallic, specular, emission: 0.0 }
}

/// A shape of a colour, sRGB, with a finish.
fn finished(shape: Shape, rgb: [f32; 3], finish: Finish) -> RobotModel {
    let mut model = empty();
    let mut thing = geom("thing", 0, Pose::IDENTITY, shape);
    thing.rgba = [rgb[0], rgb[1], rgb[2], 1.0];
    thing.material = Some(0);
    model.geoms.push(thing);
    model.materials.push(Material {
        name: "finish".to_owned(),
        finish: Some(finish),
        texture: None,
        rgba: None,
    });
    model
}

/// The upper face of a block at z = 0.
fn table(rgb: [f32; 3], finish: Finish) -> RobotModel {
    let mut model = finished(Shape::Box { half_size: DVec3::new(5.0, 5.0, 0.1) }, rgb, finish);
    model.geoms[0].pose.position.z = -0.1;
    model
}

/// A direction at an angle from z.
fn direction(tilt: f64, turn: f64) -> DVec3 {
    DVec3::new(tilt.sin() * turn.cos(), tilt.sin() * turn.sin(), tilt.cos())
}

/// Parallel light from somewhere.
fn from(towards: DVec3, color: DVec3, name: String) -> Lamp {
    Lamp { name, direction: -towards, color, parallel: true, shadow: false, ..Lamp::default() }
}

/// Light that comes from the model's middle, seen from far away along `-back` with next to no field of view.
fn seen(backend: &Backend, model: &RobotModel, back: DVec3, look: Look) -> DVec3 {
    let pose = Pose::new(4.0 * back, looking_along(-back, DVec3::Z));
    let camera = Camera::new("far", 0, pose, [SIDE; 2], 1e-3);
    let state = BatchState::new(model, 1);
    let options = TracerOptions { look, ..TracerOptions::default() };
    let tracer = Tracer::new(backend, model, 1, &options).expect("it fits");
    let group = tracer.group(&[camera], &[Channel::Radiance]).expect("it fits");
    tracer.pose(&state);
    tracer.render(&group);
    let images = tracer.read(&group).expect("the device answers");
    let light = images.floats(Channel::Radiance).expect("asked for");
    DVec3::from([0, 1, 2].map(|k| f64::from(light[k])))
}

fn night() -> Look {
    Look { sun: [0.0, 0.0, 1.0], haze: 60.0, ..Look::default() }
}

#[test]
fn a_white_ball_in_white_surroundings_is_not_seen() {
    with_each("gloss::a_white_ball_in_white_surroundings_is_not_seen", |backend| {
        let look = Look {
            ambient_up: [1.0; 3],
            ambient_down: [1.0; 3],
            zenith: [1.0; 3],
            horizon: [1.0; 3],
            ..night()
        };
        for roughness in [0.0, 0.2, 0.5, 1.0] {
            for (metallic, specular) in [(0.0, 0.5), (0.0, 1.0), (0.4, 0.5), (1.0, 0.5), (0.0, 0.0)] {
                let ball = Shape::Sphere { radius: 1.0 };
                let model = finished(ball, [1.0; 3], finish(roughness, metallic, specular));
                for tilt in [0.0f64, 0.7, 1.4] {
                    // Off the middle, so that the surface is seen at an angle.
                    let mut model = model.clone();
                    model.geoms[0].pose.position = DVec3::new(0.0, tilt.sin(), -tilt.cos());
                    let light = seen(backend, &model, DVec3::Z, look).x;
                    assert!((light - 1.0).abs() < 1e-4, "{roughness} {metallic} {tilt}: {light}");
                }
            }
        }
    });
}

/// The same of the light of lamps all around: the sum over directions is what the formulas give.
#[test]
fn a_white_table_under_lamps_all_around_gives_back_all_light() {
    with_each("gloss::a_white_table_under_lamps_all_around_gives_back_all_light", |backend| {
        const RINGS: usize = 48;
        const RING: usize = 96;
        let lamps = |model: &mut RobotModel| {
            for ring in 0..RINGS {
                // Equal shares of the half space: 2 π / count, and the text's shares are times π.
                let tilt = (1.0 - (ring as f64 + 0.5) / RINGS as f64).acos();
                for at in 0..RING {
                    let towards = direction(tilt, TAU * (at as f64 + 0.5) / RING as f64);
                    let color = DVec3::splat(2.0 / (RINGS * RING) as f64);
                    model.lamps.push(from(towards, color, format!("{ring} {at}")));
                }
            }
        };
        let mut worst = 0.0f64;
        for roughness in [0.35, 0.6, 1.0] {
            for (metallic, specular) in [(0.0, 0.5), (1.0, 0.5)] {
                let mut model = table([1.0; 3], finish(roughness, metallic, specular));
                lamps(&mut model);
                for tilt in [0.1, 0.8, 1.3] {
                    let light = seen(backend, &model, direction(tilt, 0.3), night()).x;
                    worst = worst.max((light - 1.0).abs());
                }
            }
        }
        println!("white under lamps all around: off by at most {worst:.4}");
        assert!(worst < 0.02, "{worst}");
    });
}

#[test]
fn light_goes_both_ways_alike() {
    with_each("gloss::light_goes_both_ways_alike", |backend| {
        let rgb = [0.9, 0.6, 0.3];
        for finish in [finish(0.3, 0.0, 0.5), finish(0.5, 1.0, 0.5), finish(0.8, 0.3, 1.0)] {
            for (a, b) in [((0.3, 0.0), (1.1, 2.0)), ((0.7, 1.0), (0.9, 4.0)), ((1.2, 0.0), (1.3, 3.1))] {
                let (a, b) = (direction(a.0, a.1), direction(b.0, b.1));
                let one_way = |light: DVec3, back: DVec3| {
                    let mut model = table(rgb, finish);
                    model.lamps.push(from(light, DVec3::ONE, "sun".to_owned()));
                    seen(backend, &model, back, night()) / light.z
                };
                let (there, here) = (one_way(a, b), one_way(b, a));
                assert!(
                    (there - here).abs().max_element() < 1e-4 * (1.0 + there.max_element()),
                    "{there} {here}"
                );
            }
        }
    });
}

/// GGX's density of normals, Smith's Λ and Schlick's F, as their papers have them.
fn density(alpha: f64, cosine: f64) -> f64 {
    let tangent2 = (1.0 - cosine * cosine) / (cosine * cosine);
    1.0 / (PI * alpha.powi(2) * cosine.powi(4) * (1.0 + tangent2 / alpha.powi(2)).powi(2))
}

fn lambda(alpha: f64, cosine: f64) -> f64 {
    let tangent2 = (1.0 - cosine * cosine) / (cosine * cosine);
    0.5 * ((1.0 + alpha.powi(2) * tangent2).sqrt() - 1.0)
}

fn schlick(mirrored: f64, grazing: f64, cosine: f64) -> f64 {
    mirrored + (grazing - mirrored) * (1.0 - cosine).powi(5)
}

/// Of facets alone, a steradian.
fn facets(alpha: f64, [mirrored, grazing]: [f64; 2], light: DVec3, back: DVec3) -> f64 {
    let halfway = (light + back).normalize();
    let masked = 1.0 / (1.0 + lambda(alpha, light.z) + lambda(alpha, back.z));
    density(alpha, halfway.z) * masked * schlick(mirrored, grazing, back.dot(halfway))
        / (4.0 * light.z * back.z)
}

/// What facets mirror in all, by a sum over the half space.
fn whole(alpha: f64, reflection: [f64; 2], cosine: f64) -> f64 {
    const TILTS: usize = 500;
    let back = direction(cosine.acos(), 0.0);
    let mut sum = 0.0;
    for tilt in 0..TILTS {
        let cosine = (tilt as f64 + 0.5) / TILTS as f64;
        for turn in 0..TILTS {
            let light = direction(cosine.acos(), PI * (turn as f64 + 0.5) / TILTS as f64);
            sum += facets(alpha, reflection, light, back) * light.z;
        }
    }
    sum * TAU / (TILTS * TILTS) as f64
}

#[test]
fn what_is_seen_is_what_the_papers_say() {
    // Sums over the half space once for both tracers: two surfaces, plastic and copper.
    let cases: Vec<(Finish, [f64; 3], DVec3, DVec3, DVec3)> = [finish(0.4, 0.0, 0.5), finish(0.6, 1.0, 0.5)]
        .into_iter()
        .flat_map(|finish| {
            let base = [0.8f64, 0.4, 0.2];
            let alpha = finish.roughness * finish.roughness;
            let mean = |of: &dyn Fn(f64) -> f64| -> f64 {
                (0..12).map(|k| (f64::from(k) + 0.5) / 12.0).map(|x| 2.0 * x * of(x) / 12.0).sum()
            };
            let energy = |x: f64| whole(alpha, [1.0; 2], x);
            let energy_mean = mean(&energy);
            let spread = |mirrored: f64| {
                let average = mirrored + (1.0 - mirrored) / 21.0;
                average * average * energy_mean / (1.0 - average * (1.0 - energy_mean))
            };
            let total = |mirrored: f64, x: f64| {
                whole(alpha, [mirrored, 1.0], x) + spread(mirrored) * (1.0 - energy(x))
            };
            let through_mean = 1.0 - mean(&|x| total(0.04, x));
            [((0.5, 0.0), (0.6, 3.0)), ((0.9, 0.4), (0.2, 2.0)), ((1.1, 0.0), (1.0, 2.9))].map(
                |(light, back)| {
                    let (light, back) = (direction(light.0, light.1), direction(back.0, back.1));
                    let light_of = |base: f64| {
                        let mirrored = if finish.metallic == 1.0 { base } else { 0.04 };
                        let passed =
                            (1.0 - energy(light.z)) * (1.0 - energy(back.z)) / (PI * (1.0 - energy_mean));
                        let mut sum = facets(alpha, [mirrored, 1.0], light, back) + spread(mirrored) * passed;
                        if finish.metallic == 0.0 {
                            sum += base / PI * (1.0 - total(0.04, light.z)) * (1.0 - total(0.04, back.z))
                                / through_mean;
                        }
                        PI * sum * light.z
                    };
                    (finish, base, light, back, DVec3::from(base.map(light_of)))
                },
            )
        })
        .collect();
    with_each("gloss::what_is_seen_is_what_the_papers_say", |backend| {
        for (finish, base, light, back, expected) in &cases {
            let shown = base.map(|c| (1.055 * c.powf(1.0 / 2.4) - 0.055) as f32);
            let mut model = table(shown, *finish);
            model.lamps.push(from(*light, DVec3::ONE, "sun".to_owned()));
            let found = seen(backend, &model, *back, night());
            let off = ((found - expected) / expected).abs().max_element();
            println!("{finish:?}: {found:.4} where {expected:.4} is expected");
            assert!(off < 0.01, "{finish:?} {light} {back}: {found} is not {expected}");
        }
    });
}

#[test]
fn a_surface_gives_light_of_its_own() {
    with_each("gloss::a_surface_gives_light_of_its_own", |backend| {
        let lit = Finish { emission: 2.0, ..finish(0.5, 0.0, 0.5) };
        let light = seen(backend, &table([1.0, 0.0, 0.0], lit), DVec3::Z, night());
        assert!((light - DVec3::new(2.0, 0.0, 0.0)).abs().max_element() < 1e-5, "{light}");
    });
}
