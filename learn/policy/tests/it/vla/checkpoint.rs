//! Folders that lerobot wrote, read and written again.

use super::golden::{Judge, assert_close};
use burn::tensor::{Device, Tensor, TensorData};
use keiko_policy::vla::{Checkpoint, Images, Preset};
use std::path::{Path, PathBuf};

/// What lerobot's pipelines make of pixels, texts and states in the robot's units.
fn act(checkpoint: &Checkpoint, judge: &Judge) -> Vec<f32> {
    let (front_width, front_height, front) = judge.pixels("front");
    let (wrist_width, wrist_height, wrist) = judge.pixels("wrist");
    let images = [
        ("observation.images.wrist", Images { width: wrist_width, height: wrist_height, pixels: &wrist }),
        ("observation.images.front", Images { width: front_width, height: front_height, pixels: &front }),
    ];
    let texts = ["Pick up the red cube.", "push"];
    let inputs = checkpoint.inputs(&images, &texts, judge.values("raw_state")).expect("fits");
    let model = checkpoint.model(&checkpoint.weights).expect("complete");
    checkpoint.actions(model.act(&inputs, judge.tensor("noise"), 10)).expect("fits")
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("keiko-vla-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn copy(to: &Path) {
    std::fs::create_dir_all(to.join("vlm")).expect("a temporary folder");
    for part in ["", "vlm"] {
        for entry in std::fs::read_dir(super::fixture().join(part)).expect("a folder").flatten() {
            if entry.path().is_file() {
                std::fs::copy(entry.path(), to.join(part).join(entry.file_name())).expect("copies");
            }
        }
    }
}

#[test]
fn a_folder_of_lerobot_acts_like_lerobot_and_survives_saving() {
    let judge = Judge::load();
    let device = Device::flex();
    let checkpoint = Checkpoint::load(&super::fixture(), &device).expect("reads");
    let actions = act(&checkpoint, &judge);
    let tensor = Tensor::<1>::from_data(TensorData::from(actions.as_slice()), &device);
    assert_close(tensor, judge.values("unnormalized_actions"), "actions in the robot's units");

    let folder = folder("saved");
    checkpoint.save(&folder).expect("writes");
    let again = Checkpoint::load(&folder, &device).expect("reads what it wrote");
    assert_eq!(again.config, checkpoint.config);
    assert_eq!(again.statistics, checkpoint.statistics);
    assert_eq!(act(&again, &judge), actions);
    std::fs::remove_dir_all(&folder).expect("removes");
}

#[test]
fn damaged_folders_are_refused_and_named() {
    let refused = |name: &str, from: &str, to: &str| {
        let folder = folder("damaged");
        copy(&folder);
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("writes");
        let message = Checkpoint::load(&folder, &Device::flex()).expect_err("refused").to_string();
        std::fs::remove_dir_all(&folder).expect("removes");
        message
    };
    assert!(refused("config.json", "\"smolvla\"", "\"pi0\"").contains("`pi0`"));
    assert!(refused("config.json", "\"vlm\"", "\"../vlm\"").contains("inside the checkpoint"));
    assert!(refused("config.json", "\"max_state_dim\": 8", "\"max_state_dim\": 4").contains("do not fit"));
    assert!(
        refused("config.json", "\"num_expert_layers\": -1", "\"num_expert_layers\": 2").contains("supported")
    );
    let shapes = refused("config.json", "\"max_state_dim\": 8", "\"max_state_dim\": 9");
    assert!(shapes.contains("state_proj.weight") && shapes.contains("[48, 8]"), "{shapes}");
    assert!(
        refused("vlm/config.json", "\"vocab_size\": 320", "\"vocab_size\": 300")
            .contains("the model knows 300")
    );
    let state = "policy_preprocessor_step_5_normalizer_processor.safetensors";
    assert!(refused("policy_preprocessor.json", state, "state.pt").contains("pickle"));
    assert!(refused("policy_preprocessor.json", state, "../state.safetensors").contains("beside"));

    let folder = folder("cut");
    copy(&folder);
    let path = folder.join("model.safetensors");
    let bytes = std::fs::read(&path).expect("reads");
    std::fs::write(&path, &bytes[..bytes.len() - 10]).expect("writes");
    let message = Checkpoint::load(&folder, &Device::flex()).expect_err("refused").to_string();
    assert!(message.contains("truncated"), "{message}");
    std::fs::remove_dir_all(&folder).expect("removes");
}

#[test]
fn presets_are_configurations_that_survive_their_files() {
    for preset in Preset::ALL {
        assert_eq!(preset.name().parse::<Preset>().expect("known"), preset);
        let config = preset.config(
            &[("observation.images.b", [3, 64, 64]), ("observation.images.a", [3, 64, 64])],
            6,
            6,
        );
        let text = serde_json::to_vec(&config).expect("JSON");
        let again = keiko_policy::vla::VlaConfig::from_json("config.json", &text).expect("reads");
        assert_eq!(again, config);
        let cameras: Vec<&str> = again.cameras().collect();
        assert_eq!(cameras, ["observation.images.b", "observation.images.a"], "cameras keep their order");
    }
    assert!("huge".parse::<Preset>().expect_err("unknown").to_string().contains("nano, micro"));
}
