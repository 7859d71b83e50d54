//! Our own robots look as they did when somebody last looked at them: `tests/snapshots/`. `KEIKO_BLESS=1` writes them anew.

use std::path::{Path, PathBuf};

use keiko_camera::{Channel, overview, standing};
use keiko_model::RobotModel;
use keiko_model::import::{ImportOptions, load};
use keiko_model::png;
use keiko_model::robot::Shape;

use crate::support::{self, geom, render, with_each};

const SIZE: [u32; 2] = [64, 48];
/// A byte may differ by so much, and so many pixels in a thousand by more: edges fall on one side or the other.
const BYTE: u8 = 3;
const EDGES: usize = 10;

/// What is looked at, below the repository's root.
const ROBOTS: [(&str, &str); 3] = [
    ("arm", "assets/robots/arm/arm_gripper.xml"),
    ("quadruped", "assets/robots/quadruped/quadruped.xml"),
    ("surfaces", "render/camera/tests/scenes/surfaces.xml"),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The robot of a file, on a floor.
fn robot(file: &str) -> RobotModel {
    let import = load(&repository().join(file), &ImportOptions::default());
    let mut model = import.unwrap_or_else(|error| panic!("{error}")).model;
    if !model.geoms.iter().any(|geom| matches!(geom.shape, Shape::Plane { .. })) {
        let plane = Shape::Plane { half_size: [0.0; 2] };
        model.geoms.push(geom("floor", 0, keiko_model::Pose::IDENTITY, plane));
    }
    model
}

#[test]
fn our_robots_look_as_they_did() {
    with_each("goldens::our_robots_look_as_they_did", |backend| {
        for (name, file) in ROBOTS {
            let model = robot(file);
            let home = model.keyframes.first().map_or_else(|| model.reference_qpos(), |key| key.qpos.clone());
            let camera = overview(&model, &home, SIZE);
            let images = render(backend, &model, &standing(&model, &[home]), &[camera], &[Channel::Rgb]);
            let rgba = images.rgb().expect("asked for");
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/{name}.png"));
            if std::env::var_os("KEIKO_BLESS").is_some() {
                let at = |x: u32, y: u32| 4 * (y * SIZE[0] + x) as usize;
                let file = support::png(SIZE[0], SIZE[1], |x, y| [0, 1, 2].map(|k| rgba[at(x, y) + k]));
                std::fs::write(&path, file).expect("written");
            }
            let golden = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let golden = png::decode(&golden).expect("a PNG file");
            assert_eq!([golden.width, golden.height], SIZE.map(|side| side as usize), "{name}");
            let pixels = golden.rgb.chunks_exact(3).zip(rgba.chunks_exact(4));
            let others = pixels.filter(|(a, b)| a.iter().zip(*b).any(|(a, b)| a.abs_diff(*b) > BYTE)).count();
            let all = golden.width * golden.height;
            println!("{name}: {others} of {all} pixels differ");
            assert!(
                others * 1000 <= EDGES * all,
                "{name}: {others} of {all} pixels differ from {}",
                path.display()
            );
        }
    });
}
