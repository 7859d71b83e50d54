//! What users read when a scene is wrong.

use std::path::Path;

use keiko_env::TaskEnv;
use keiko_model::TaskSpec;
use keiko_model::task::resolve_scene;

use crate::common::{options, repository, scene};

fn refused(path: &Path, overrides: &[&str]) -> String {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let built = TaskSpec::load(path, &overrides).and_then(|spec| TaskEnv::new(&spec, &options(1, 0)));
    match built {
        Ok(_) => panic!("{} {overrides:?} was taken", path.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn broken_scenes_are_refused_with_file_line_and_nearest_name() {
    let cases = [
        ("misspelt-key", ":11:1: unknown key `episode.secnods`", "did you mean `seconds`?"),
        ("unknown-term", ":14:20: unknown term `upritgh`", "did you mean `upright`?"),
        ("unknown-joint", ":11:46: unknown joint `hinj`", "did you mean `hinge`?"),
        ("missing-robot", ":5:8", "no-such-robot.xml"),
        ("folded-lens", ":12:1: the lens of camera `side` has no ray for the point (0.0, 0.0)", "folds over"),
    ];
    for (name, place, hint) in cases {
        let path = repository().join("scenes/fixtures").join(name).join("scene.toml");
        let message = refused(&path, &[]);
        let at = format!("{name}/scene.toml{place}");
        assert!(message.contains(hint), "{name}: {message}");
        assert!(name == "missing-robot" || message.contains(&at), "{name}: {message}");
    }
}

#[test]
fn names_in_overrides_are_refused_by_the_override() {
    let path = repository().join("scenes/walk/scene.toml");
    let cases = [
        (
            "reward.feet_air_time.bodies=[\"*_calv\"]",
            "unknown body `*_calv` in `reward.feet_air_time.bodies.0`",
        ),
        ("observe.policy.command.command=velocitty", "did you mean `velocity`?"),
        ("robot.keyframe=hom", "did you mean `home`?"),
        ("robot.end_effector=FR_clf", "did you mean `FR_calf`?"),
        ("action.actuators=[\"FR_hop\"]", "did you mean `FR_hip`?"),
        ("action.kind=effort", "the actuator `FR_abduction` is not a motor"),
        ("success.reward=track_liner", "did you mean `track_linear`?"),
        ("initial.positions.FR_kne=0.1", "did you mean `FR_knee`?"),
        ("reward.feet_slip.feet=[\"nowhere\"]", "unknown site or body `nowhere`"),
        ("randomize.friction.factor=[2.0, 1.0]", "the range [2, 1] is empty"),
    ];
    for (text, hint) in cases {
        let message = refused(&path, &[text]);
        assert!(message.starts_with(&format!("--set {text}: ")), "{message}");
        assert!(message.contains(hint), "{text}: {message}");
    }
}

#[test]
fn names_and_values_of_the_physics_vectors_are_refused_by_the_override() {
    let path = repository().join("scenes/walk/scene.toml");
    let cases = [
        ("observe.policy.all={ term = \"qpos\", joints = [\"rot\"] }", "did you mean `root`?"),
        ("observe.policy.all={ term = \"qpos\", skip = 19 }", "19 of 19 numbers are left out"),
        ("observe.policy.all={ term = \"qvel\", skip = 18 }", "18 of 18 numbers are left out"),
        ("observe.policy.all={ term = \"qpos\", quaternions = \"wxzy\" }", "did you mean `wxyz`?"),
        ("reward.way={ term = \"mean_velocity\", weight = 1, body = \"trunc\" }", "did you mean `trunk`?"),
        ("reward.way={ term = \"mean_velocity\", weight = 1, axis = [0, 0, 0] }", "no length"),
        ("randomize.start={ term = \"qpos\", offset = [1, -1] }", "the range [1, -1] is empty"),
        ("randomize.start={ term = \"qvel\", std = -0.1 }", "a number at least 0"),
        ("initial.pose=referense", "did you mean `reference`?"),
    ];
    for (text, hint) in cases {
        let message = refused(&path, &[text]);
        assert!(message.starts_with(&format!("--set {text}: ")), "{message}");
        assert!(message.contains(hint), "{text}: {message}");
    }
    let message = refused(&path, &["robot.keyframe=home", "initial.pose=reference"]);
    assert!(message.contains("but the keyframe `home` is named too"), "{message}");
}

#[test]
fn terms_and_commands_must_fit() {
    let path = repository().join("scenes/arm-reach/scene.toml");
    let message = refused(
        &path,
        &["reward.fine={ term = \"track_linear_velocity\", weight = 1, command = \"target\" }"],
    );
    assert!(
        message.contains("the command `target` is a point") && message.contains("kind velocity"),
        "{message}"
    );
    let message = refused(&path, &["randomize.push={ term = \"push\", interval = [1, 2], speed = [0, 1] }"]);
    assert!(message.contains("the robot's base does not float"), "{message}");
    let message = refused(&path, &["props=[{ name = \"link3\", shape = { kind = \"plane\" } }]"]);
    assert!(message.contains("the name `link3` is taken"), "{message}");
}

#[test]
fn no_text_makes_the_loader_panic() {
    for name in ["cartpole", "arm-reach", "walk"] {
        let path = repository().join("scenes").join(name).join("scene.toml");
        let text = std::fs::read(&path).expect("readable");
        let (mut refused, mut random) = (0, 1_u64);
        let mut next = |bound: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % bound
        };
        for _ in 0..200 {
            let mut bytes = text.clone();
            for _ in 0..=next(3) {
                let at = next(bytes.len());
                match next(3) {
                    0 => drop(bytes.remove(at)),
                    1 => bytes[at] = b" \"[]{}=.-+e0x\n#'\xff"[next(17)],
                    _ => drop(bytes.drain(at..(at + next(40)).min(text.len() / 2).max(at))),
                }
            }
            let text = String::from_utf8_lossy(&bytes);
            refused += usize::from(TaskSpec::parse(&text, &path, &[]).is_err());
        }
        assert!(refused > 50, "{name}: only {refused} of 200 damaged files were refused");
    }
}

#[test]
fn scenes_are_found_by_name_folder_and_file() {
    let found = resolve_scene("cartpole").expect("there");
    assert!(found.ends_with("cartpole/scene.toml"));
    let folder = repository().join("scenes/walk");
    assert_eq!(resolve_scene(&folder.to_string_lossy()).expect("there"), folder.join("scene.toml"));
    let message = resolve_scene("cartpol").expect_err("not there").to_string();
    assert!(message.contains("did you mean `cartpole`?") && message.contains("arm-reach"), "{message}");
}

#[test]
fn overrides_reach_the_environment() {
    let spec = scene("cartpole", &["episode.seconds=1.0", "action.scale=5"]);
    let env = TaskEnv::new(&spec, &options(2, 0)).unwrap_or_else(|error| panic!("{error}"));
    use keiko_env::VecEnv;
    assert_eq!(env.spec().max_episode_steps, 50);
    assert_eq!(env.spec().actions, ["slider"]);
}
