//! The step of real scenes as a kernel: valid without a GPU, and the same numbers as on the CPU.

use std::path::Path;

use keiko_dynamics::batch::{Batch, Part};
use keiko_dynamics::plan::{Law, Parameters, Plan, StepOptions};
use keiko_dynamics::record;
use keiko_dynamics::step::ControlStep;
use keiko_env::{EnvOptions, TaskEnv, VecEnv};
use keiko_gpu::Gpu;
use keiko_model::TaskSpec;
use keiko_model::compose::Scene;

use crate::{upload, with_gpu};

const NUM_ENVS: usize = 96;

/// A scene, and the settings of its step.
fn load(name: &str) -> (Scene, StepOptions) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scenes/{name}/scene.toml"));
    let spec = TaskSpec::load(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
    let (scene, _) = Scene::load(&spec).unwrap_or_else(|error| panic!("{error}"));
    let options = StepOptions {
        timestep: spec.physics.timestep,
        decimation: spec.physics.decimation as usize,
        substeps: spec.physics.solver_iterations as usize,
        ..StepOptions::default()
    };
    (scene, options)
}

/// A batch whose environments all start and are pushed differently.
fn batch(scene: &Scene, options: StepOptions) -> Batch<f32> {
    let mut batch = Batch::new(&scene.model, NUM_ENVS, options).unwrap_or_else(|error| panic!("{error}"));
    for env in 0..NUM_ENVS {
        let parameters = Parameters {
            mass_scale: vec![1.0 + 0.002 * env as f64; scene.model.bodies.len()],
            ..Parameters::default()
        };
        let numbers = batch.numbers(&scene.model, &parameters);
        batch.set_parameters(env, &numbers);
        let qvel: Vec<f64> =
            (0..scene.model.num_dofs()).map(|dof| 0.1 * (env as f64 + dof as f64).sin()).collect();
        batch.reset(env, &scene.default_qpos, &qvel);
    }
    batch
}

/// Controls of a step, about those that hold the default pose `[nu, num_envs]`.
fn control(scene: &Scene, step: usize) -> Vec<f32> {
    let wave = |at: usize| 0.1 * (0.3 * step as f32 + at as f32).sin();
    let hold = |at: usize| scene.default_ctrl[at / NUM_ENVS] as f32;
    (0..scene.default_ctrl.len() * NUM_ENVS).map(|at| hold(at) + wave(at)).collect()
}

/// All rows of a part of a batch.
fn rows(batch: &Batch<f32>, part: Part, len: usize) -> Vec<f32> {
    (0..len * NUM_ENVS).map(|at| batch.number(part, at / NUM_ENVS, at % NUM_ENVS) as f32).collect()
}

/// The largest difference; NaN equals NaN.
fn difference(what: &str, on_the_cpu: &[f32], on_the_gpu: &[f32], tolerance: f32) -> f32 {
    let mut worst = 0.0;
    for (at, (a, b)) in on_the_cpu.iter().zip(on_the_gpu).enumerate() {
        let difference = if a.is_nan() && b.is_nan() { 0.0 } else { (a - b).abs() / a.abs().max(1.0) };
        let (row, env) = (at / NUM_ENVS, at % NUM_ENVS);
        assert!(difference <= tolerance, "{what} {row} of environment {env}: {a} on the CPU, {b} on the GPU");
        worst = f32::max(worst, difference);
    }
    worst
}

