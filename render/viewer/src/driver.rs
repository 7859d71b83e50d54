//! Who sets the inputs of a control step.

use keiko_env::{Field, TaskEnv};

/// A policy, or whoever else looks at an environment and says what to do.
pub trait Actor {
    /// Its name, for people.
    fn name(&self) -> String;

    /// Fills the actions of all environments `[num_actions, num_envs]`.
    ///
    /// # Errors
    /// Why it cannot, in words.
    fn act(&mut self, env: &TaskEnv, actions: &mut Field) -> Result<(), String>;

    /// Forgets plans: environments are no longer where the last step left them.
    fn forget(&mut self) {}

    /// What it reads, if it reads.
    fn words(&mut self) -> Option<&mut Words> {
        None
    }
}

/// What a policy that reads is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// What somebody tells it, in all environments; the instruction of each episode when absent.
    pub told: Option<String>,
    /// Sentences of the scene.
    pub known: Vec<String>,
}

/// Makes the actor of an environment: again after every reload, since a scene may have other names then.
pub type Casting = Box<dyn Fn(&TaskEnv) -> Result<Box<dyn Actor>, String>>;

/// Who drives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// Inputs stay as they are set, in all environments alike: at first the middle of every action, or the controls of the
    /// start.
    #[default]
    Hand,
    /// Every input is drawn from its range at every control step.
    Random,
    /// The policy.
    Policy,
}

impl Driver {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hand, Self::Random, Self::Policy];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hand => "by hand",
            Self::Random => "random",
            Self::Policy => "policy",
        }
    }
}

/// Numbers in [0, 1) that repeat with their seed (SplitMix64, Steele et al. 2014).
#[derive(Clone, Copy, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next one.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
