//! Pictures on surfaces lie where MuJoCo's own renderer lays them. Meshes without coordinates are left out: pictures lie along
//! their principal axes, which have no sign.

use std::path::{Path, PathBuf};

use glam::{DMat3, DQuat, DVec3};
use keiko_camera::{Backend, Camera, Channel, Look, Tracer, TracerOptions, standing};
use keiko_model::Pose;
use keiko_model::import::{ImportOptions, load};
use keiko_testkit as testkit;

use crate::support::{mujoco_renders, png, with_each};

const SIZE: [u32; 2] = [480, 360];

/// Bytes that differ by so much show the same.
const ALIKE: u8 = 8;

/// All light comes from everywhere, so that what is shown are the colours themselves.
const XML: &str = r#"<mujoco>
<visual><headlight ambient="1 1 1" diffuse="0 0 0" specular="0 0 0"/><map znear="0.01"/><quality offsamples="0" shadowsize="0"/></visual>
<asset>
  <texture name="checker" type="2d" builtin="checker" rgb1="0.9 0.1 0.1" rgb2="0.1 0.2 0.8" mark="edge" markrgb="1 1 0" width="64" height="64"/>
  <texture name="sides" type="cube" file="sides.png" gridsize="3 4" gridlayout=".U..LFRB.D.."/>
  <texture name="letter" type="2d" file="letter.png"/>
  <texture name="same" type="cube" builtin="flat" rgb1="0.2 0.8 0.3" rgb2="0.8 0.8 0.2" mark="cross" markrgb="0.9 0.1 0.9" width="32" height="32"/>
  <material name="floor" texture="checker" texrepeat="3 2" specular="0" reflectance="0"/>
  <material name="metres" texture="checker" texrepeat="2 1" texuniform="true" specular="0"/>
  <material name="sides" texture="sides" specular="0"/>
  <material name="letter" texture="letter" specular="0"/>
  <material name="same" texture="same" specular="0" texuniform="true"/>
  <mesh name="sail" file="sail.obj"/>
</asset>
<worldbody>
  <geom type="plane" size="2 3 .1" material="floor" pos="0 0 -0.5"/>
  <geom type="box" size=".3 .2 .25" pos="-.6 .5 0" euler="20 30 40" material="sides"/>
  <geom type="box" size=".25 .35 .2" pos=".7 .6 0" euler="0 -30 10" material="metres"/>
  <geom type="ellipsoid" size=".3 .2 .25" pos=".6 -.4 .1" euler="0 0 50" material="sides"/>
  <geom type="cylinder" size=".2 .3" pos="-.7 -.5 .1" euler="40 0 0" material="same"/>
  <geom type="mesh" mesh="sail" pos="0 .1 .2" material="letter"/>
  <geom type="capsule" size=".12 .2" pos="-.1 .7 .6" euler="70 0 20" material="letter"/>
  <geom type="sphere" size=".2" pos="-.9 .3 .5" euler="30 0 -100" material="letter"/>
  <geom type="cylinder" size=".2 .1" pos=".6 .2 .6" euler="20 10 120" material="letter"/>
</worldbody></mujoco>"#;

/// Two triangles and two more of another size, with the corners of a picture.
const SAIL: &str = "v -.3 0 -.3\nv .3 0 -.3\nv .3 0 .3\nv -.3 0 .3\nv 0 .3 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nvt .5 .5\n\
    f 1/1 2/2 3/3 4/4\nf 2/2 1/1 5/5\nf 3/3 2/2 5/5\nf 4/4 3/3 5/5\nf 1/1 4/4 5/5\n";

/// What MuJoCo renders.
const COLORS: &str = "answer = renderer.render().ravel().tolist()";

