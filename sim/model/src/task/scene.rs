//! The parts of a scene: robot, physics, episode, action, initial pose, commands.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Patterns, Table, all};

/// Which robot, where, and by what it touches the world.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RobotSpec {
    /// MJCF or URDF file, relative to the scene's folder; a value given by `--set` is relative to the working
    /// directory.
    pub file: PathBuf,
    /// Folder that the robot's includes and meshes must stay in; its own folder when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// Where the robot's root stands in the world \[m\], added to what the file says.
    #[serde(default)]
    pub position: [f64; 3],
    /// How it is turned in the world, xyzw.
    #[serde(default = "upright")]
    pub rotation: [f64; 4],
    /// Whether the root floats; what the file says when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floating_base: Option<bool>,
    /// Whether the robot's bodies touch each other. Without, they touch only what is not the robot: cheaper, and what
    /// many published walking tasks do. Pairs that the file names touch all the same.
    #[serde(default = "yes")]
    pub self_collision: bool,
    /// Keyframe of the file that is the default pose; the file's first when absent, and without any the
    /// reference pose, each joint moved to the middle of its range where the reference is outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyframe: Option<String>,
    /// Site or body that reaches for things. When absent: the file's last site, or without sites the body at
    /// the end of the longest chain of joints, at its far end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_effector: Option<String>,
    /// Point in the end effector's frame \[m\] that is meant instead of the rule's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_effector_offset: Option<[f64; 3]>,
    /// Whether the light that the robot file describes shines, instead of sun, sky and the light of cameras.
    #[serde(default)]
    pub lights: bool,
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn upright() -> [f64; 4] {
    [0.0, 0.0, 0.0, 1.0]
}

/// What an actuator of an [`ActuatorGroup`] does with its control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Servo {
    /// `stiffness (u - q) - damping q̇`.
    Position,
    /// `damping (u - q̇)`.
    Velocity,
    /// `u` is the force.
    Effort,
}

/// Actuators of one kind, one on each of some joints, named like the joint.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActuatorGroup {
    /// Joints that get one.
    #[serde(default = "all")]
    pub joints: Patterns,
    /// What the control means.
    pub kind: Servo,
    /// Position gain \[N·m/rad or N/m\].
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub stiffness: f64,
    /// Velocity gain \[N·m·s/rad or N·s/m\].
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub damping: f64,
    /// Largest force \[N·m or N\]; the joint's own limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub effort_limit: Option<f64>,
}

/// Time steps and solver.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Physics {
    /// Time of one physics step \[s\].
    #[schemars(range(min = 0.00001, max = 0.1))]
    pub timestep: f64,
    /// Physics steps between two actions.
    #[schemars(range(min = 1, max = 10000))]
    pub decimation: u32,
    /// Solver iterations per physics step.
    #[schemars(range(min = 1, max = 1000))]
    pub solver_iterations: u32,
    /// Natural frequency of contacts \[Hz\]: higher is harder.
    #[schemars(range(min = 1.0, max = 10000.0))]
    pub contact_frequency: f64,
    /// Speed beyond which an environment counts as diverged \[m/s, rad/s\].
    #[schemars(range(min = 1.0))]
    pub max_speed: f64,
    /// What steps it.
    pub engine: PhysicsEngine,
    /// Softness of contacts and limits; the rapier engine knows `soft` alone.
    pub law: PhysicsLaw,
    /// Sweeps of the constraint solver in an iteration; the rapier engine always makes one.
    #[schemars(range(min = 1, max = 1000))]
    pub sweeps: u32,
}

/// What steps the physics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PhysicsEngine {
    /// The batched engine where it can step all of the scene, else rapier.
    #[default]
    Auto,
    /// The batched engine: many environments in a vector register.
    Lanes,
    /// One rapier world an environment.
    Rapier,
}

/// How contacts and limits give way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PhysicsLaw {
    /// Stiff, the same for all.
    #[default]
    Soft,
    /// As the robot file says for each, in MuJoCo's terms.
    Mujoco,
}

impl Default for Physics {
    fn default() -> Self {
        Self {
            timestep: 0.002,
            decimation: 10,
            solver_iterations: 4,
            contact_frequency: 240.0,
            max_speed: 1000.0,
            engine: PhysicsEngine::Auto,
            law: PhysicsLaw::Soft,
            sweeps: 2,
        }
    }
}

