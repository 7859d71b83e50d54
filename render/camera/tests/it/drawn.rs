//! Real robots as MuJoCo's own renderer draws them: the geom of each pixel, and how deep it is.

use std::path::Path;

use keiko_camera::{Backend, Channel, overview, standing};
use keiko_model::import::{ImportOptions, load};

use crate::mujoco::on_each_robot;
use crate::support::{mujoco_renders, render, with_each};

const SIZE: [u32; 2] = [120, 160];
/// Depths that differ by less, of themselves, are the same.
const SAME: f64 = 1e-4;

/// What MuJoCo renders: the geom of each pixel, -1 for none, and its depth.
const GEOMS_AND_DEPTHS: &str = r#"
renderer.enable_depth_rendering()
depth = renderer.render().ravel().tolist()
renderer.disable_depth_rendering()
renderer.enable_segmentation_rendering()
segmentation = renderer.render()
geom = segmentation[..., 1] == int(mujoco.mjtObj.mjOBJ_GEOM)
answer = [(segmentation[..., 0] * geom - ~geom * 1).ravel().tolist(), depth]
"#;

#[test]
fn real_robots_are_seen_as_mujocos_renderer_draws_them() {
    with_each("drawn::real_robots_are_seen_as_mujocos_renderer_draws_them", |backend| {
        on_each_robot(|file| compare(backend, file));
    });
}

/// Whether there was a MuJoCo to compare with.
fn compare(backend: &Backend, file: &Path) -> bool {
    let model = load(file, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}")).model;
    let qpos = model.keyframes[0].qpos.clone();
    let eye = overview(&model, &qpos, SIZE);
    let Some(theirs) = mujoco_renders(file, &eye, GEOMS_AND_DEPTHS) else { return false };
    let theirs: (Vec<i32>, Vec<f64>) = serde_json::from_value(theirs).expect("two numbers a pixel");
    let (their_ids, their_depths) = theirs;
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
