//! Fine-tuning as a user starts, kills and resumes it, and what it refuses.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use keiko_data::{Demonstration, Image, Moment, Recorder, Spec};
use keiko_policy::vla::Checkpoint;
use serde_json::Value;

use crate::support::{Random, Running, TempDir, checkpoints, keiko, text, workspace_file};

/// Side of the recorded images \[px\].
const SIDE: usize = 64;

/// A dataset of short episodes: a square that is somewhere, and an action that says where.
fn record(folder: &Path, episodes: usize, joints: [&str; 2]) {
    record_as(folder, episodes, joints, false);
}

/// The same, with images as videos or as PNG files.
fn record_as(folder: &Path, episodes: usize, joints: [&str; 2], video: bool) {
    let spec = Arc::new(Spec {
        fps: 10,
        robot_type: "toy".into(),
        state: joints.map(str::to_owned).to_vec(),
        surroundings: vec!["square".into()],
        action: vec!["x".into()],
        cameras: vec![("front".into(), SIDE, SIDE)],
        video,
        label_success: false,
    });
    let mut recorder = Recorder::create(folder, &spec).unwrap();
    let mut random = Random(4);
    for episode in 0..episodes {
        let mut demonstration = Demonstration::new(&spec);
        let column = (random.next() % 8) as usize;
        for frame in 0..5 {
            let mut pixels = vec![30; SIDE * SIDE * 3];
            for row in 24..32 {
                pixels[3 * (row * SIDE + 8 * column)..][..24].fill(220);
            }
            let image = Image { height: SIDE, width: SIDE, pixels };
            let state = [frame as f32, episode as f32 * 0.1];
            let (action, images) = ([column as f32], [image]);
            let moment = Moment { state: &state, surroundings: &action, action: &action, images: &images };
            demonstration.push(moment).unwrap();
        }
        let task = ["go to the square", "find the bright square"][episode % 2];
        recorder.save(demonstration, task, true).unwrap();
    }
}

