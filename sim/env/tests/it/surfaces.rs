//! Materials of scenes, and how cameras are mounted.

use keiko_env::TaskEnv;
use keiko_model::TaskSpec;
use keiko_model::camera::Follow;
use keiko_model::lens::Lens;

use crate::common::{options, repository, scene};

/// A picture of 2 by 1 pixels, red and blue: stored, as RFC 1950 and 1951 allow.
const PNG: &[u8] = &[
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 1, 8, 2, 0, 0, 0, 123,
    64, 232, 221, 0, 0, 0, 18, 73, 68, 65, 84, 120, 1, 1, 7, 0, 248, 255, 0, 255, 0, 0, 0, 0, 255, 7, 0, 1,
    255, 85, 54, 186, 199, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
];

fn error(task: &TaskSpec) -> String {
    TaskEnv::new(task, &options(1, 0)).err().expect("a mistake").to_string()
}

/// The cartpole as a scene in a folder of its own, with more text in it.
fn with_text(folder: &std::path::Path, more: &str) -> TaskSpec {
    let path = repository().join("scenes/cartpole/scene.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let robot = repository().join("assets/robots/cartpole/cartpole.xml");
    let text = text.replace("../../assets/robots/cartpole/cartpole.xml", &robot.display().to_string());
    std::fs::write(folder.join("scene.toml"), format!("{text}\n{more}\n")).unwrap();
    TaskSpec::load(&folder.join("scene.toml"), &[]).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_scene_has_materials_with_pictures_from_its_own_folder() {
    let folder = std::env::temp_dir().join(format!("keiko-surfaces-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("stripes.png"), PNG).unwrap();
    let more = "[[materials]]\nname = \"flag\"\nrgba = [1.0, 0.9, 0.8, 1.0]\ntexture = \"stripes.png\"\nrepeat = [2, 3]\n\
                [[props]]\nname = \"sign\"\nshape = { kind = \"box\", half_size = [0.1, 0.1, 0.1] }\nmaterial = \"flag\"";
    let env = TaskEnv::new(&with_text(&folder, more), &options(1, 0)).unwrap();
    let model = &env.scene().model;
    let sign = model.geoms.iter().find(|geom| geom.name == "sign").unwrap();
    let flag = &model.materials[sign.material.unwrap()];
    assert_eq!((flag.name.as_str(), sign.rgba), ("flag", [1.0, 0.9, 0.8, 1.0]));
    let used = flag.texture.unwrap();
    let picture = &model.textures[used.texture];
    assert_eq!((picture.width, picture.height, used.repeat), (2, 1, [2.0, 3.0]));
    assert_eq!(picture.pixels, [255, 0, 0, 0, 0, 255]);

    std::fs::write(folder.join("stripes.png"), &PNG[..50]).unwrap();
    let broken = error(&with_text(&folder, more));
    assert!(broken.contains("stripes.png") && broken.contains("damaged PNG"), "{broken}");
    let missing = error(&with_text(&folder, &more.replace("stripes.png", "strips.png")));
    assert!(missing.contains("strips.png") && missing.contains("scene.toml"), "{missing}");
    std::fs::write(folder.join("stripes.png"), PNG).unwrap();
    let unknown = error(&with_text(&folder, &more.replace("material = \"flag\"", "material = \"flog\"")));
    assert!(unknown.contains("did you mean `flag`?"), "{unknown}");
    let both = error(&with_text(&folder, &format!("{more}\nfinish = {{}}")));
    assert!(both.contains("both `material` and `finish`"), "{both}");
    std::fs::remove_dir_all(&folder).unwrap();
}

fn with_camera(keys: &str) -> TaskSpec {
    let camera = format!("cameras=[{{ name = \"c\", width = 64, height = 16, {keys} }}]");
    scene("cartpole", &[&camera])
}

#[test]
fn a_scenes_camera_follows_as_it_says() {
    let camera = |keys: &str| {
        let env = TaskEnv::new(&with_camera(keys), &options(1, 0)).unwrap_or_else(|error| panic!("{error}"));
        let model = &env.scene().model;
        let camera = model.cameras.iter().find(|camera| camera.name == "c").unwrap().clone();
        (camera, model.bodies.iter().map(|body| body.name.clone()).collect::<Vec<_>>())
    };
    let (track, bodies) =
        camera("mount = \"cart\", mode = \"trackcom\", position = [0, -2, 1], look_at = [0, 0, 0]");
    assert_eq!((track.follow, bodies[track.body].as_str()), (Follow::Track { com: true }, "cart"));
    assert_eq!(track.pose.position.to_array(), [0.0, -2.0, 1.0]);
    let (gaze, bodies) = camera("mode = \"targetbody\", target = \"pole\", position = [0, -2, 1]");
    let Follow::Target { from, body, com: false } = gaze.follow else { panic!("{:?}", gaze.follow) };
    assert_eq!((from.to_array(), bodies[body].as_str(), gaze.body), ([0.0, -2.0, 1.0], "pole", 0));
}

#[test]
fn a_lidar_has_angles_for_rows_and_columns() {
    let keys = "look_at = [1, 0, 0], lens = { kind = \"equirectangular\" }, fov_x = 6.2832, fov_y = 0.52";
    let env = TaskEnv::new(&with_camera(keys), &options(1, 0)).unwrap_or_else(|error| panic!("{error}"));
    let lidar = env.scene().model.cameras.iter().find(|camera| camera.name == "c").unwrap();
    assert_eq!(lidar.lens, Lens::Equirectangular);
    let angles = |x: f64, y: f64| {
        let ray = lidar.ray([x, y]).unwrap();
        (ray.x.atan2(ray.z), ray.y.asin())
    };
    // From one column to the next a 64th of a turn, from ring to ring a 16th of the field of view.
    let ((left, upper), (right, lower)) = (angles(10.5, 3.5), angles(11.5, 4.5));
    let turn = std::f64::consts::TAU;
    assert!((right - left - turn / 64.0).abs() < 1e-6 && (lower - upper - 0.52 / 16.0).abs() < 1e-9);
    assert!((angles(0.5, 0.5).1 + 0.26 * 15.0 / 16.0).abs() < 1e-9);
}

#[test]
fn mistakes_in_cameras_are_named_with_their_place() {
    for (keys, reason) in [
        ("mode = \"targetbody\"", "needs a `target`"),
        ("look_at = [1, 0, 0], target = \"pole\"", "`targetbody` and `targetbodycom`"),
        ("mode = \"targetbody\", target = \"pol\"", "did you mean `pole`?"),
        (
            "mode = \"targetbody\", target = \"pole\", look_at = [1, 0, 0]",
            "`look_at` or `rotation` beside it",
        ),
        ("look_at = [1, 0, 0], fov_x = 4.0", "sees nothing beside it"),
        ("look_at = [1, 0, 0], fov_x = 1.0, focal_length = 20.0", "both `fov_x` and a focal length"),
        (
            "look_at = [1, 0, 0], fov_y = 4.0, lens = { kind = \"equirectangular\" }",
            "has no ray for the point",
        ),
    ] {
        let message = error(&with_camera(keys));
        assert!(message.contains(reason) && message.contains("cameras"), "{keys}: {message}");
    }
}
