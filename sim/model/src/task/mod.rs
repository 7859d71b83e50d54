//! Scenes and tasks as data: what a `scene.toml` holds.
//!
//! A [`TaskSpec`] names a robot file, props, and tables of terms: what is observed, rewarded, ended and
//! randomised. The terms are enums here; the functions behind them live with the environment. The format is
//! published as a JSON schema ([`schema()`]), and the same schema checks every file before it is used.

mod camera;
mod find;
mod lamp;
mod language;
mod load;
mod material;
mod node;
mod observe;
mod prop;
mod randomize;
mod reward;
mod scene;
mod schema;
mod table;
mod terminate;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use camera::{CameraMode, CameraSpec};
pub use find::{list_scenes, resolve_scene};
pub use lamp::LampSpec;
pub use language::{Instruction, Language, NamedObject, NamedTarget};
pub use load::Source;
pub use material::MaterialSpec;
pub use observe::{Observation, ObservationTerm, QuaternionOrder, RelativeTo};
pub use prop::{Prop, PropShape};
pub use randomize::{Randomization, RandomizationTerm};
pub use reward::{Kernel, Reward, RewardTerm};
pub use scene::{
    Action, ActionKind, ActionOffset, ActionTargets, ActuatorGroup, Command, Episode, Initial, InitialPose,
    Physics, PhysicsEngine, PhysicsLaw, RobotSpec, Servo,
};
pub use schema::schema;
pub use table::Table;
pub use terminate::{Success, Termination, TerminationTerm};

use crate::TrainSpec;
use crate::light::Daylight;

/// A scene and its task: the whole of a `scene.toml`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "keiko scene")]
pub struct TaskSpec {
    /// Name of the task; policies remember it.
    pub name: String,
    /// One sentence for `keiko envs`.
    #[serde(default)]
    pub description: String,
    /// The robot.
    pub robot: RobotSpec,
    /// Floor, walls and things, in the order of their bodies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub props: Vec<Prop>,
    /// Surfaces, besides those of the robot file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub materials: Vec<MaterialSpec>,
    /// Cameras, besides those of the robot file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cameras: Vec<CameraSpec>,
    /// Lamps, for cameras.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lamps: Vec<LampSpec>,
    /// Factors on the light that cameras see by without lamps.
    #[serde(default)]
    pub daylight: Daylight,
    /// Actuators that replace those of the robot file; a URDF has none of its own.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub actuators: Table<ActuatorGroup>,
    /// Time steps and solver.
    #[serde(default)]
    pub physics: Physics,
    /// Length of an episode and how its reward is summed.
    #[serde(default)]
    pub episode: Episode,
    /// What an action means.
    #[serde(default)]
    pub action: Action,
    /// The pose that an episode starts from, before randomisation.
    #[serde(default)]
    pub initial: Initial,
    /// Commands that the policy is to follow.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub command: Table<Command>,
    /// What is asked for in words; one instruction is drawn for each episode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Observation groups; `policy` must be there, `critic` may be.
    pub observe: Table<Table<ObservationTerm>>,
    /// Weighted reward terms; their names are the metric names.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub reward: Table<RewardTerm>,
    /// What ends an episode before its time.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub terminate: Table<TerminationTerm>,
    /// When an episode counts as a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<Success>,
    /// What differs from episode to episode.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub randomize: Table<RandomizationTerm>,
    /// Training defaults.
    #[serde(default)]
    pub train: TrainSpec,
    /// Where each value was written, for error messages.
    #[serde(skip)]
    pub source: Source,
}

/// Names of joints, bodies, actuators: each may hold `*` for any run of characters.
pub type Patterns = Vec<String>;

/// Whether `pattern`, in which `*` stands for any run of characters, matches all of `name`.
pub fn matches_pattern(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(head) else { return false };
    (0..=rest.len()).filter(|&at| rest.is_char_boundary(at)).any(|at| matches_pattern(tail, &rest[at..]))
}

fn all() -> Patterns {
    vec!["*".to_owned()]
}

fn one() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    use super::matches_pattern;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*_hip", "FL_hip", true),
            ("*_hip", "FL_hip_joint", false),
            ("F*_*p", "FL_hip", true),
            ("hip", "hip", true),
            ("hip", "ship", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches_pattern(pattern, name), expected, "{pattern} {name}");
        }
    }
}