/// Arguments of a run of a few steps.
fn few<'a>(data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["--json", "finetune", data, "--out", out, "--device", "cpu", "--batch", "4"];
    args.extend(["--steps", "6", "--checkpoint-every", "2", "--validate-every", "3"]);
    args.extend(more);
    args
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Everything learned: the newest checkpoint and the policy, without what tells processes apart.
fn outcome(run: &Path) -> Vec<Vec<u8>> {
    let newest = checkpoints(run).pop().unwrap();
    let state =
        ["learned", "mean", "moment_1", "moment_2"].map(|name| newest.join(format!("{name}.safetensors")));
    let policy = run.join("policy/model.safetensors");
    state.iter().chain([&newest.join("finetune.bin"), &policy]).map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn a_killed_run_ends_with_the_same_bits_and_says_what_it_was_made_from() {
    let dir = TempDir::new("finetune");
    let data = dir.file("data");
    record(Path::new(&data), 6, ["a", "b"]);
    let whole = dir.file("whole");
    let result = keiko(&few(&data, &whole, &[])).expect(0).result();
    assert_eq!(result["steps"], 6);
    assert!(result["validation_loss"].as_f64().is_some_and(f64::is_finite), "{result}");

    let killed = dir.file("killed");
    let run = Path::new(&killed);
    let mut process = Running::start(&few(&data, &killed, &[]), &dir);
    process.wait_for(|| !checkpoints(run).is_empty());
    process.kill();
    keiko(&["finetune", "--resume", &killed, "--device", "cpu"]).expect(0);
    assert!(outcome(Path::new(&whole)) == outcome(run), "the same bits");

    // The policy is a folder that is read, with what it was made from beside it and in every checkpoint.
    let device = keiko_train::Device::cpu();
    let policy = Checkpoint::load(&run.join("policy"), device.tensors()).unwrap();
    assert_eq!(policy.config.cameras().collect::<Vec<_>>(), ["observation.images.front"]);
    assert!(policy.statistics.0.contains_key("action.mean"));
    for folder in checkpoints(run).into_iter().chain([run.join("policy")]) {
        let provenance = json(&folder.join("provenance.json"));
        let files = provenance["data"][0]["files"].as_array().unwrap();
        assert!(
            files
                .iter()
                .any(|file| file["path"] == "meta/info.json" && file["sha256"].as_str().unwrap().len() == 64)
        );
        assert_eq!(provenance["size"], "nano");
        assert_eq!(provenance["started"]["seed"], 1);
        assert_eq!(provenance["configuration"]["batch"], 4);
    }
    assert_eq!(json(&run.join("policy/provenance.json"))["steps"], 6);

    // A run goes on with the demonstrations it began with, or not at all.
    let info = Path::new(&data).join("meta/stats.json");
    let stats = fs::read_to_string(&info).unwrap();
    fs::write(&info, stats + "\n").unwrap();
    keiko(&["finetune", "--resume", &killed])
        .expect(2)
        .stderr_has(&["meta/stats.json", "not what the run began with"]);

    // A delta on top of it, from new demonstrations as videos and the old ones, names both datasets and its base, and is
    // small.
    let second = dir.file("second");
    record_as(Path::new(&second), 4, ["a", "b"], true);
    let base = text(&run.join("policy"));
    let lora = dir.file("lora");
    keiko(&few(&second, &lora, &["--base", &base, "--learn", "lora", "--lora-rank", "4", &data])).expect(0);
    let policy = Path::new(&lora).join("policy");
    let size = |name: &str| fs::metadata(policy.join(name)).unwrap().len();
    assert!(20 * size("adapter_model.safetensors") < size("model.safetensors"));
    let provenance = json(&policy.join("provenance.json"));
    let folders = |provenance: &Value| {
        let data = provenance["data"].as_array().expect("datasets");
        data.iter().map(|data| data["folder"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(folders(&provenance), [second.as_str(), data.as_str()]);
    assert_eq!(folders(&provenance["base"]["provenance"]), [data.as_str()]);
    let held_out = |number: usize| provenance["data"][number]["held_out_episodes"].as_array().map(Vec::len);
    assert_eq!(held_out(0).zip(held_out(1)).map(|(a, b)| a + b), Some(1), "a tenth of all, in one of them");
    let film = "videos/observation.images.front/chunk-000/file-000.mp4";
    assert!(provenance["data"][0]["files"].as_array().unwrap().iter().any(|file| file["path"] == film));
    assert_eq!(provenance["base"]["sha256"], json(&policy.join("adapter_config.json"))["base_sha256"]);

    // Another robot's demonstrations are refused, and the first difference named.
    let other = dir.file("other");
    record(Path::new(&other), 4, ["a", "c"]);
    let wrong = dir.file("wrong");
    keiko(&few(&other, &wrong, &["--base", &base]))
        .expect(2)
        .stderr_has(&["number 2 is `b` in the policy and `c`", "--new-robot"]);
}

#[test]
fn what_cannot_be_learned_from_is_refused_in_words() {
    let dir = TempDir::new("finetune-refused");
    let out = dir.file("out");
    keiko(&["finetune", &dir.file("nothing"), "--out", &out]).expect(3).stderr_has(&["nothing"]);
    let data = dir.file("data");
    record(Path::new(&data), 2, ["a", "b"]);
    keiko(&["finetune", &data, "--out", &out, "--validation", "1.5"]).expect(2).stderr_has(&[
        "validation",
        "1.5",
        "less than 1",
    ]);
    keiko(&["finetune", &data, "--out", &out, "--size", "nanno"]).expect(2).stderr_has(&["nano, micro"]);
    keiko(&["finetune", &data, "--out", &out, "--task", "reach-too"]).expect(3).stderr_has(&["reach-to"]);
    keiko(&["finetune", &data, "--out", &out, "--camera", "fronnt"])
        .expect(2)
        .stderr_has(&["did you mean `front`?"]);
    keiko(&["finetune", "--resume", &dir.file("nowhere")]).expect(2).stderr_has(&["finetune.json"]);
    assert!(!Path::new(&out).exists(), "nothing is left behind");
}

#[test]
fn a_folder_of_lerobot_is_verified_and_one_that_lacks_a_tensor_is_not() {
    let fixture = workspace_file("learn/policy/tests/fixtures/smolvla");
    let verify = |folder: &str| keiko(&["--json", "verify", "smolvla", folder, "--device", "cpu"]);
    let result = verify(&fixture).expect(0).result();
    assert_eq!((&result["difference"], &result["public"]), (&"none".into(), &false.into()));
    assert!(result["action_size"].as_f64().is_some_and(|size| size > 0.0));
    assert_eq!(result, {
        let mut again = verify(&fixture).expect(0).result();
        for clock in ["cpu_seconds", "wall_seconds"] {
            again[clock] = result[clock].clone();
        }
        again
    });
    // Weights of other sizes than the configuration says.
    let dir = TempDir::new("verify-smolvla");
    fs::create_dir_all(dir.path().join("vlm")).unwrap();
    for name in ["model.safetensors", "vlm/config.json"] {
        fs::copy(Path::new(&fixture).join(name), dir.path().join(name)).unwrap();
    }
    let config = fs::read_to_string(Path::new(&fixture).join("config.json")).unwrap();
    fs::write(
        dir.path().join("config.json"),
        config.replace("\"num_vlm_layers\": 4", "\"num_vlm_layers\": 3"),
    )
    .unwrap();
    let result = verify(&text(dir.path())).expect(1).result();
    assert!(result["difference"].as_str().unwrap().contains("layers.3"), "{result}");
}

#[test]
fn recorded_learned_and_tried_where_it_was_recorded() {
    let dir = TempDir::new("finetune-eval");
    let (data, out) = (dir.file("data"), dir.file("run"));
    keiko(&["record", "reach-to", "--episodes", "2", "--envs", "2", "--out", &data]).expect(0);
    let trial = ["--camera", "front", "--validation", "0.5", "--task", "reach-to", "--eval-episodes", "2"];
    keiko(&few(&data, &out, &trial)).expect(0);
    let metrics = fs::read_to_string(Path::new(&out).join("metrics.jsonl")).unwrap();
    assert!(metrics.lines().last().unwrap().contains("Eval/success_rate"), "{metrics}");
    let origins = json(&Path::new(&data).join("meta/keiko_origin.json"));
    assert_eq!(json(&Path::new(&out).join("policy/provenance.json"))["data"][0]["origins"], origins);

    let eval = |more: &[&str]| {
        let mut args = vec!["--json", "eval", "--policy", &out, "--device", "cpu", "--episodes", "3"];
        args.extend(more);
        keiko(&args)
    };
    let result = eval(&["--task", "reach-to", "--envs", "2"]).expect(0).result();
    assert_eq!(result["episodes"], 3);
    assert!(result["success_rate"].as_f64().is_some_and(|rate| (0.0..=1.0).contains(&rate)), "{result}");
    let again = eval(&["--task", "reach-to", "--envs", "2"]).expect(0).result();
    assert_eq!(again["mean_return"], result["mean_return"], "the same seed, the same episodes");
    let shuffled = eval(&["--task", "reach-to", "--envs", "2", "--shuffle-instructions"]).expect(0).result();
    assert_ne!(shuffled["mean_return"], result["mean_return"]);

    // Another robot, and a scene without the policy's camera.
    eval(&["--task", "cartpole"]).expect(2).stderr_has(&["the policy is of `arm`"]);
    let without = ["--task", "arm-reach", "--set", "cameras=[]"];
    eval(&without).expect(2).stderr_has(&["camera `front`"]);
}
