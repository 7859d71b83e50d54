//! Who acts in one environment that somebody watches.

use keiko_env::expert::Expert;
use keiko_env::{Field, TaskEnv, VecEnv};
use keiko_model::task::TaskSpec;
use keiko_policy::Policy;
use keiko_train::agent::check_policy;

use super::random_actions::RandomActions;
use crate::args::ActionsArg;
use crate::exit::{Code, CommandResult, OrExit};

/// Gives actions `[num_actions, 1]`.
pub enum Actor {
    /// A policy and the index of the group that it observes.
    Policy(Box<Policy>, usize),
    /// The scripted expert of the task.
    Expert(Expert),
    /// Uniform in [-1, 1].
    Random(RandomActions),
    /// The middle of every range.
    Zero,
}

impl Actor {
    /// A policy, after a check that it fits the environment.
    pub fn policy(policy: Policy, env: &TaskEnv) -> CommandResult<Self> {
        check_policy(&policy, env.spec()).or_exit(Code::Usage)?;
        policy.config().check_joints(&env.joint_names()).or_exit(Code::Usage)?;
        let group = env.spec().observations.iter().position(|group| group.name == "policy").unwrap_or(0);
        Ok(Self::Policy(Box::new(policy), group))
    }

    /// Nobody who has learned.
    pub fn of(actions: ActionsArg, seed: u64, task: &TaskSpec, env: &TaskEnv) -> CommandResult<Self> {
        Ok(match actions {
            ActionsArg::Zero => Self::Zero,
            ActionsArg::Random => Self::Random(RandomActions::new(seed, env.spec().actions.len(), 1)),
            ActionsArg::Expert => Self::Expert(Expert::new(task, env).or_exit(Code::Usage)?),
        })
    }

    /// What is done now.
    pub fn act(&mut self, env: &TaskEnv, actions: &mut Field) {
        match self {
            Self::Policy(policy, group) => {
                policy.act(env.output().observations[*group].as_slice(), 1, actions.as_mut_slice());
            }
            Self::Expert(expert) => expert.act(env, actions),
            Self::Random(random) => actions.as_mut_slice().copy_from_slice(random.next().as_slice()),
            Self::Zero => actions.as_mut_slice().fill(0.0),
        }
    }
}
