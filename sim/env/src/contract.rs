//! The contract between simulation and learning: the only thing that `learn/` sees of a scene.

use keiko_world::Field;
use serde::{Deserialize, Serialize};

/// Shapes, names and limits of a vectorised environment. They travel with every policy: a policy trained on
/// other names or another order is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvSpec {
    /// Name of the task.
    pub name: String,
    /// Environments in the batch.
    pub num_envs: usize,
    /// Observation groups, e.g. `policy` and `critic`, in file order; `policy` is always there.
    pub observations: Vec<GroupSpec>,
    /// Names of the actions, in order; each is nominally in [-1, 1].
    pub actions: Vec<String>,
    /// Names of the reward terms, in file order.
    pub rewards: Vec<String>,
    /// Names of the terminations, in file order.
    pub terminations: Vec<String>,
    /// Time between two actions \[s\].
    pub control_dt: f64,
    /// Control steps after which an episode is truncated.
    pub max_episode_steps: u32,
}

/// One observation group: its terms, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// Name.
    pub name: String,
    /// Term name and how many numbers it gives, in order; images come last.
    pub terms: Vec<(String, usize)>,
    /// Shapes of the last terms, which are images.
    pub images: Vec<ImageShape>,
}

/// Frames (the newest last), channels, height and width of an image, whose rows follow one another in this order.
pub type ImageShape = [usize; 4];

impl GroupSpec {
    /// Numbers in the group, those of images included.
    pub fn size(&self) -> usize {
        self.terms.iter().map(|(_, size)| size).sum()
    }

    /// Numbers in the group that are not of images; they come first.
    pub fn num_numbers(&self) -> usize {
        let numbers = self.terms.len().saturating_sub(self.images.len());
        self.terms[..numbers].iter().map(|(_, size)| size).sum()
    }
}

impl EnvSpec {
    /// The group with a name.
    pub fn group(&self, name: &str) -> Option<&GroupSpec> {
        self.observations.iter().find(|group| group.name == name)
    }
}

/// An episode that ended in the last step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeEnd {
    /// Which environment.
    pub env: usize,
    /// Sum of rewards.
    pub return_sum: f64,
    /// Control steps.
    pub length: u32,
    /// Whether the task's success condition held at the end; `None` where the task has none.
    pub success: Option<bool>,
    /// Sum of each weighted reward term, in the order of [`EnvSpec::rewards`].
    pub reward_sums: Vec<f64>,
    /// Mean of each reward term over the steps of the episode, before its weight, in the same order.
    pub reward_means: Vec<f64>,
    /// Index into [`EnvSpec::terminations`], or `None` for a time-out.
    pub termination: Option<usize>,
}

/// What one step gives. Autoreset is SAME_STEP: observations of an environment that ended are those of its
/// new episode, and its last observations stand in `final_observations`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepOutput {
    /// Observations by group `[size, num_envs]`, in the order of [`EnvSpec::observations`]; without the rows of images
    /// where an onlooker keeps those.
    pub observations: Vec<Field>,
    /// The observations before autoreset; equal to `observations` where no episode ended.
    pub final_observations: Vec<Field>,
    /// Rewards `[num_envs]`.
    pub reward: Vec<f32>,
    /// The task ended the episode `[num_envs]`: no value beyond it.
    pub terminated: Vec<bool>,
    /// Time ran out `[num_envs]`: bootstrap the value.
    pub truncated: Vec<bool>,
    /// The transition must not be learned from `[num_envs]`: the environment broke and was reset.
    pub invalid: Vec<bool>,
    /// Episodes that ended in this step, by ascending environment.
    pub episodes: Vec<EpisodeEnd>,
}

/// A batch of environments that step together.
pub trait VecEnv: Send {
    /// Shapes and names.
    fn spec(&self) -> &EnvSpec;

    /// Starts new episodes where `mask[env]`, or everywhere with `None`; observations are in
    /// [`VecEnv::output`].
    fn reset(&mut self, mask: Option<&[bool]>);

    /// Applies actions `[num_actions, num_envs]`, steps, and fills [`VecEnv::output`].
    fn step(&mut self, actions: &Field);

    /// What the last `reset` or `step` gave.
    fn output(&self) -> &StepOutput;

    /// Everything needed to continue bit for bit: physics, random streams, counters, last output.
    ///
    /// # Errors
    /// A device that lost what is to be saved.
    fn save(&self) -> Result<Vec<u8>, keiko_world::SnapshotError>;

    /// Restores what [`VecEnv::save`] gave.
    fn load(&mut self, bytes: &[u8]) -> Result<(), keiko_world::SnapshotError>;

    /// Environments that broke (NaN, divergence) and were reset since the start.
    fn num_faults(&self) -> u64 {
        0
    }

    /// Why its output can no longer be trusted, such as a renderer that lost its device.
    fn failure(&self) -> Option<&str> {
        None
    }
}
