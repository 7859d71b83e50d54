//! Every stage of the model against what lerobot's own code computed from the same weights.

use burn::tensor::{Device, Tensor, TensorData};
use keiko_policy::vla::flow::View;
use keiko_policy::vla::manifest::tensors;
use keiko_policy::vla::preprocess::to_planes;
use keiko_policy::vla::{Flow, Images, Inputs, Sizes, VlaConfig, VlmConfig, Weights};
use safetensors::tensor::{Dtype, SafeTensors};
use std::collections::BTreeMap;

/// Largest difference from lerobot's numbers; both compute in f32.
const TOLERANCE: f64 = 2e-5;

/// What the fixture's files say.
pub fn sizes() -> (VlaConfig, VlmConfig, Sizes) {
    let read = |name: &str| std::fs::read(super::fixture().join(name)).expect("the fixture is complete");
    let config = VlaConfig::from_json("config.json", &read("config.json")).expect("reads");
    let vlm = VlmConfig::from_json("vlm/config.json", &read("vlm/config.json")).expect("reads");
    let sizes = Sizes::new(&config, &vlm).expect("possible");
    (config, vlm, sizes)
}

/// The tensors of `judge.safetensors`.
pub struct Judge(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl Judge {
    pub fn load() -> Self {
        let bytes =
            std::fs::read(super::fixture().join("judge.safetensors")).expect("the fixture is complete");
        let tensors = SafeTensors::deserialize(&bytes).expect("reads");
        let read = |(name, view): (String, safetensors::tensor::TensorView)| {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => {
                    data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
                }
                Dtype::I64 => {
                    data.chunks_exact(8).map(|b| f32::from(b[0]) + 256.0 * f32::from(b[1])).collect()
                }
                Dtype::U8 => data.iter().map(|&b| f32::from(b)).collect(),
                other => panic!("{other:?}"),
            };
            (name, (view.shape().to_vec(), values))
        };
        Self(tensors.tensors().into_iter().map(read).collect())
    }

    pub fn values(&self, name: &str) -> &[f32] {
        &self.0.get(name).unwrap_or_else(|| panic!("{name}")).1
    }

    pub fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        let (shape, values) = self.0.get(name).unwrap_or_else(|| panic!("{name}"));
        let shape: [usize; D] = shape.as_slice().try_into().expect("rank");
        Tensor::from_data(TensorData::new(values.clone(), shape), &Device::flex())
    }

    /// 8-bit pixels `[batch, height, width, 3]` of a camera and its size.
    pub fn pixels(&self, camera: &str) -> (usize, usize, Vec<u8>) {
        let (shape, values) = &self.0[&format!("image.{camera}")];
        let &[batch, channels, height, width] = shape.as_slice() else { panic!("rank") };
        let mut pixels = Vec::new();
        for image in 0..batch {
            for place in 0..height * width {
                for channel in 0..channels {
                    pixels.push(values[(image * channels + channel) * height * width + place] as u8);
                }
            }
        }
        (width, height, pixels)
    }

    fn view(&self, camera: &str) -> View {
        View { pixels: self.tensor(&format!("preprocessed.{camera}")), present: vec![true; 2] }
    }

    /// Inputs as lerobot had them after its preprocessing.
    fn inputs(&self, views: Vec<View>) -> Inputs {
        let rows =
            |name: &str| -> Vec<Vec<f32>> { self.values(name).chunks(8).map(<[f32]>::to_vec).collect() };
        let state = self.tensor::<2>("state");
        let padding = Tensor::zeros([2, 8 - state.dims()[1]], &state.device());
        Inputs {
            views,
            tokens: rows("tokens").iter().map(|row| row.iter().map(|&t| t as u32).collect()).collect(),
            token_mask: rows("token_mask")
                .iter()
                .map(|row| row.iter().map(|&t| t != 0.0).collect())
                .collect(),
            state: Tensor::cat(vec![state, padding], 1),
        }
    }

    fn actions(&self) -> Tensor<3> {
        let action = self.tensor::<3>("action");
        let [batch, chunk, dims] = action.dims();
        let padding = Tensor::zeros([batch, chunk, 6 - dims], &action.device());
        Tensor::cat(vec![action, padding], 2)
    }
}

#[track_caller]
pub fn assert_close<const D: usize>(actual: Tensor<D>, expected: &[f32], what: &str) {
    let actual: Vec<f32> = actual.inner().into_data().iter::<f32>().collect();
    assert_eq!(actual.len(), expected.len(), "{what}: size");
    let mut worst = 0.0f64;
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let error = f64::from((a - e).abs());
        assert!(error <= TOLERANCE * f64::from(e.abs()).max(1.0), "{what}[{i}]: {a} instead of {e}");
        worst = worst.max(error);
    }
    println!("{what}: off by at most {worst:e}");
}

fn model(change: impl Fn(&mut VlaConfig), marks: Option<[u32; 2]>) -> Flow {
    let (mut config, vlm, _) = sizes();
    change(&mut config);
    let sizes = Sizes::new(&config, &vlm).expect("possible");
    Flow::new(&config, &sizes, &weights(), marks)
}

fn weights() -> Weights {
    let path = super::fixture().join("model.safetensors");
    Weights::read(&path, &tensors(&sizes().2), &Device::flex()).expect("reads")
}

