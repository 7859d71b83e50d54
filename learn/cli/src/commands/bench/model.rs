//! `keiko bench model`: how fast vision-language-action policies act and learn.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Device as Tensors, Tensor, TensorData};
use cpu_time::ProcessTime;
use keiko_data::{ActionChunk, Image};
use keiko_env::{EnvOptions, Field, VecEnv};
use keiko_model::task::{TaskSpec, resolve_scene};
use keiko_policy::noise::{Purpose, Stream};
use keiko_policy::vla::normalize::Statistics;
use keiko_policy::vla::{Checkpoint, Images, Preset};
use keiko_train::finetune::data::{DemoFrame, Demonstrations, Robot, Surroundings};
use keiko_train::finetune::{FineTuneSpec, FineTuner};
use keiko_train::{Device, TrainError};
use serde_json::{Map, json};

use crate::args::BenchModel;
use crate::commands::run_files::build_env;
use crate::commands::train::open_device;
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;
use crate::studio::Studio;
use crate::viewpoint;

/// Numbers of the state and of an action: an arm of seven joints and a gripper.
const DIMS: [usize; 2] = [8, 8];
/// Where a decision's pictures and steps are measured.
const SCENE: &str = "reach-to";
/// Read by every environment.
const INSTRUCTION: &str = "pick up the red cube and put it into the blue bowl";

/// Runs the command.
pub fn run(args: &BenchModel, output: &mut Output) -> CommandResult {
    let sizes = if args.sizes.is_empty() {
        vec![Preset::Nano, Preset::Micro, Preset::Tiny]
    } else {
        args.sizes.clone()
    };
    let device = open_device(args.device, output)?;
    let mut figures = Map::new();
    for size in sizes {
        let noise = Noise::new(size, args.cameras);
        let policy = noise.policy(size, args.seed, &device)?;
        output.say(format!(
            "# {0}: {2} parameters, {3} cameras of {1} x {1} pixels, a chunk of {4}",
            size.name(),
            noise.side,
            policy.weights.num_parameters(),
            args.cameras,
            policy.sizes.chunk
        ));
        let mut of_size = act(&policy, &noise, args)?;
        of_size.extend(world(&policy, noise.side, args)?);
        of_size.extend(learn(policy, noise, args, &device)?);
        for (metric, value) in of_size {
            let key = format!("{}.{metric}", size.name());
            output.say(format!("{key} {value:.4}"));
            figures.insert(key, json!(value));
        }
    }
    output.set("device", device.name());
    output.set("figures", figures);
    Ok(Code::Done)
}

