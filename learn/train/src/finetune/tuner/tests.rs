//! What a step does: its gradient against differences of the loss, its memory, what it can learn.

use std::sync::Arc;

use keiko_data::{ActionChunk, Image};
use keiko_policy::vla::config::ACTION;
use keiko_policy::vla::manifest::tensors;
use keiko_policy::vla::normalize::Statistics;
use keiko_policy::vla::{Checkpoint, Preset, Sizes, Weights, bpe};

use super::*;
use crate::finetune::data::{DemoFrame, Robot, Surroundings};
use crate::finetune::spec::Learn;

/// Side of the toy's images \[px\].
const SIDE: usize = 16;
const COLOURS: [(&str, [u8; 3]); 3] =
    [("red", [230, 30, 30]), ("green", [30, 230, 30]), ("blue", [30, 30, 230])];

/// A bright square of each colour somewhere in a row; the action is where the named one is. Neither image nor
/// instruction alone tells.
struct Toy {
    episodes: usize,
}

/// Frames of an episode, all alike.
const FRAMES: usize = 2;

impl Toy {
    /// Columns of the colours in an episode, in quarters of the side, and the colour that is meant.
    fn episode(&self, episode: usize) -> ([usize; 3], usize) {
        let order = Stream::new(5, Purpose::Shuffle).permutation(episode as u64, 0, 4);
        ([order[0], order[1], order[2]], episode % 3)
    }
}

impl Demonstrations for Toy {
    fn cameras(&self) -> Vec<(String, [usize; 3])> {
        vec![("observation.images.front".into(), [3, SIDE, SIDE])]
    }

    fn robot(&self) -> Robot {
        Robot::default()
    }

    fn dims(&self) -> [usize; 2] {
        [2, 1]
    }

    fn instructions(&self) -> Vec<String> {
        COLOURS.iter().map(|(colour, _)| format!("go to {colour}")).collect()
    }

    fn episodes(&self) -> Vec<std::ops::Range<usize>> {
        (0..self.episodes).map(|i| i * FRAMES..(i + 1) * FRAMES).collect()
    }

    fn statistics(&self) -> Statistics {
        let entry = |name: &str, value: f32| (name.to_owned(), vec![value]);
        let (mean, std) = (format!("{ACTION}.mean"), format!("{ACTION}.std"));
        Statistics([entry(&mean, 1.5), entry(&std, 1.1)].into())
    }

    fn surroundings(&self) -> Option<Surroundings> {
        Some(Surroundings { names: vec!["column".into()], mean: vec![1.5], std: vec![1.1] })
    }

    fn frame(&self, index: usize, _cameras: &[usize]) -> Result<DemoFrame, TrainError> {
        let (columns, meant) = self.episode(index / FRAMES);
        let mut pixels = vec![40; SIDE * SIDE * 3];
        for (column, (_, colour)) in columns.iter().zip(COLOURS) {
            for row in 6..10 {
                for x in 4 * column..4 * column + 4 {
                    pixels[3 * (row * SIDE + x)..][..3].copy_from_slice(&colour);
                }
            }
        }
        let images = vec![Image { height: SIDE, width: SIDE, pixels }];
        let task = format!("go to {}", COLOURS[meant].0).into();
        let (state, surroundings) = (vec![0.1, (index % FRAMES) as f32], vec![columns[meant] as f32]);
        Ok(DemoFrame { task, state, surroundings, images })
    }

    fn chunk(&self, index: usize, len: usize) -> ActionChunk {
        let (columns, meant) = self.episode(index / FRAMES);
        let left = FRAMES - index % FRAMES;
        let is_pad = (0..len).map(|step| step >= left).collect();
        ActionChunk { actions: vec![columns[meant] as f32; len], is_pad }
    }
}