#[test]
fn images_are_scaled_and_padded_like_lerobots() {
    let judge = Judge::load();
    for camera in ["front", "wrist"] {
        let (width, height, pixels) = judge.pixels(camera);
        let planes = to_planes(Images { width, height, pixels: &pixels }, Some(64));
        let planes = Tensor::<1>::from_data(TensorData::from(planes.as_slice()), &Device::flex());
        assert_close(planes, judge.values(&format!("preprocessed.{camera}")), camera);
    }
}

#[test]
fn every_stage_is_lerobots() {
    let judge = Judge::load();
    let model = model(|_| {}, None);
    let inputs = judge.inputs(vec![judge.view("front"), judge.view("wrist")]);
    let prefix = model.embed_prefix(&inputs);
    assert_close(prefix.embeddings.clone(), judge.values("prefix"), "prefix");
    let present: Vec<f32> = prefix.present.iter().flatten().map(|&p| f32::from(u8::from(p))).collect();
    assert_eq!(present, judge.values("prefix_mask"));
    assert!(present.contains(&0.0), "a text of the fixture is padded");

    let memory = model.remember(prefix);
    for (layer, (keys, values)) in memory.layers.iter().enumerate() {
        assert_close(keys.clone(), judge.values(&format!("keys.{layer}")), &format!("keys of layer {layer}"));
        assert_close(
            values.clone(),
            judge.values(&format!("values.{layer}")),
            &format!("values of layer {layer}"),
        );
    }
    let noise = judge.tensor::<3>("noise");
    let velocity = model.velocity(&memory, noise.clone(), judge.values("time"));
    assert_close(velocity, judge.values("velocity"), "velocity");
    let actions = model.act_from(&memory, noise.clone(), 10).narrow(2, 0, 4);
    assert_close(actions, judge.values("actions"), "actions");
    // lerobot's losses come from one pass over prefix and actions together, ours from memory.
    let errors = model.errors(&inputs, judge.actions(), noise.clone(), judge.values("time"));
    assert_close(errors, judge.values("losses"), "losses");

    // The same beside a second draw, which it must not see.
    let [_, chunk, _] = noise.dims();
    let draws = Tensor::cat(vec![noise.clone(), noise.neg() + 0.5], 1);
    let times: Vec<f32> = judge.values("time").iter().flat_map(|&time| [time, 1.0 - time]).collect();
    let errors = model.errors_from(&memory, judge.actions(), draws, &times);
    assert_eq!(errors.dims()[1], 2 * chunk);
    assert_close(errors.narrow(1, 0, chunk), judge.values("losses"), "losses beside another draw");
}

#[test]
fn options_are_lerobots() {
    let judge = Judge::load();
    let both = || vec![judge.view("front"), judge.view("wrist")];
    let black = View { pixels: Tensor::full([2, 3, 64, 64], -1.0, &Device::flex()), present: vec![false; 2] };
    let empty = vec![judge.view("front"), black];
    let cases: [(&str, Flow, Vec<View>); 4] = [
        ("special", model(|config| config.add_image_special_tokens = true, Some([311, 310])), both()),
        ("long", model(|config| config.prefix_length = 50, None), both()),
        ("empty", model(|config| config.empty_cameras = 1, None), empty),
        ("absent", model(|_| {}, None), vec![judge.view("front")]),
    ];
    for (name, model, views) in cases {
        let inputs = judge.inputs(views);
        let noise = judge.tensor::<3>("noise");
        let actions = model.act(&inputs, noise.clone(), 10).narrow(2, 0, 4);
        assert_close(actions, judge.values(&format!("{name}.actions")), &format!("{name}: actions"));
        let errors = model.errors(&inputs, judge.actions(), noise, judge.values("time"));
        assert_close(errors, judge.values(&format!("{name}.losses")), &format!("{name}: losses"));
    }
}

#[test]
fn the_gradient_is_lerobots() {
    let judge = Judge::load();
    let (config, _, sizes) = sizes();
    let weights = weights().leaves(|_| true);
    let model = Flow::new(&config, &sizes, &weights, None);
    let inputs = judge.inputs(vec![judge.view("front"), judge.view("wrist")]);
    let errors = model.errors(&inputs, judge.actions(), judge.tensor("noise"), judge.values("time"));
    let padded: Vec<Vec<bool>> =
        judge.values("action_is_pad").chunks(5).map(|row| row.iter().map(|&p| p != 0.0).collect()).collect();
    let loss = model.loss(errors, &padded);
    assert_close(loss.clone(), judge.values("loss"), "loss");

    let text = std::fs::read_to_string(super::fixture().join("gradient_norms.json")).expect("complete");
    let norms: BTreeMap<String, f64> = serde_json::from_str(&text).expect("JSON");
    let gradients = loss.backward();
    let mut compared = 0;
    for spec in weights.specs() {
        let gradient = weights.get(&spec.name).grad(&gradients);
        let norm = gradient.clone().map_or(0.0, |g| f64::from(g.square().sum().sqrt().into_scalar::<f32>()));
        let expected = norms.get(&spec.name).copied().unwrap_or(0.0);
        // Sums of squares of many numbers: relative to their size.
        assert!(
            (norm - expected).abs() <= TOLERANCE * expected.max(1.0),
            "{}: {norm}, {expected}",
            spec.name
        );
        compared += usize::from(expected > 0.0);
        if let Some(expected) = judge.0.get(&format!("gradient.{}", spec.name)) {
            assert_close(gradient.expect("reached"), &expected.1, &spec.name);
        }
    }
    assert!(compared > 100, "{compared} tensors have a gradient");
}
