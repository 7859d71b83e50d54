//! A checkpoint of ours, opened by lerobot.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use keiko_policy::vla::normalize::Statistics;
use keiko_policy::vla::{Checkpoint, Images, Preset};
use keiko_testkit as testkit;
use serde_json::json;

use super::golden::assert_close;

/// Opens a folder by lerobot's `from_pretrained` with its processors, and acts. transformers 4.57 finds the places of
/// patches wrongly in float32; see `make.py` of the fixture.
const ACT: &str = r#"
import json, os, sys
os.chdir(sys.argv[1])
question = json.load(open("question.json"))
import torch
from transformers.models.smolvlm.modeling_smolvlm import SmolVLMVisionEmbeddings
from lerobot.policies.factory import make_pre_post_processors
from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy

def embed_patches(self, pixel_values, patch_attention_mask):
    patches = self.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
    return patches + self.position_embedding(torch.arange(self.num_positions))

SmolVLMVisionEmbeddings.forward = embed_patches
policy = SmolVLAPolicy.from_pretrained(".", strict=True)
policy.eval()
before, after = make_pre_post_processors(policy.config, pretrained_path=".")
actions = []
for image, state, task, noise in zip(*[question[key] for key in ("image", "state", "task", "noise")]):
    batch = before({"observation.images.front": torch.tensor(image), "observation.state": torch.tensor(state), "task": task})
    with torch.no_grad():
        chunk = policy._get_action_chunk(batch, noise=torch.tensor(noise)[None])
    actions += after(chunk).flatten().tolist()
print(json.dumps({"actions": actions}))
"#;

const SIDE: usize = 64;

/// Needs lerobot 0.4.4 with torch 2.7, transformers 4.57 and num2words; `KEIKO_LEROBOT_PYTHON` is the path of that Python.
#[test]
#[ignore = "needs a Python with lerobot and torch, named by KEIKO_LEROBOT_PYTHON"]
fn lerobot_opens_our_checkpoint_and_acts_alike() {
    let python =
        PathBuf::from(std::env::var_os("KEIKO_LEROBOT_PYTHON").expect("KEIKO_LEROBOT_PYTHON is set"));
    let cameras = [("observation.images.front", [3, SIDE, SIDE])];
    let texts = ["pick up the red cube", "push the blue ball 3 cm to the left"];
    let statistics = [
        ("observation.state.mean", vec![0.5, -0.5, 1.0]),
        ("observation.state.std", vec![2.0, 0.5, 0.1]),
        ("action.mean", vec![0.1, 0.2]),
        ("action.std", vec![0.3, 3.0]),
    ];
    let statistics = Statistics(statistics.map(|(name, values)| (name.to_owned(), values)).into());
    let device = Device::flex();
    let checkpoint =
        Checkpoint::fresh(Preset::Nano, &cameras, [3, 2], texts, statistics, 4, &device).expect("fits");
    let folder = std::env::temp_dir().join(format!("keiko-lerobot-{}", std::process::id()));
    checkpoint.save(&folder).expect("writes");

    let pixels: Vec<u8> = (0..2 * SIDE * SIDE * 3).map(|i| (i * i / 7 % 251) as u8).collect();
    let states = [[0.1f32, 0.2, 0.3], [-1.0, 0.0, 1.1]];
    let sizes = &checkpoint.sizes;
    let noise: Vec<f32> =
        (0..2 * sizes.chunk * sizes.action).map(|i| ((i * 37 % 101) as f32 - 50.0) / 40.0).collect();
    let tensor = TensorData::new(noise.clone(), [2, sizes.chunk, sizes.action]);
    let images = [("observation.images.front", Images { width: SIDE, height: SIDE, pixels: &pixels })];
    let inputs = checkpoint.inputs(&images, &texts, states.as_flattened()).expect("fits");
    let model = checkpoint.model(&checkpoint.weights).expect("complete");
    let ours = checkpoint.actions(model.act(&inputs, Tensor::from_data(tensor, &device), 10)).expect("fits");

    let planes = |image: &[u8]| -> Vec<Vec<Vec<f32>>> {
        let at = |channel: usize, row: usize, column: usize| {
            f32::from(image[(row * SIDE + column) * 3 + channel]) / 255.0
        };
        let line = |channel, row| (0..SIDE).map(|column| at(channel, row, column)).collect();
        (0..3).map(|channel| (0..SIDE).map(|row| line(channel, row)).collect()).collect()
    };
    let rows: Vec<Vec<&[f32]>> =
        noise.chunks(sizes.chunk * sizes.action).map(|chunk| chunk.chunks(sizes.action).collect()).collect();
    let question = json!({
        "image": pixels.chunks(SIDE * SIDE * 3).map(planes).collect::<Vec<_>>(),
        "state": states, "task": texts, "noise": rows,
    });
    std::fs::write(folder.join("question.json"), question.to_string()).expect("writes");
    let answer = testkit::available(testkit::run_interpreter(&python, ACT, &[&folder])).expect("runs");
    let theirs: Vec<f32> = serde_json::from_value(answer["actions"].clone()).expect("numbers");
    let ours = Tensor::<1>::from_data(TensorData::from(ours.as_slice()), &device);
    assert_close(ours, &theirs, "actions in the robot's units");
    std::fs::remove_dir_all(&folder).expect("removes");
}
