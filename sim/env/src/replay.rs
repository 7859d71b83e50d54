//! Replay files: all that is needed to see an environment break again.

use std::path::{Path, PathBuf};

use keiko_world::Field;
use serde::{Deserialize, Serialize};

use crate::episodes::Breakage;

/// An episode that broke. Its start follows from seed, environment and episode; its actions are recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Seed of the run.
    pub seed: u64,
    /// Environment, counted over the whole run.
    pub env: u64,
    /// Its episode, from 1.
    pub episode: u64,
    /// Control step after which it was found broken, from 1.
    pub step: u32,
    /// What was found.
    pub cause: Breakage,
    /// Numbers in an action.
    pub num_actions: usize,
    /// Bits of the actions, step after step `[step * num_actions]`; bits, because a NaN has no JSON.
    pub actions: Vec<u32>,
    /// The scene as TOML, all defaults included.
    pub scene: String,
}

/// A replay file that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{message}: {}", path.display())]
pub struct ReplayError {
    /// What went wrong.
    pub message: String,
    /// The file.
    pub path: PathBuf,
}

impl Replay {
    /// Writes the replay into a folder, which is made when it is not there; returns the file.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ReplayError> {
        let path =
            folder.join(format!("fault-env{}-episode{}-step{}.json", self.env, self.episode, self.step));
        let refuse = |message: String| ReplayError { message, path: path.clone() };
        std::fs::create_dir_all(folder).map_err(|error| refuse(error.to_string()))?;
        let text = serde_json::to_string(self).map_err(|error| refuse(error.to_string()))?;
        std::fs::write(&path, text).map_err(|error| refuse(error.to_string()))?;
        Ok(path)
    }

    /// Reads a replay.
    ///
    /// # Errors
    /// When the file cannot be read or is none.
    pub fn read(path: &Path) -> Result<Self, ReplayError> {
        let refuse = |message: String| ReplayError { message, path: path.to_path_buf() };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        let replay: Self = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if replay.num_actions.checked_mul(replay.step as usize) != Some(replay.actions.len()) {
            return Err(refuse("the number of actions is not steps times actions a step".to_owned()));
        }
        Ok(replay)
    }

    /// The action of a control step, from 0 `[num_actions]`.
    pub fn action(&self, step: usize) -> impl Iterator<Item = f32> + '_ {
        self.actions[step * self.num_actions..(step + 1) * self.num_actions]
            .iter()
            .map(|bits| f32::from_bits(*bits))
    }
}

/// Actions of the running episodes, as bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recorder(Vec<Vec<u32>>);

impl Recorder {
    pub fn new(num_envs: usize) -> Self {
        Self(vec![Vec::new(); num_envs])
    }

    pub fn record(&mut self, actions: &Field) {
        for (env, episode) in self.0.iter_mut().enumerate() {
            episode.extend(actions.column(env).map(f32::to_bits));
        }
    }

    pub fn actions(&self, env: usize) -> &[u32] {
        &self.0[env]
    }

    pub fn clear(&mut self, env: usize) {
        self.0[env].clear();
    }

    pub fn num_envs(&self) -> usize {
        self.0.len()
    }
}