/// A model of a few thousand parameters.
fn small(data: &Toy) -> Checkpoint {
    let cameras = [("observation.images.front", [3, SIDE, SIDE])];
    let mut config = Preset::Nano.config(&cameras, 2, 1);
    config.resize_imgs_with_padding = Some([SIDE; 2]);
    (config.chunk_size, config.n_action_steps, config.num_vlm_layers) = (3, 1, 2);
    (config.max_state_dim, config.max_action_dim, config.tokenizer_max_length) = (3, 2, 6);
    let mut vlm = Preset::Nano.vlm();
    let eye = &mut vlm.vision_config;
    (eye.image_size, eye.patch_size, eye.hidden_size, eye.intermediate_size) = (SIDE, 4, 24, 48);
    (eye.num_hidden_layers, eye.num_attention_heads) = (1, 2);
    let text = &mut vlm.text_config;
    (text.hidden_size, text.intermediate_size, text.num_hidden_layers) = (24, 48, 2);
    (text.num_attention_heads, text.num_key_value_heads, text.head_dim) = (2, 1, Some(12));
    text.vocab_size = 300;
    let sizes = Sizes::new(&config, &vlm).expect("possible");
    let instructions = data.instructions();
    let tokenizer = bpe::train(instructions.iter().map(String::as_str), 300).expect("room");
    let weights = Weights::random(&tensors(&sizes), 3, Device::cpu().tensors());
    Checkpoint { config, vlm, sizes, weights, tokenizer, statistics: data.statistics() }
}

fn tuner(spec: FineTuneSpec, episodes: usize) -> FineTuner {
    let data = Toy { episodes };
    FineTuner::new(small(&data), Arc::new(data), spec, 7, Device::cpu()).expect("fits")
}

fn spec(learn: Learn) -> FineTuneSpec {
    FineTuneSpec { learn, lora_rank: 2, batch: 12, probe: 1.0, ..FineTuneSpec::from_scratch() }
}

/// What is made small: the velocity's error and the probe's, which [`spec`] weighs alike.
fn of_both(loss: &Losses) -> f64 {
    loss.flow + loss.of_probe().expect("a probe")
}

/// Loss and gradient of a fixed batch.
fn loss_and_gradient(tuner: &FineTuner) -> (f64, Vec<f32>) {
    let batch = Batch::read(tuner.data.as_ref(), &[0], &[0, 1, 2, 5], 3, None).expect("reads");
    let part = tuner.gradient(&batch, 0, 0).expect("computes");
    (of_both(&part.loss), read(part.gradient))
}

#[test]
fn gradients_are_differences_of_the_loss() {
    for learn in [Learn::Full, Learn::Expert, Learn::Lora] {
        let mut tuner = tuner(FineTuneSpec { draws: 2, ..spec(learn) }, 6);
        // Where one factor of a product is zero the gradient of the other is too.
        tuner.step().expect("steps");
        let (_, gradient) = loss_and_gradient(&tuner);
        let start = tuner.parameters();
        let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let stream = Stream::new(11, Purpose::Weights);
        for direction in 0..3 {
            // Along the gradient itself, and along random signs of it, which reach every parameter.
            let sign = |i: usize| {
                if direction == 0 || stream.bits(direction, i as u64, 0) & 1 == 0 { 1.0 } else { -1.0 }
            };
            let step: Vec<f64> =
                gradient.iter().enumerate().map(|(i, g)| f64::from(*g) / norm * sign(i)).collect();
            let expected: f64 = gradient.iter().zip(&step).map(|(g, s)| f64::from(*g) * s).sum();
            let mut at = |scale: f64| {
                let moved: Vec<f32> =
                    start.iter().zip(&step).map(|(x, s)| (f64::from(*x) + scale * s) as f32).collect();
                tuner.optimizer.parameters =
                    Tensor::from_data(TensorData::new(moved, [start.len()]), tuner.device.tensors());
                loss_and_gradient(&tuner).0
            };
            // The error of a difference is a quarter at half its width; here it is 0.2 % of the norm at most.
            let width = 2.5e-3;
            let found = (at(width) - at(-width)) / (2.0 * width);
            assert!(
                (found - expected).abs() <= 5e-3 * norm,
                "{learn:?}, direction {direction}: {found} by differences, {expected} by the gradient"
            );
        }
    }
}

#[test]
fn all_that_learns_has_a_gradient_and_nothing_else_changes() {
    for learn in [Learn::Full, Learn::Expert, Learn::Lora] {
        let mut tuner = tuner(spec(learn), 6);
        let before = tuner.weights();
        tuner.step().expect("steps");
        let (_, gradient) = loss_and_gradient(&tuner);
        let mut start = 0;
        for spec in tuner.learned.specs() {
            let end = start + spec.num_elements();
            // Words that no instruction has are tokens without a gradient; a whole tensor must have some.
            assert!(gradient[start..end].iter().any(|&g| g != 0.0), "{learn:?}: {}", spec.name);
            start = end;
        }
        let after = tuner.weights();
        let factor = |name: &str| {
            format!("base_model.model.{}.lora_A.weight", name.strip_suffix(".weight").unwrap_or(name))
        };
        let may_change = |name: &str| match learn {
            Learn::Lora => tuner.learned.specs().iter().any(|spec| spec.name == factor(name)),
            _ => tuner.learned.specs().iter().any(|spec| spec.name == name),
        };
        for spec in before.specs() {
            let one = std::slice::from_ref(spec);
            let same = before.to_flat(one) == after.to_flat(one);
            assert!(same || may_change(&spec.name), "{learn:?}: {} changed", spec.name);
        }
    }
}

