//! The two tracers give the same images: what one shows, the other shows.

use glam::DVec3;
use keiko_camera::{Backend, Channel, Images};
use keiko_model::light::Lamp;

use crate::support::{
    FISHEYE, LIDAR, Random, WIDE_ANGLE, camera_above, camera_around, clutter, coat, render, render_moved,
    strewn, with_gpu,
};

const SIZE: [u32; 2] = [76, 60];
const NUM_ENVS: usize = 4;

#[test]
fn the_cpu_sees_what_the_device_sees() {
    with_gpu("tracers::the_cpu_sees_what_the_device_sees", |gpu| {
        for (seed, hills) in [(11, false), (12, true)] {
            let mut random = Random(seed);
            let mut model = clutter(&mut random, hills);
            model.lamps = lamps();
            let state = strewn(&model, &mut random, NUM_ENVS);
            let plain = [camera_around(&mut random, SIZE), camera_around(&mut random, SIZE)];
            let before = strewn(&model, &mut random, NUM_ENVS);
            let bent = [WIDE_ANGLE, FISHEYE, LIDAR].map(|lens| camera_above(&mut random, SIZE, lens));
            let mixed = [plain.as_slice(), &bent].concat();
            for cameras in [plain.as_slice(), &mixed] {
                let [cpu, device] = [Backend::Cpu, Backend::Gpu(gpu.clone())]
                    .map(|backend| render_moved(&backend, &model, [&before, &state], cameras, &Channel::ALL));
                compare(&cpu, &device);
            }
        }
    });
}

#[test]
fn finishes_and_pictures_are_the_same_on_both() {
    with_gpu("tracers::finishes_and_pictures_are_the_same_on_both", |gpu| {
        for (seed, hills) in [(13, false), (14, true)] {
            let mut random = Random(seed);
            let mut model = clutter(&mut random, hills);
            coat(&mut model);
            model.lamps = lamps();
            let theatre =
                Lamp { name: "theatre".to_owned(), exponent: 7.0, cone: None, ..model.lamps[1].clone() };
            let parallel = Lamp {
                name: "parallel".to_owned(),
                direction: DVec3::new(0.3, 0.2, -1.0).normalize(),
                parallel: true,
                ..model.lamps[0].clone()
            };
            let falling = Lamp { attenuation: [1.0, 0.2, 0.1], ..model.lamps[0].clone() };
            model.lamps.extend([theatre, parallel, Lamp { name: "falling".to_owned(), ..falling }]);
            let state = strewn(&model, &mut random, NUM_ENVS);
            let cameras = [camera_around(&mut random, SIZE), camera_around(&mut random, SIZE)];
            let [cpu, device] = [Backend::Cpu, Backend::Gpu(gpu.clone())]
                .map(|backend| render(&backend, &model, &state, &cameras, &Channel::ALL));
            compare(&cpu, &device);
        }
    });
}

/// A bulb in the world and a spot on a body.
fn lamps() -> Vec<Lamp> {
    let bulb = Lamp {
        name: "bulb".to_owned(),
        body: 0,
        position: DVec3::new(0.4, -0.8, 1.6),
        direction: DVec3::NEG_Z,
        color: DVec3::new(0.6, 0.4, 0.2),
        range: 6.0,
        cone: None,
        shadow: true,
        ..Lamp::default()
    };
    let spot = Lamp {
        name: "spot".to_owned(),
        body: 2,
        position: DVec3::Z * 0.4,
        cone: Some([0.4, 0.9]),
        ..bulb.clone()
    };
    vec![bulb, spot]
}

/// Pixels within one of an edge between geoms, in either image, may differ in all that they show: a ray there meets the
/// one or the other by its last digit. So may shadows within one pixel of their edges.
fn compare(a: &Images, b: &Images) {
    let area = (SIZE[0] * SIZE[1]) as usize;
    let pixels = a.num_views * area;
    let [ids_a, ids_b] = [a, b].map(|images| images.ids(Channel::Segmentation).expect("asked for"));
    let differ = (0..pixels).filter(|at| ids_a[*at] != ids_b[*at]).count();
    let same: Vec<usize> = (0..pixels).filter(|at| ids_a[*at] == ids_b[*at]).collect();
    assert!(same.iter().filter(|at| ids_a[**at] >= 0).count() > pixels / 2, "the cameras look at something");
    for channel in [Channel::Link, Channel::Class] {
        let [a, b] = [a, b].map(|images| images.ids(channel).expect("asked for"));
        assert!(same.iter().all(|at| a[*at] == b[*at]), "{}", channel.name());
    }
    let floats = |channel| [a, b].map(|images| images.floats(channel).expect("asked for"));
    let off = |channel: Channel, at: usize, most: f32| {
        let [a, b] = floats(channel);
        (a[at] - b[at]).abs() > most * (1.0 + a[at].abs())
    };
    let count = |wrong: &dyn Fn(usize) -> bool| same.iter().filter(|at| wrong(**at)).count();
    let depths = count(&|at| off(Channel::Depth, at, 1e-4) || off(Channel::Distance, at, 1e-4));
    let plane = |at: usize, k: usize| (at / area * 3 + k) * area + at % area;
    let normals = count(&|at| (0..3).any(|k| off(Channel::Normals, plane(at, k), 2e-3)));
    let [bytes_a, bytes_b] = [a, b].map(|images| images.rgb().expect("asked for"));
    let bytes = count(&|at| (0..4).any(|k| bytes_a[4 * at + k].abs_diff(bytes_b[4 * at + k]) > 1));
    let colors = count(&|at| (0..3).any(|k| off(Channel::RgbFloat, plane(at, k), 2e-3)));
    let lights = count(&|at| (0..3).any(|k| off(Channel::Radiance, plane(at, k), 2e-3)));
    let double = |at: usize, k: usize| (at / area * 2 + k) * area + at % area;
    let flows = count(&|at| (0..2).any(|k| off(Channel::Flow, double(at, k), 5e-3)));
    println!(
        "of {pixels} pixels {differ} show another geom; of the others {depths} depths, {normals} normals, {bytes} bytes of \
         colour, {colors} colours, {flows} flows differ"
    );
    assert!(differ * 2000 <= pixels, "{differ} of {pixels} pixels show another geom");
    assert!(depths * 5000 <= pixels, "{depths} of {pixels} depths differ");
    assert!(flows * 2000 <= pixels, "{flows} of {pixels} flows differ");
    // Facets and cells that meet under a pixel.
    assert!(normals * 500 <= pixels, "{normals} of {pixels} normals differ");
    // Edges of shadows and squares too.
    assert!(
        bytes * 500 <= pixels && colors * 500 <= pixels && lights * 500 <= pixels,
        "{bytes}, {colors} and {lights} of {pixels} colours differ"
    );
}
