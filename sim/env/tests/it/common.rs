//! Scenes and random actions.

use std::path::{Path, PathBuf};

use keiko_env::{EnvOptions, StepOutput, TaskEnv, VecEnv};
use keiko_model::TaskSpec;
use keiko_world::Field;

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn scene(name: &str, overrides: &[&str]) -> TaskSpec {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let path = repository().join("scenes").join(name).join("scene.toml");
    TaskSpec::load(&path, &overrides).unwrap_or_else(|error| panic!("{error}"))
}

pub fn env(name: &str, overrides: &[&str], options: &EnvOptions) -> TaskEnv {
    TaskEnv::new(&scene(name, overrides), options).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn options(num_envs: usize, seed: u64) -> EnvOptions {
    EnvOptions { num_envs, seed, ..EnvOptions::default() }
}

/// A number in [-1, 1) that depends on all three indices (a 32-bit hash, by Wang).
pub fn noise(step: usize, action: usize, env: usize) -> f32 {
    let mut x = (step as u32).wrapping_mul(73_856_093)
        ^ (action as u32).wrapping_mul(19_349_663)
        ^ (env as u32).wrapping_mul(83_492_791);
    x = (x ^ 61) ^ (x >> 16);
    x = x.wrapping_mul(9);
    x ^= x >> 4;
    x = x.wrapping_mul(0x27d4_eb2d);
    x ^= x >> 15;
    x as f32 / 2_147_483_648.0 - 1.0
}

/// Random actions of all environments; `first_env` shifts the environments.
pub fn actions(env: &TaskEnv, step: usize, first_env: usize) -> Field {
    let spec = env.spec();
    let mut field = Field::zeros(spec.actions.len(), spec.num_envs);
    for action in 0..spec.actions.len() {
        for column in 0..spec.num_envs {
            field.set(action, column, noise(step, action, first_env + column));
        }
    }
    field
}

/// Steps with random actions; returns what each step gave.
pub fn roll(env: &mut TaskEnv, steps: std::ops::Range<usize>) -> Vec<StepOutput> {
    steps
        .map(|step| {
            env.step(&actions(env, step, 0));
            env.output().clone()
        })
        .collect()
}
