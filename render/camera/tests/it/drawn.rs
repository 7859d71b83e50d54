//! Real robots as MuJoCo's own renderer draws them: the geom of each pixel, and how deep it is.

use std::path::Path;

use glam::DQuat;
use keiko_camera::{Backend, Camera, Channel, overview, standing};
use keiko_model::import::{ImportOptions, load};
use keiko_testkit as testkit;
use serde_json::json;

use crate::mujoco::{ROBOTS, file_of};
use crate::support::{render, with_each};

const SIZE: [u32; 2] = [120, 160];
/// Depths that differ by less, of themselves, are the same.
const SAME: f64 = 1e-4;

/// Draws geoms and depths with OpenGL, if the machine has it. What is round is made of many pieces: as they come, a sphere of 28
/// slices is flat by 6 thousandths of its radius.
const SCRIPT: &str = r#"
import json, os, sys
os.environ["MUJOCO_GL"] = "egl"
question = json.load(sys.stdin)
try:
    import mujoco
    spec = mujoco.MjSpec.from_file(question["file"])
    camera = spec.worldbody.add_camera()
    camera.name = "eye"
    camera.pos, camera.quat, camera.fovy = question["position"], question["rotation"], question["fov_y"]
    spec.visual.quality.offsamples = 0
    spec.visual.quality.numslices = spec.visual.quality.numstacks = 256
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_forward(model, data)
    renderer = mujoco.Renderer(model, question["size"][1], question["size"][0])
    renderer.update_scene(data, camera="eye")
    renderer.enable_depth_rendering()
    depth = renderer.render().ravel().tolist()
    renderer.disable_depth_rendering()
    renderer.enable_segmentation_rendering()
    segmentation = renderer.render()
    geom = segmentation[..., 1] == int(mujoco.mjtObj.mjOBJ_GEOM)
    ids = (segmentation[..., 0] * geom - ~geom * 1).ravel().tolist()
    print(json.dumps([ids, depth]))
except Exception as error:
    print(json.dumps(str(error)))
"#;

#[test]
fn real_robots_are_seen_as_mujocos_renderer_draws_them() {
    with_each("drawn::real_robots_are_seen_as_mujocos_renderer_draws_them", |backend| {
        for robot in ROBOTS {
            let Some(file) = file_of(robot) else { return };
            if !compare(backend, &file) {
                return;
            }
        }
    });
}

/// Geoms and depths as MuJoCo draws them, if it does here.
fn drawn(file: &Path, eye: &Camera) -> Option<(Vec<i32>, Vec<f64>)> {
    // MuJoCo's cameras have y upwards and look along -z.
    let turn = eye.pose.rotation * DQuat::from_rotation_x(std::f64::consts::PI);
    let question = json!({
        "file": file,
        "position": eye.pose.position.to_array(),
        "rotation": [turn.w, turn.x, turn.y, turn.z],
        "fov_y": eye.fov_y().to_degrees(),
        "size": SIZE,
    });
    let answer = testkit::available(testkit::ask_python(SCRIPT, &question))?;
    let drawn = serde_json::from_value(answer.clone()).ok();
    if drawn.is_none() {
        // Only machines with OpenGL have this judge.
        println!("skipped: MuJoCo does not render here: {answer}");
    }
    drawn
}

/// Whether there was a MuJoCo to compare with.
fn compare(backend: &Backend, file: &Path) -> bool {
    let model = load(file, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}")).model;
    let qpos = model.keyframes[0].qpos.clone();
    let eye = overview(&model, &qpos, SIZE);
    let Some((their_ids, their_depths)) = drawn(file, &eye) else { return false };
    let channels = [Channel::Segmentation, Channel::Depth];
    let images = render(backend, &model, &standing(&model, &[qpos]), std::slice::from_ref(&eye), &channels);
    let ids = images.ids(Channel::Segmentation).expect("asked for");
    let depths = images.floats(Channel::Depth).expect("asked for");
    let (mut robot, mut tied, mut beyond, mut other) = (0, 0, 0, 0);
    let mut off: Vec<f64> = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        robot += usize::from(*id >= 0 && model.geoms[*id as usize].body > 0);
        let (depth, their_depth) = (f64::from(depths[at]), their_depths[at].min(eye.far));
        let apart = (depth - their_depth).abs() / their_depth;
        if *id == their_ids[at] {
            off.extend((*id >= 0).then_some(apart));
        } else if apart < SAME {
            // Where surfaces of two meshes coincide, either may win.
            tied += 1;
        } else if their_ids[at] == -1 && depth > their_depth {
            // It draws nothing behind its far plane.
            beyond += 1;
        } else {
            other += 1;
        }
    }
    off.sort_by(f64::total_cmp);
    let most = |share: f64| off[(share * (off.len() - 1) as f64) as usize];
    let (name, pixels) = (&model.name, ids.len());
    println!(
        "{name}: of {pixels} pixels {robot} show the robot, {other} another geom, {tied} another at the same depth, \
         {beyond} what is too far for it; depths are \
         off by {:.1e} in the middle, {:.1e} at 99 of 100, {:.1e} at most, of themselves",
        most(0.5),
        most(0.99),
        most(1.0)
    );
    assert!(robot * 10 > pixels, "{name}: the robot fills the image");
    assert!(beyond * 50 <= pixels, "{name}: {beyond} pixels are far away");
    assert!(other * 1000 <= pixels, "{name}: {other} pixels show another geom");
    assert!(most(0.99) < SAME, "{name}: depths are off by {:.1e}", most(0.99));
    true
}
