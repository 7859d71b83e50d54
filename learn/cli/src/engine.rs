//! Which executor steps a robot file, with which settings: the one place that chooses.

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use keiko_model::RobotModel;
use keiko_world::engine::{self, EngineChoice};
use keiko_world::{BatchState, ContactLaw, EnvParameters, Executor, Fault, Field, PhysicsOptions};
use serde_json::{Map, Value, json};

use crate::numpy::Array;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PhysicsArg {
    /// The batched engine where it can step all that the file holds, else rapier.
    Auto,
    /// The batched engine: many environments in a vector register.
    Lanes,
    /// One rapier world an environment.
    Rapier,
}

impl PhysicsArg {
    /// The same for those who build executors.
    pub fn choice(self) -> EngineChoice {
        match self {
            Self::Auto => EngineChoice::Auto,
            Self::Lanes => EngineChoice::Lanes,
            Self::Rapier => EngineChoice::Rapier,
        }
    }

    /// The same as a change of a scene, as `--set` would make it.
    pub fn as_override(self) -> String {
        let name = match self {
            Self::Auto => "auto",
            Self::Lanes => "lanes",
            Self::Rapier => "rapier",
        };
        format!("physics.engine={name}")
    }
}

/// What is changed of a scene.
#[derive(Args, Clone, Debug, Default)]
pub struct Changes {
    /// Change a value of the scene: `--set reward.alive.weight=2`. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,

    /// Executor; that of the scene, or of the run, by default.
    #[arg(long, value_enum)]
    pub physics: Option<PhysicsArg>,
}

impl Changes {
    /// All of them as `KEY=VALUE`, the executor last.
    pub fn list(&self) -> Vec<String> {
        self.overrides.iter().cloned().chain(self.physics.map(PhysicsArg::as_override)).collect()
    }
}

/// Softness of contacts and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LawArg {
    /// Stiff, the same for all; the only one of rapier.
    Soft,
    /// As the file says, in MuJoCo's terms.
    Mujoco,
}

/// Which executor steps a robot file, and how. The time step is the file's.
#[derive(Args, Clone, Debug)]
pub struct EngineArgs {
    /// Executor.
    #[arg(long, value_enum, default_value_t = PhysicsArg::Auto)]
    pub physics: PhysicsArg,
    /// Substeps of the file's time step, each with its own evaluation of the dynamics; `bench physics` takes 1, all
    /// others 4 by default.
    #[arg(long, value_name = "N")]
    pub substeps: Option<usize>,
    /// Sweeps of the constraint solver in a substep, 2 by default; the batched engine alone has more than one.
    #[arg(long, value_name = "N")]
    pub sweeps: Option<usize>,
    /// Softness of contacts and limits; as the file says by default, where the executor knows it.
    #[arg(long, value_enum)]
    pub law: Option<LawArg>,
}

/// An executor and how it was set up.
pub struct Engine {
    /// It.
    pub executor: Box<dyn Executor>,
    /// Settings that decide speed and truth, for people and files.
    pub settings: Map<String, Value>,
    /// What of the model it leaves out or approximates.
    pub left_out: Vec<String>,
}

/// Builds the executor for `num_envs` copies of a model that takes `decimation` physics steps of the file's own time
/// step under each control.
///
/// # Errors
/// What of the model the executor cannot step.
pub fn build(
    model: &RobotModel,
    num_envs: usize,
    args: &EngineArgs,
    decimation: usize,
) -> anyhow::Result<Engine> {
    let defaults = PhysicsOptions::default();
    let options = PhysicsOptions {
        timestep: model.options.timestep as f32,
        decimation,
        solver_iterations: args.substeps.unwrap_or(defaults.solver_iterations),
        sweeps: args.sweeps.unwrap_or(defaults.sweeps),
        law: match args.law {
            Some(LawArg::Soft) => ContactLaw::Soft,
            Some(LawArg::Mujoco) | None => ContactLaw::Mujoco,
        },
        // MuJoCo's own limit: the two are compared.
        max_velocity: 1e10,
        ..defaults
    };
    let built = engine::build(model, num_envs, &options, args.physics.choice())
        .with_context(|| format!("{} cannot be stepped", model.name))?;
    let rapier = built.executor.name() == "rapier";
    ensure!(
        !(rapier && args.law == Some(LawArg::Mujoco)),
        "{}: the rapier executor has no contact law `mujoco`; allowed: soft",
        built.reason
    );
    let law = match options.law {
        ContactLaw::Mujoco if !rapier => "as the file says (solref, solimp), elliptic cone".to_owned(),
        _ => soft_law(&options),
    };
    let settings = settings([
        ("executor", json!(built.reason)),
        ("timestep", json!(model.options.timestep)),
        ("substeps", json!(options.solver_iterations)),
        ("sweeps", json!(if rapier { 1 } else { options.sweeps })),
        ("contact_law", json!(law)),
        ("precision", json!("f32")),
    ]);
    let left_out = built.unsupported.iter().map(|u| format!("{}: {}", u.element, u.what)).collect();
    Ok(Engine { executor: built.executor, settings, left_out })
}

fn soft_law(options: &PhysicsOptions) -> String {
    format!("soft, {} Hz, damping ratio {}", options.contact_frequency, options.contact_damping_ratio)
}

fn settings<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Settings as one line.
pub fn describe(settings: &Map<String, Value>) -> String {
    let one = |(key, value): (&String, &Value)| match value.as_str() {
        Some(text) => format!("{key} {text}"),
        None => format!("{key} {value}"),
    };
    settings.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// An executor with the state it stepped to.
pub struct Batch {
    /// The executor.
    pub engine: Engine,
    /// Where the environments are.
    pub state: BatchState,
    parameters: EnvParameters,
}

impl Batch {
    /// `num_envs` environments; see [`build`].
    ///
    /// # Errors
    /// As [`build`].
    pub fn new(
        model: &RobotModel,
        num_envs: usize,
        args: &EngineArgs,
        decimation: usize,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            engine: build(model, num_envs, args, decimation)?,
            state: BatchState::new(model, num_envs),
            parameters: EnvParameters::identity(model, num_envs),
        })
    }

    /// Puts the environments with `mask` at their columns of `qpos` and `qvel`.
    pub fn reset(&mut self, mask: &[bool], qpos: &Field, qvel: &Field) {
        self.engine.executor.reset(mask, qpos, qvel, &self.parameters, &mut self.state);
    }

    /// One control step; the environments that became unusable.
    pub fn step(&mut self, ctrl: &Field) -> Vec<Fault> {
        self.engine.executor.step(ctrl, &mut self.state)
    }
}

/// Rows `[num_envs, n]` as columns.
pub fn columns(rows: &Array) -> Field {
    let (num_envs, n) = (rows.shape[0], rows.data.len() / rows.shape[0].max(1));
    let mut field = Field::zeros(n, num_envs);
    for env in 0..num_envs {
        field.set_column(env, rows.row(env).iter().map(|value| *value as f32));
    }
    field
}
