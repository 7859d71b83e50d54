//! Frames in time: nothing is written into memory that recorded kernels still read, and nothing is read before it is written.

use burn::backend::Wgpu;
use burn::tensor::Tensor;
use cubecl::wgpu::{AutoCompiler, WgpuServer};
use keiko_gpu::{Access, Buffer, Compute, Slot};
use keiko_sight::painted;
use keiko_train::{Device, DeviceImages};

use crate::support::{backend, numbers, push, sighted, task, told, with_device};
use keiko_env::VecEnv;

/// Fills an array with a number and each element's place.
const FILL: &str = "@group(0) @binding(0) var<uniform> frame: vec4f;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64) fn fill(@builtin(global_invocation_id) id: vec3u) {
    if id.x < arrayLength(&out) {
        out[id.x] = frame.x + f32(id.x % 7u);
    }
}";
const SIZE: [usize; 2] = [64, 512];

struct Filler {
    device: Device,
    compute: Compute,
    frame: Buffer,
}

impl Filler {
    fn new(device: &Device) -> Self {
        let gpu = device.gpu().expect("a GPU");
        let slots = [Slot::Uniform, Slot::Storage(Access::ReadWrite)];
        let compute = Compute::new(gpu, FILL, "fill", &[&slots], &[]).expect("it is valid");
        Self { compute, frame: gpu.uniform("frame", &[0.0f32; 4]), device: device.clone() }
    }

    fn fill(&self, frame: usize, out: &Buffer) -> Result<(), String> {
        let gpu = self.device.gpu().expect("a GPU");
        gpu.write(&self.frame, &[frame as f32]);
        let pass = self.compute.bind(&[&[&self.frame, out]]).map_err(|error| error.to_string())?;
        gpu.run(&[(&pass, [(SIZE[0] * SIZE[1] / 64) as u32, 1, 1])]);
        Ok(())
    }

    /// How many of the frames are not what was drawn, twice over.
    fn wrong(frames: Vec<(usize, Tensor<2>)>) -> usize {
        let right = |(frame, tensor): (usize, Tensor<2>)| {
            let expected = (0..SIZE[0] * SIZE[1]).map(|at| 2.0 * (frame as f32 + (at % 7) as f32));
            numbers(tensor).into_iter().eq(expected)
        };
        frames.into_iter().filter(|frame| !right(frame.clone())).count()
    }
}

#[test]
fn a_thousand_frames_are_each_their_own() {
    with_device("order::a_thousand_frames_are_each_their_own", |device| {
        let filler = Filler::new(device);
        let mut wrong = 0;
        // Read only now and then: burn has many kernels recorded, submits some, and takes memory back in between.
        for chunk in 0..10 {
            let frames = (100 * chunk..100 * (chunk + 1)).map(|frame| {
                let painted = painted(SIZE, device.tensors(), |out| filler.fill(frame, out));
                (frame, painted.expect("it paints") * 2.0)
            });
            wrong += Filler::wrong(frames.collect());
        }
        println!("{wrong} of 1000 frames wrong");
        assert_eq!(wrong, 0);
    });
}

/// What [`painted`] is there for: one tensor that lives on, written while kernels that read it are only recorded.
#[test]
fn writing_into_a_living_tensor_without_a_flush_shows_other_frames() {
    with_device("order::writing_into_a_living_tensor_without_a_flush_shows_other_frames", |device| {
        let filler = Filler::new(device);
        let tensor = Tensor::<2>::empty(SIZE, device.tensors()).try_into_primitive::<Wgpu>().expect("wgpu");
        let held =
            tensor.client.get_resource::<WgpuServer<AutoCompiler>>(tensor.handle.clone()).expect("there");
        let memory = held.resource();
        let bytes = 4 * SIZE.iter().product::<usize>() as u64;
        let out = Buffer::lent(memory.buffer.clone(), memory.offset, bytes).expect("inside");
        let mut counts = Vec::new();
        for flush in [true, false] {
            let frames = (0..60).map(|frame| {
                if flush {
                    tensor.client.flush().expect("it answers");
                }
                filler.fill(frame, &out).expect("it runs");
                (frame, Tensor::<2>::from_primitive::<Wgpu>(tensor.clone()) * 2.0)
            });
            counts.push(Filler::wrong(frames.collect()));
        }
        println!("with a flush {} of 60 frames wrong, without {}", counts[0], counts[1]);
        assert!(counts[0] == 0 && counts[1] > 30, "{counts:?}");
    });
}

#[test]
fn a_thousand_steps_show_themselves() {
    const NUM_ENVS: usize = 3;
    with_device("order::a_thousand_steps_show_themselves", |device| {
        let task =
            task("cartpole-pixels", &["episode.seconds=0.5", "cameras.0.width=24", "cameras.0.height=12"]);
        let (mut env, sight) = sighted(device, &task, NUM_ENVS);
        let mut other = told(&backend(device), &task, NUM_ENVS);
        let mut wrong = 0;
        for chunk in 0..25 {
            let mut frames = Vec::new();
            for step in 40 * chunk..40 * (chunk + 1) {
                env.step(&push(step, NUM_ENVS));
                other.step(&push(step, NUM_ENVS));
                let told = other.output().observations[0].clone();
                frames.push((sight.now(0).expect("it sees") * 2.0, told));
            }
            for (seen, told) in frames {
                let told = (0..NUM_ENVS).flat_map(|env| told.column(env).collect::<Vec<_>>());
                let off = |(seen, told): (&f32, f32)| (seen - 2.0 * told).abs() > 1e-5;
                wrong += usize::from(numbers(seen).iter().zip(told).any(off));
            }
        }
        println!("{wrong} of 1000 frames wrong");
        assert_eq!(wrong, 0);
    });
}