/// Steps both and compares every number of state and output after each step. One environment is broken from the
/// start: both say so and let it rest.
fn compare(gpu: &Gpu, name: &str, steps: usize, tolerance: f32) {
    const BROKEN: usize = 7;
    let (scene, options) = load(name);
    let mut batch = batch(&scene, options);
    batch.set_state(batch.plan().qvel, BROKEN, f64::NAN);
    let kernel = record::kernel::<ControlStep>(batch.plan());
    let on_device = upload(gpu, &kernel, NUM_ENVS);
    let start = rows(&batch, Part::State, kernel.state_len);
    on_device.write("state", &start).expect("its rows");
    let parameters = rows(&batch, Part::Parameters, kernel.parameters_len);
    on_device.write("parameters", &parameters).expect("its rows");
    let output = rows(&batch, Part::Output, kernel.output_len);
    on_device.write("output", &output).expect("its rows");
    let mut worst = 0.0;
    for step in 0..steps {
        let control = control(&scene, step);
        on_device.write("control", &control).expect("its rows");
        on_device.run(NUM_ENVS as u32, 1);
        batch.step(&control);
        for (part, name, len) in
            [(Part::State, "state", kernel.state_len), (Part::Output, "output", kernel.output_len)]
        {
            let found = on_device.read(name).expect("the device answers");
            let what = format!("step {step}, {name}");
            worst = f32::max(worst, difference(&what, &rows(&batch, part, len), &found, tolerance));
        }
    }
    assert_ne!(rows(&batch, Part::State, kernel.state_len), start, "the step does nothing");
    let faults: Vec<usize> = (0..NUM_ENVS).filter(|&env| batch.output(0, env) > 0.5).collect();
    assert_eq!(faults, [BROKEN]);
    println!("{name}: worst difference over {steps} steps {worst:.1e}");
}

/// Every scene under both contact laws: the kernel is valid, and grows with the physics that the scene needs and not
/// with the size of its robot. What the batched engine does not support has no kernel.
#[test]
fn the_step_of_every_scene_is_a_valid_kernel() {
    let scenes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenes");
    let mut written = Vec::new();
    for folder in std::fs::read_dir(scenes).expect("the project has scenes").flatten() {
        if !folder.path().join("scene.toml").is_file() {
            continue;
        }
        let name = folder.file_name().to_string_lossy().into_owned();
        let (scene, options) = load(&name);
        for law in [options.law, Law::Mujoco] {
            let plan = match Plan::new(&scene.model, StepOptions { law, ..options }) {
                Ok(plan) => plan,
                Err(error) => {
                    println!("{name}: {error}");
                    continue;
                }
            };
            let kernel = record::kernel::<ControlStep>(&plan);
            keiko_gpu::validate(&kernel.wgsl).unwrap_or_else(|error| panic!("{name}: {error}"));
            let lines = kernel.wgsl.lines().count();
            let (memory, state, contacts) = (plan.memory_len, plan.state_len, plan.num_contacts);
            println!("{name}: {lines} lines; memory {memory}, state {state}, contacts {contacts}; {law:?}");
            // Boxes, balls and cylinders that may all meet take the most: 23,000.
            assert!(lines < 30_000, "{name}: {lines} lines");
            written.push(name.clone());
        }
    }
    for name in ["cartpole", "walk"] {
        assert!(written.iter().any(|found| found == name), "{name} is among {written:?}");
    }
}

/// The whole control step: actions, physics, rewards, terminations and observations, in one kernel.
#[test]
fn the_control_step_of_a_scene_with_its_terms_is_a_valid_kernel() {
    for name in ["cartpole", "inverted-pendulum", "ant", "walk"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scenes/{name}/scene.toml"));
        let spec = TaskSpec::load(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
        let env = TaskEnv::new(&spec, &EnvOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        let kernel = env.kernel().unwrap_or_else(|| panic!("{name}: {}", env.engine()));
        keiko_gpu::validate(&kernel.wgsl).unwrap_or_else(|error| panic!("{name}: {error}"));
        let spec = env.spec();
        let observed: usize = spec.observations.iter().map(|group| group.size()).sum();
        assert!(kernel.control_len >= spec.actions.len());
        assert!(kernel.output_len > 2 * observed, "observations before and after resets are given");
        for phase in ["act", "controlstep", "judge", "observe", "conclude"] {
            assert!(kernel.wgsl.contains(&format!("_{phase}();")), "{name}: no {phase}");
        }
        println!("{name}: {} lines, memory {}", kernel.wgsl.lines().count(), kernel.memory_len);
    }
}

#[test]
fn cartpole_steps_on_a_gpu_as_on_the_cpu() {
    with_gpu("step::cartpole_steps_on_a_gpu_as_on_the_cpu", |gpu| compare(gpu, "cartpole", 20, 1e-4));
}