/// Decisions: images and instruction are read, then noise becomes actions.
fn act(policy: &Checkpoint, noise: &Noise, args: &BenchModel) -> Result<Vec<(String, f64)>, TrainError> {
    let device = policy.weights.device();
    let model = policy.model(&policy.weights)?;
    let frames: Vec<DemoFrame> =
        (0..args.batch).map(|index| noise.frame(index, &noise.all())).collect::<Result<_, _>>()?;
    let pixels: Vec<Vec<u8>> = (0..args.cameras)
        .map(|camera| frames.iter().flat_map(|frame| &frame.images[camera].pixels).copied().collect())
        .collect();
    let names = noise.cameras();
    let views: Vec<(&str, Images<'_>)> = names
        .iter()
        .zip(&pixels)
        .map(|((name, _), pixels)| (name.as_str(), Images { width: noise.side, height: noise.side, pixels }))
        .collect();
    let states: Vec<f32> = frames.iter().flat_map(|frame| frame.state.clone()).collect();
    let inputs = policy.inputs(&views, &vec![INSTRUCTION; args.batch], &states)?;
    let start = start_noise(args.batch, policy, &device);
    let steps = policy.config.num_steps;
    // The first of each finds its memory.
    let mut memory = model.remember(model.embed_prefix(&inputs));
    done(model.act_from(&memory, start.clone(), steps));
    let encode = timed(args.seconds, || {
        memory = model.remember(model.embed_prefix(&inputs));
        memory.layers.last().into_iter().for_each(|(keys, _)| done(keys.clone()));
    });
    let decide = timed(args.seconds, || done(model.act_from(&memory, start.clone(), steps)));
    let batch = args.batch as f64;
    Ok(vec![
        ("decisions_per_second".into(), batch / (encode.wall + decide.wall)),
        ("decisions_per_cpu_second".into(), batch / (encode.cpu + decide.cpu)),
        ("encode_milliseconds".into(), encode.wall / batch * 1e3),
        ("policy_milliseconds".into(), decide.wall / batch * 1e3),
    ])
}

/// What a decision takes besides the model: the pictures that it is made on, and the control steps until the next one is due.
fn world(policy: &Checkpoint, side: usize, args: &BenchModel) -> CommandResult<Vec<(String, f64)>> {
    let task = TaskSpec::load(&resolve_scene(SCENE)?, &[])?;
    let options = EnvOptions { num_envs: args.batch, seed: args.seed, ..EnvOptions::default() };
    let mut env = build_env(&task, options, args.device)?;
    let model = &env.scene().model;
    let size = Some([side as u32; 2]);
    let cameras = task.cameras.iter().cycle().take(args.cameras);
    let cameras = cameras.map(|camera| viewpoint::find(model, &camera.name, size, &[]));
    let cameras = cameras.collect::<anyhow::Result<Vec<_>>>().or_exit(Code::Usage)?;
    let studio = Studio::new(&env, &cameras, args.device).or_exit(Code::Machine)?;
    studio.shoot(&env).or_exit(Code::Machine)?;
    let mut failed = None;
    let render = timed(args.seconds, || failed = studio.shoot(&env).err());
    if let Some(error) = failed {
        return Err(error).or_exit(Code::Machine);
    }
    let actions = Field::zeros(env.spec().actions.len(), args.batch);
    let simulate = timed(args.seconds, || (0..policy.config.n_action_steps).for_each(|_| env.step(&actions)));
    let batch = args.batch as f64;
    Ok(vec![
        ("render_milliseconds".into(), render.wall / batch * 1e3),
        ("simulate_milliseconds".into(), simulate.wall / batch * 1e3),
    ])
}

/// Gradient steps, as `keiko finetune` takes them.
fn learn(
    policy: Checkpoint,
    noise: Noise,
    args: &BenchModel,
    device: &Device,
) -> Result<Vec<(String, f64)>, TrainError> {
    let spec = FineTuneSpec {
        batch: args.batch,
        draws: args.draws,
        steps: u64::MAX,
        ..FineTuneSpec::from_scratch()
    };
    let mut tuner = FineTuner::new(policy, Arc::new(noise), spec, args.seed, device.clone())?;
    tuner.step()?;
    let mut failed = None;
    let step = timed(args.seconds, || {
        if let Err(error) = tuner.step() {
            failed = Some(error);
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let batch = args.batch as f64;
    Ok(vec![
        ("training_samples_per_second".into(), batch / step.wall),
        ("training_samples_per_cpu_second".into(), batch / step.cpu),
    ])
}

/// Mean time of a call \[s\].
struct Time {
    wall: f64,
    cpu: f64,
}

fn timed(seconds: f64, mut call: impl FnMut()) -> Time {
    let (wall, cpu, mut count) = (Instant::now(), ProcessTime::now(), 0.0);
    loop {
        call();
        count += 1.0;
        if wall.elapsed().as_secs_f64() >= seconds {
            return Time {
                wall: wall.elapsed().as_secs_f64() / count,
                cpu: cpu.elapsed().as_secs_f64() / count,
            };
        }
    }
}

/// Waits for a tensor: a GPU works on behind the program's back.
fn done<const D: usize>(tensor: Tensor<D>) {
    let _ = tensor.into_data();
}

fn start_noise(batch: usize, policy: &Checkpoint, device: &Tensors) -> Tensor<3> {
    let shape = [batch, policy.sizes.chunk, policy.sizes.action];
    let stream = Stream::new(1, Purpose::Flow);
    let numbers = (0..shape.iter().product::<usize>() as u64).map(|i| stream.normal(0, 0, i) as f32);
    Tensor::from_data(TensorData::new(numbers.collect::<Vec<_>>(), shape), device)
}

/// Demonstrations of nothing: what is shown does not change how long learning takes.
struct Noise {
    side: usize,
    cameras: usize,
}

impl Noise {
    fn new(size: Preset, cameras: usize) -> Self {
        Self { side: size.vlm().vision_config.image_size, cameras }
    }

    fn all(&self) -> Vec<usize> {
        (0..self.cameras).collect()
    }

    fn policy(&self, size: Preset, seed: u64, device: &Device) -> Result<Checkpoint, TrainError> {
        let cameras = self.cameras();
        let cameras: Vec<(&str, [usize; 3])> =
            cameras.iter().map(|(name, shape)| (name.as_str(), *shape)).collect();
        Ok(Checkpoint::fresh(
            size,
            &cameras,
            DIMS,
            [INSTRUCTION],
            Statistics::default(),
            seed,
            device.tensors(),
        )?)
    }
}

impl Demonstrations for Noise {
    fn cameras(&self) -> Vec<(String, [usize; 3])> {
        (0..self.cameras)
            .map(|i| (format!("observation.images.camera{i}"), [3, self.side, self.side]))
            .collect()
    }

    fn robot(&self) -> Robot {
        Robot::default()
    }

    fn dims(&self) -> [usize; 2] {
        DIMS
    }

    fn instructions(&self) -> Vec<String> {
        vec![INSTRUCTION.to_owned()]
    }

    fn episodes(&self) -> Vec<Range<usize>> {
        (0..64).map(|i| i * 32..(i + 1) * 32).collect()
    }

    fn statistics(&self) -> Statistics {
        Statistics::default()
    }

    fn surroundings(&self) -> Option<Surroundings> {
        None
    }

    fn frame(&self, index: usize, cameras: &[usize]) -> Result<DemoFrame, TrainError> {
        let stream = Stream::new(2, Purpose::Images);
        let image = |&camera: &usize| {
            let pixels = (0..(self.side * self.side * 3) as u64)
                .map(|i| stream.bits(index as u64, camera as u64, i) as u8)
                .collect();
            Image { height: self.side, width: self.side, pixels }
        };
        let state = (0..DIMS[0] as u64).map(|i| stream.normal(index as u64, u64::MAX, i) as f32).collect();
        let images = cameras.iter().map(image).collect();
        Ok(DemoFrame { task: INSTRUCTION.into(), state, surroundings: Vec::new(), images })
    }

    fn chunk(&self, index: usize, len: usize) -> ActionChunk {
        let stream = Stream::new(3, Purpose::Images);
        let actions = (0..(len * DIMS[1]) as u64).map(|i| stream.normal(index as u64, 0, i) as f32).collect();
        ActionChunk { actions, is_pad: vec![false; len] }
    }
}
