//! `keiko verify smolvla`: whether a folder holds the weights it should, and what they do.

use anyhow::Context;
use burn::tensor::{Tensor, TensorData};
use keiko_policy::noise::{Purpose, Stream};
use keiko_policy::vla::checkpoint::{WEIGHTS_FILE, read_sizes};
use keiko_policy::vla::config::PUBLIC_VLM;
use keiko_policy::vla::flow::View;
use keiko_policy::vla::manifest::tensors;
use keiko_policy::vla::weights::Header;
use keiko_policy::vla::{Flow, Inputs, Sizes, Weights};
use keiko_train::finetune::provenance::hash_file;
use serde_json::json;

use crate::args::VerifySmolVla;
use crate::commands::train::open_device;
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// `model.safetensors` of `lerobot/smolvla_base`, revision c83c3163.
const PUBLIC: &str = "7cd549ac2351fb069c0ddb3c34ad2d09cfc92b56a15dccdfc2e41467aaca01eb";
/// Seed of the checked actions.
const SEED: u64 = 1;
/// Tokens of the checked instruction, as "Pick up the red cube.\n" has them in the public vocabulary, folded into
/// smaller ones.
const TOKENS: [u32; 7] = [31413, 614, 260, 2382, 20636, 30, 198];

/// Runs the command.
pub fn run(args: &VerifySmolVla, output: &mut Output) -> CommandResult {
    let (config, _, sizes) = read_sizes(&args.folder).or_exit(Code::Usage)?;
    let specs = tensors(&sizes);
    let path = args.folder.join(WEIGHTS_FILE);
    let header = Header::read(&path).or_exit(Code::Usage)?;
    let sha256 = hash_file(&path)?;
    let known = sha256 == PUBLIC;
    let named = if known { "the public smolvla_base" } else { "not the public smolvla_base" };
    output.say(format!("sha256 {sha256}: {named}"));
    let difference = header.difference(&specs);
    output.say(format!(
        "{} tensors, {} of the manifest's {}; difference: {difference}",
        header.tensors().len(),
        if config.vlm_model_name == PUBLIC_VLM { "public sizes" } else { "sizes of its own" },
        specs.len()
    ));
    output.set("sha256", sha256);
    output.set("public", known);
    output.set("difference", difference.to_string());
    if !difference.is_none() {
        return Ok(Code::Failed);
    }
    let device = open_device(args.device, output)?;
    let weights = Weights::read(&path, &specs, device.tensors()).or_exit(Code::Usage)?;
    let marks = config
        .add_image_special_tokens
        .then_some([49189, 49152].map(|token| token % sizes.vocabulary as u32));
    let model = Flow::new(&config, &sizes, &weights, marks);
    let side = config.resize_imgs_with_padding.map_or(sizes.image, |[side, _]| side);
    let cameras = config.cameras().count().max(1);
    let actions = actions(&model, &sizes, side, cameras, config.num_steps, &weights);
    let dims = config.action_dim().max(1);
    let real: Vec<f64> =
        actions.chunks(sizes.action).flat_map(|row| &row[..dims]).map(|&x| f64::from(x)).collect();
    let (sum, size) = (real.iter().sum::<f64>(), real.iter().map(|x| x.abs()).sum::<f64>());
    let first: Vec<String> = real.iter().take(dims).map(|x| format!("{x:.4}")).collect();
    output.say(format!("{} parameters", weights.num_parameters()));
    output.say(format!(
        "actions of seed {SEED}: sum {sum:.4}, sum of sizes {size:.4}, first [{}]",
        first.join(", ")
    ));
    output.set("parameters", weights.num_parameters());
    output.set("action_sum", sum);
    output.set("action_size", size);
    output.set("first_action", json!(real[..dims]));
    let finite = real.iter().all(|x| x.is_finite());
    finite.then_some(()).context("actions are not finite").or_exit(Code::Failed)?;
    Ok(Code::Done)
}

/// Normalised actions of fixed inputs: a slope of grey in every camera, an instruction, a state of zeros.
fn actions(
    model: &Flow,
    sizes: &Sizes,
    side: usize,
    cameras: usize,
    steps: usize,
    weights: &Weights,
) -> Vec<f32> {
    let device = weights.device();
    let tensor = |numbers: Vec<f32>, shape: [usize; 4]| {
        Tensor::<4>::from_data(TensorData::new(numbers, shape), &device)
    };
    let slope = (0..3 * side * side).map(|i| (i % side) as f32 / side as f32 * 2.0 - 1.0).collect();
    let pixels = tensor(slope, [1, 3, side, side]);
    let view = View { pixels, present: vec![true] };
    let inputs = Inputs {
        views: vec![view; cameras],
        tokens: vec![TOKENS.map(|token| token % sizes.vocabulary as u32).to_vec()],
        token_mask: vec![vec![true; TOKENS.len()]],
        state: Tensor::zeros([1, sizes.state], &device),
    };
    let stream = Stream::new(SEED, Purpose::Flow);
    let noise =
        (0..(sizes.chunk * sizes.action) as u64).map(|i| stream.normal(0, 0, i) as f32).collect::<Vec<_>>();
    let noise = Tensor::from_data(TensorData::new(noise, [1, sizes.chunk, sizes.action]), &device);
    model.act(&inputs, noise, steps).into_data().iter::<f32>().collect()
}