#[test]
fn parts_of_a_batch_add_up_to_the_batch() {
    let tuner = tuner(spec(Learn::Full), 6);
    let frames = [0, 1, 2, 3, 4, 5];
    let read_part = |range: std::ops::Range<usize>| {
        let batch = Batch::read(tuner.data.as_ref(), &[0], &frames[range.clone()], 3, None).expect("reads");
        let part = tuner.gradient(&batch, 4, range.start).expect("computes");
        (part.count as f64, of_both(&part.loss), read(part.gradient))
    };
    let (count, whole, gradient) = read_part(0..6);
    let (count_1, loss_1, gradient_1) = read_part(0..1);
    let (count_2, loss_2, gradient_2) = read_part(1..6);
    assert_eq!(count, count_1 + count_2);
    assert!((whole - (loss_1 * count_1 + loss_2 * count_2) / count).abs() < 1e-5);
    for ((g, g_1), g_2) in gradient.iter().zip(gradient_1).zip(gradient_2) {
        let sum = (f64::from(g_1) * count_1 + f64::from(g_2) * count_2) / count;
        assert!((f64::from(*g) - sum).abs() < 1e-4, "{g} {sum}");
    }
}

#[test]
fn a_resumed_run_has_the_bits_of_one_that_was_never_stopped() {
    for learn in [Learn::Full, Learn::Lora] {
        let spec = FineTuneSpec { augment_shift: 0.1, draws: 2, ..spec(learn) };
        let mut whole = tuner(spec.clone(), 6);
        let mut first = tuner(spec.clone(), 6);
        for _ in 0..2 {
            whole.step().expect("steps");
            first.step().expect("steps");
        }
        let mut second = tuner(spec, 6);
        second.restore(&first.state().expect("saves")).expect("restores");
        for _ in 0..2 {
            let expected = whole.step().expect("steps");
            let found = second.step().expect("steps");
            assert_eq!((found.step, found.loss), (expected.step, expected.loss));
        }
        assert_eq!(whole.state().expect("saves"), second.state().expect("saves"));
    }
}

#[test]
fn a_few_demonstrations_are_learned_by_heart_through_image_and_instruction() {
    let spec = FineTuneSpec {
        steps: 400,
        batch: 24,
        draws: 4,
        learning_rate: 3e-3,
        ema: 0.98,
        augment_colour: 0.0,
        validation: 0.0,
        ..spec(Learn::Full)
    };
    let mut tuner = tuner(spec, 12);
    let first = tuner.step().expect("steps").loss.flow;
    let mut last = first;
    while !tuner.is_finished() {
        last = tuner.step().expect("steps").loss.flow;
    }
    println!("loss {first} to {last}");
    // Acts as it was shown, for the colour that is named, also where only the instruction differs.
    let policy = tuner.policy();
    let model = policy.model(&policy.weights).expect("complete");
    let frames: Vec<usize> = (0..12).map(|episode| episode * FRAMES).collect();
    let batch = Batch::read(tuner.data.as_ref(), &[0], &frames, 3, None).expect("reads");
    let instructions: Vec<&str> = batch.instructions.iter().map(AsRef::as_ref).collect();
    let act = |instructions: &[&str]| {
        let inputs = policy.inputs(&batch.views(), instructions, &batch.states).expect("fits");
        let noise = Tensor::zeros([frames.len(), 3, 2], tuner.device.tensors());
        let actions = policy.actions(model.act(&inputs, noise, 10)).expect("fits");
        actions.chunks(3).map(|chunk| chunk[0]).collect::<Vec<f32>>()
    };
    let error = |found: &[f32]| {
        let wrong = found.iter().zip(batch.actions.chunks(3)).filter(|(a, b)| (**a - b[0]).abs() > 0.5);
        wrong.count()
    };
    let found = act(&instructions);
    assert_eq!(error(&found), 0, "{found:?} {:?}", batch.actions);
    let mut turned = instructions.clone();
    turned.rotate_left(1);
    let found = act(&turned);
    assert!(error(&found) > 6, "the instruction counts: {found:?}");
}