/// Writes the files of the scene into a folder.
fn scene() -> PathBuf {
    let folder = testkit::cache_dir().join("textures");
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("scene.xml");
    // Six squares, each with a corner of another colour; and an F.
    let sides = png(128, 96, |x, y| {
        let (square, [u, v]) = ((y / 32 * 4 + x / 32) as usize, [x % 32, y % 32]);
        let base = [[200, 40, 40], [40, 200, 40], [40, 40, 200], [200, 200, 40]][square % 4];
        if u < 12 && v < 8 { [240, 240, 240] } else { base.map(|c: u8| c - 8 * (square / 4) as u8) }
    });
    let letter = png(64, 64, |x, y| {
        let (stem, arms) = ((12..20).contains(&x), (8..16).contains(&y) || (28..36).contains(&y) && x < 36);
        let is_ink = (8..56).contains(&y) && (12..48).contains(&x) && (stem || arms);
        if is_ink { [20, 20, 120] } else { [230, 220, 180] }
    });
    std::fs::write(folder.join("sides.png"), sides).expect("written");
    std::fs::write(folder.join("letter.png"), letter).expect("written");
    std::fs::write(folder.join("sail.obj"), SAIL).expect("written");
    std::fs::write(&file, XML).expect("written");
    file
}

fn camera() -> Camera {
    let position = DVec3::new(1.0, -2.2, 1.6);
    let forward = (DVec3::new(0.0, 0.0, 0.0) - position).normalize();
    let right = forward.cross(DVec3::Z).normalize();
    let rotation = DQuat::from_mat3(&DMat3::from_cols(right, forward.cross(right), forward));
    Camera::new("eye", 0, Pose::new(position, rotation), SIZE, 0.75)
}

fn rendered(backend: &Backend, file: &Path) -> (Vec<u8>, Vec<i32>) {
    let model = load(file, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}")).model;
    let look = Look { ambient_up: [1.0; 3], ambient_down: [1.0; 3], haze: 1e9, ..Look::default() };
    let options = TracerOptions { look, shadows: false, ..TracerOptions::default() };
    let tracer = Tracer::new(backend, &model, 1, &options).expect("it fits");
    let group = tracer.group(&[camera()], &[Channel::Rgb, Channel::Segmentation]).expect("it fits");
    tracer.pose(&standing(&model, &[model.reference_qpos()]));
    tracer.render(&group);
    let images = tracer.read(&group).expect("the device answers");
    let ids = images.ids(Channel::Segmentation).expect("asked for").to_vec();
    (images.rgb().expect("asked for").to_vec(), ids)
}

#[test]
fn pictures_lie_where_mujocos_renderer_lays_them() {
    let file = scene();
    let Some(theirs) = mujoco_renders(&file, &camera(), COLORS) else { return };
    let theirs: Vec<u8> = serde_json::from_value(theirs).expect("three bytes a pixel");
    with_each("textures::pictures_lie_where_mujocos_renderer_lays_them", |backend| {
        let (ours, ids) = rendered(backend, &file);
        let mut all = std::collections::BTreeMap::<i32, [usize; 2]>::new();
        let [width, height] = SIZE.map(|side| side as usize);
        for (at, id) in ids.iter().enumerate() {
            let (x, y) = (at % width, at / width);
            if *id < 0 || x == 0 || y == 0 || x + 1 == width || y + 1 == height {
                continue;
            }
            // Edges of geoms and within pictures apart: there the two blend otherwise.
            let around: Vec<usize> = (0..9).map(|k| (y + k / 3 - 1) * width + x + k % 3 - 1).collect();
            let of = |at: usize| &theirs[3 * at..3 * at + 3];
            let is_same = |other: &usize| (0..3).all(|k| of(*other)[k].abs_diff(of(at)[k]) <= ALIKE);
            if around.iter().any(|other| ids[*other] != *id || !is_same(other)) {
                continue;
            }
            let off = (0..3).map(|k| ours[4 * at + k].abs_diff(theirs[3 * at + k])).max().unwrap_or(0);
            let count = all.entry(*id).or_default();
            count[0] += 1;
            count[1] += usize::from(off > ALIKE);
        }
        println!("pixels of each geom, and those of another colour: {all:?}");
        for (id, [seen, wrong]) in &all {
            // Thin lines, which their smaller copies lose sooner or later.
            assert!(
                *seen > 800 && wrong * 50 <= *seen,
                "geom {id}: {wrong} of {seen} pixels have another colour"
            );
        }
        assert_eq!(all.len(), 9, "all geoms are seen");
    });
}