/// Length of an episode and how its reward is summed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Episode {
    /// Time after which an episode is cut \[s\]; rounded to whole control steps.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub seconds: f64,
    /// Whether weights are per second: the sum of terms is multiplied by the control step's time.
    pub reward_per_second: bool,
    /// Lower bound on the reward of a step, after summing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward_floor: Option<f64>,
}

impl Default for Episode {
    fn default() -> Self {
        Self { seconds: 10.0, reward_per_second: false, reward_floor: None }
    }
}

/// What an action of -1 to 1 does to an actuator's control.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Action {
    /// Meaning of the actions.
    pub kind: ActionKind,
    /// Which actuators are driven. The others hold the default pose.
    pub targets: ActionTargets,
    /// Names of driven actuators, within `targets`.
    pub actuators: Patterns,
    /// Control per unit of action. When absent the whole range of the control.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub scale: Option<f64>,
    /// What an action of 0 stands for (`position` only).
    pub offset: ActionOffset,
    /// Actions are clipped to plus and minus this.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub clip: f64,
}

impl Default for Action {
    fn default() -> Self {
        Self {
            kind: ActionKind::default(),
            targets: ActionTargets::default(),
            actuators: all(),
            scale: None,
            offset: ActionOffset::default(),
            clip: 1.0,
        }
    }
}

/// Meaning of the actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// The control itself: range centre plus `scale` times the action; `scale` is half the range when absent.
    #[default]
    Ctrl,
    /// Force of motors \[N·m or N\]: `scale` times the action.
    Effort,
    /// Target of position servos \[rad or m\]: `offset` plus `scale` times the action.
    Position,
    /// Target of velocity servos \[rad/s or m/s\]: `scale` times the action.
    Velocity,
    /// Change of the position servos' target \[rad or m\], which stays within the joint's range.
    PositionDelta,
}

/// Which actuators are driven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionTargets {
    /// All.
    #[default]
    All,
    /// Those on joints between the base and the end effector: an arm without its gripper.
    Chain,
}

/// What an action of 0 stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionOffset {
    /// The default pose.
    #[default]
    Default,
    /// Zero.
    Zero,
}

/// The pose that an episode starts from, before randomisation.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Initial {
    /// Where the default pose comes from.
    pub pose: InitialPose,
    /// Joint positions that differ from the default pose \[rad or m\].
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub positions: Table<f64>,
}

/// Where the default pose comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InitialPose {
    /// The keyframe, or without any the reference pose within the ranges of the joints.
    #[default]
    Default,
    /// The reference pose as the file has it, keyframes or not, even where it is outside the range of a joint.
    Reference,
}

/// What the policy is to follow; 3 numbers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Velocity of the base: forward and left \[m/s\], turning left \[rad/s\], in the base's heading.
    Velocity {
        /// Range of the forward speed \[m/s\].
        x: [f64; 2],
        /// Range of the speed to the left \[m/s\].
        #[serde(default)]
        y: [f64; 2],
        /// Range of the turning speed \[rad/s\].
        #[serde(default)]
        yaw: [f64; 2],
        /// Share of commands that are to stand still.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        standing: f64,
        /// Time after which a new command is drawn \[s\]; one for the whole episode when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        resample_seconds: Option<f64>,
    },
    /// A point in a box \[m\], world frame.
    PointInBox {
        /// Corner with the smallest coordinates.
        low: [f64; 3],
        /// Corner with the largest.
        high: [f64; 3],
    },
    /// A point in a spherical shell \[m\], world frame.
    PointInShell {
        /// Centre.
        center: [f64; 3],
        /// Inner and outer radius.
        radius: [f64; 2],
        /// Smallest height.
        #[serde(default)]
        min_height: f64,
    },
    /// A point that the end effector can reach: joint angles are drawn about the default pose and the end
    /// effector's place is taken.
    ReachablePoint {
        /// Largest distance of each joint from the default pose \[rad or m\]; its whole range when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        max_offset: Option<f64>,
        /// Smallest height of the point and of the bodies that carry it \[m\].
        #[serde(default)]
        min_height: f64,
        /// Smallest distance of the point from the vertical axis through the robot's base \[m\].
        #[serde(default)]
        #[schemars(range(min = 0.0))]
        min_radius: f64,
    },
    /// Where the thing that the episode's instruction names stands at the start, in the world.
    NamedObject {
        /// Added to the middle of the thing \[m\], in the world frame.
        #[serde(default)]
        offset: [f64; 3],
    },
    /// Where the target stands that the episode's instruction names, in the world.
    NamedTarget {
        /// Added to its place \[m\], in the world frame.
        #[serde(default)]
        offset: [f64; 3],
    },
}
