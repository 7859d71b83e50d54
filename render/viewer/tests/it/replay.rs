//! The last steps of an environment that broke.

use std::path::Path;

use keiko_env::{EnvOptions, Field, TaskEnv, VecEnv};
use keiko_model::TaskSpec;
use keiko_viewer::{Session, Source};

use crate::support::{Folder, numbers, options, repository};

/// Breaks an environment of the quadruped with an action that is no number; the one file about it.
fn broken(folder: &Path) -> (std::path::PathBuf, Vec<Vec<f32>>) {
    let file = repository().join("scenes/walk/scene.toml");
    let task = TaskSpec::load(&file, &[]).unwrap();
    let env_options = EnvOptions { seed: 4, replay_dir: Some(folder.to_owned()), ..EnvOptions::default() };
    let mut env = TaskEnv::new(&task, &env_options).unwrap();
    let mut states = Vec::new();
    for step in 0..12 {
        states.push(env.state().qpos.column(0).chain(env.state().qvel.column(0)).collect());
        env.step(&Field::filled(12, 1, if step == 11 { f32::NAN } else { 0.2 }));
    }
    assert_eq!(env.faults().action, 1);
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    (files[0].clone(), states)
}

#[test]
fn a_replay_opens_at_the_step_in_which_it_broke_and_can_be_walked_through() {
    let folder = Folder::new();
    let (file, states) = broken(&folder.0);
    let mut session = Session::new(Source::Replay { file }, options(1), None).unwrap();
    let (replay, at) = session.subject().recorded().unwrap();
    assert_eq!((replay.num_steps, at, replay.info.cause.as_str()), (12, 11, "Action"));
    assert!(session.subject().task().is_none());
    assert_eq!(numbers(&session), states[11]);
    session.reset();
    for (step, state) in states.iter().enumerate() {
        assert_eq!(session.subject().recorded().unwrap().1, step);
        assert_eq!(&numbers(&session), state, "step {step}");
        session.single_step();
    }
    // Past the recording the physics goes on from there.
    assert_ne!(numbers(&session), states[11]);
    assert!(numbers(&session).iter().all(|number| number.is_finite()));
}

#[test]
fn what_is_no_replay_is_refused_by_name() {
    let folder = Folder::new();
    let file = folder.0.join("x.safetensors");
    std::fs::write(&file, b"not one").unwrap();
    let error = Session::new(Source::Replay { file }, options(1), None).unwrap_err().to_string();
    assert!(error.contains("x.safetensors"), "{error}");
}
