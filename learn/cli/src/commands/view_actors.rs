//! Who acts in a scene that is looked at: a policy of a run, or one that sees and reads.

use std::path::{Path, PathBuf};

use anyhow::Context;
use keiko_env::{Field, TaskEnv, VecEnv};
use keiko_model::task::TaskSpec;
use keiko_policy::vla::{Checkpoint, VlaPolicy};
use keiko_policy::{ChunkPolicy, ChunkQueue, Policy};
use keiko_train::agent::check_policy;
use keiko_train::chunk_eval::decide;
use keiko_train::finetune::dir::policy_folder;
use keiko_train::finetune::start::read_robot;
use keiko_viewer::{Actor, Casting, Words};

use super::run_files::load_policy;
use crate::args::DeviceArg;
use crate::exit::{Code, CommandResult, Failure, OrExit};
use crate::eyes;
use crate::senses::Senses;

/// By which the folder of a policy that reads is known.
const WEIGHTS: &str = "model.safetensors";

/// Whether a folder holds a policy that sees and reads, or is the run that made one.
pub fn reads(folder: &Path) -> bool {
    policy_folder(folder).join(WEIGHTS).is_file()
}

/// Lets the policy of a run act, the newest that there is at every load.
pub fn trained(run: PathBuf) -> Casting {
    Box::new(move |env| {
        let policy = load_policy(&run).map_err(words)?;
        let trained = Trained::new(policy, env, &run).map_err(|error| format!("{error:#}"))?;
        Ok(Box::new(trained) as Box<dyn Actor>)
    })
}

/// Lets a policy act that sees and reads, in the scene of a file.
pub fn reader(
    folder: &Path,
    scene: PathBuf,
    overrides: Vec<String>,
    seed: u64,
    device: DeviceArg,
) -> Casting {
    let folder = policy_folder(folder);
    Box::new(move |env| {
        // The scene may have been written anew since.
        let task = TaskSpec::load(&scene, &overrides).map_err(|error| error.to_string())?;
        let reader = Reader::new(&folder, &task, env, seed, device).map_err(words)?;
        Ok(Box::new(reader) as Box<dyn Actor>)
    })
}

fn words(failure: Failure) -> String {
    format!("{:#}", failure.error)
}

/// A policy of numbers that acts in all environments.
struct Trained {
    policy: Policy,
    /// Index of the group that it observes.
    group: usize,
    name: String,
}

impl Trained {
    fn new(policy: Policy, env: &TaskEnv, run: &Path) -> anyhow::Result<Self> {
        check_policy(&policy, env.spec())?;
        policy.config().check_joints(&env.joint_names())?;
        let groups = &env.spec().observations;
        let group = groups
            .iter()
            .position(|group| group.name == "policy")
            .context("no observation group `policy`")?;
        Ok(Self { policy, group, name: run.display().to_string() })
    }
}

impl Actor for Trained {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn act(&mut self, env: &TaskEnv, actions: &mut Field) -> Result<(), String> {
        let observations = env.output().observations[self.group].as_slice();
        self.policy.act(observations, env.spec().num_envs, actions.as_mut_slice());
        Ok(())
    }
}

/// A policy that sees, reads, and plans a chunk of actions ahead.
struct Reader {
    policy: VlaPolicy,
    senses: Senses,
    queue: ChunkQueue,
    num_envs: usize,
    words: Words,
    /// What was read when the plans were made.
    read: Option<String>,
    steps: u64,
    name: String,
}

impl Reader {
    fn new(
        folder: &Path,
        task: &TaskSpec,
        env: &TaskEnv,
        seed: u64,
        device: DeviceArg,
    ) -> CommandResult<Self> {
        let networks = eyes::device(device).or_exit(Code::Machine)?;
        let checkpoint = Checkpoint::load(folder, networks.tensors()).or_exit(Code::Usage)?;
        let robot = read_robot(folder)?;
        let senses = Senses::new(&checkpoint, robot.as_ref(), task, env, device)?;
        let policy = VlaPolicy::new(checkpoint, seed).or_exit(Code::Usage)?;
        Ok(Self {
            queue: ChunkQueue::new(policy.shape(), env.spec().num_envs),
            num_envs: env.spec().num_envs,
            words: Words { told: None, known: senses.texts().to_vec() },
            policy,
            senses,
            read: None,
            steps: 0,
            name: folder.display().to_string(),
        })
    }
}

impl Actor for Reader {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn act(&mut self, env: &TaskEnv, actions: &mut Field) -> Result<(), String> {
        let output = env.output();
        if self.read != self.words.told {
            self.forget();
            self.read.clone_from(&self.words.told);
        }
        // What is left of a chunk was meant for the episode that is over.
        let ended = output.episodes.iter().map(|end| end.env);
        let broken = (0..self.num_envs).filter(|&env| output.invalid[env]);
        ended.chain(broken).for_each(|env| self.queue.clear(env));
        let due = self.queue.due();
        if !due.is_empty() {
            let told = |&which: &usize| match &self.words.told {
                Some(told) => told.clone(),
                None => self.senses.text_of(env, which).to_owned(),
            };
            let told = due.iter().map(told).collect();
            let seen = self.senses.look(env, &due, told).map_err(|error| error.to_string())?;
            let chunks = decide(&self.policy, &seen, &due, self.steps).map_err(|error| error.to_string())?;
            self.queue.put(&due, &chunks);
        }
        self.queue.take(actions.as_mut_slice());
        actions.as_mut_slice().iter_mut().for_each(|action| *action = action.clamp(-1.0, 1.0));
        self.steps += 1;
        Ok(())
    }

    fn forget(&mut self) {
        (0..self.num_envs).for_each(|env| self.queue.clear(env));
    }

    fn words(&mut self) -> Option<&mut Words> {
        Some(&mut self.words)
    }
}
