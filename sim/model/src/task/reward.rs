//! What can be rewarded. Penalties are positive terms with a negative weight.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Patterns, all};

/// One entry of the reward: `weight · term`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RewardTerm {
    /// What is rewarded.
    #[serde(flatten)]
    pub term: Reward,
    /// Factor.
    pub weight: f64,
}

/// How a distance becomes a reward in (0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// `1 - tanh(d / scale)`.
    #[default]
    Tanh,
    /// `exp(-(d / scale)²)`.
    Exp,
}

/// Something to reward. `base` is the robot's first body.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "term", rename_all = "snake_case")]
pub enum Reward {
    /// 1 in every step that does not end by a termination.
    Alive,
    /// Cosine of the angle between the base's z axis and up.
    Upright,
    /// Speed of the base along world x \[m/s\].
    ForwardVelocity {
        /// Speed beyond which no more is given \[m/s\].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<f64>,
    },
    /// Mean velocity of a body's origin along a direction of the world over the control step: the way that it
    /// came, over the step's time \[m/s\].
    MeanVelocity {
        /// Which body; the base when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// The direction; its length does not matter.
        #[serde(default = "forward")]
        axis: [f64; 3],
    },
    /// `exp(-e² / sigma)`, `e` the error of the base's x and y velocity in the base frame \[m/s\].
    TrackLinearVelocity {
        /// Name of a velocity command.
        command: String,
        /// Width \[m²/s²\].
        #[serde(default = "quarter")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        sigma: f64,
    },
    /// `exp(-e² / sigma)`, `e` the error of the base's turning speed in the base frame \[rad/s\].
    TrackAngularVelocity {
        /// Name of a velocity command.
        command: String,
        /// Width \[rad²/s²\].
        #[serde(default = "quarter")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        sigma: f64,
    },
    /// Error of the base's x and y velocity in the base frame \[m/s\]; with weight 0 a figure that evaluations report.
    VelocityError {
        /// Name of a velocity command.
        command: String,
    },
    /// Error of the base's turning speed in the base frame \[rad/s\]; with weight 0 a figure that evaluations report.
    TurningError {
        /// Name of a velocity command.
        command: String,
    },
    /// Square of the base's vertical speed \[m²/s²\].
    LinearVelocityZ,
    /// Sum of squares of the base's roll and pitch rate \[rad²/s²\].
    AngularVelocityXy,
    /// Sum of squares of the x and y components of gravity's direction in the base frame.
    Orientation,
    /// Square of the base's distance from a height \[m²\].
    BaseHeight {
        /// The height \[m\].
        target: f64,
    },
    /// Sum of squares of actuator forces \[N²m² or N²\].
    Torque {
        /// Which actuators.
        #[serde(default = "all")]
        actuators: Patterns,
    },
    /// Sum of squares of joint velocities \[rad²/s²\].
    JointVelocity {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
    },
    /// Sum of squares of joint accelerations, by difference over a control step \[rad²/s⁴\].
    JointAcceleration {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
    },
    /// Sum of squares of the actions.
    Action,
    /// Sum of squares of the change of the actions since the last step.
    ActionRate,
    /// Sum of absolute mechanical power over actuators on scalar joints \[W\].
    Energy,
    /// Sum of how far joints are outside the inner part of their range \[rad or m\].
    JointLimits {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
        /// Share of the range that is free.
        #[serde(default = "nine_tenths")]
        #[schemars(range(min = 0.0, max = 1.0))]
        inner: f64,
    },
    /// Sum of squares of the distance of joints from the default pose \[rad²\].
    PoseDeviation {
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
    },
    /// Sum of absolute distances of joints from the default pose while the commanded speed is below
    /// 0.1 \[rad\].
    StandStill {
        /// Name of a velocity command.
        command: String,
        /// Which joints.
        #[serde(default = "all")]
        joints: Patterns,
    },
    /// At the step a foot lands: the time it was in the air less `threshold`, summed; nothing while the
    /// commanded speed is below 0.1 \[s\].
    FeetAirTime {
        /// Bodies that are feet.
        bodies: Patterns,
        /// Time in the air that earns nothing \[s\].
        #[serde(default = "tenth")]
        #[schemars(range(min = 0.0))]
        threshold: f64,
        /// Name of a velocity command; without one it is always given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
    },
    /// Sum of squares of the horizontal speed of feet on the ground \[m²/s²\].
    FeetSlip {
        /// Sites or bodies at the soles; the body that carries a site counts as the foot.
        feet: Patterns,
    },
    /// Sum of squares of the distance of moving feet from a height, weighted by the root of their speed.
    FeetClearance {
        /// Sites or bodies at the soles.
        feet: Patterns,
        /// Height of the swing \[m\].
        target: f64,
    },
    /// Sum of squares of contact forces, each component clipped \[N²\].
    ContactCost {
        /// Which bodies.
        #[serde(default = "all")]
        bodies: Patterns,
        /// Bound of each component \[N\].
        #[serde(default = "super::one")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        clip: f64,
    },
    /// Number of bodies touched with more than `force`.
    UndesiredContact {
        /// Which bodies.
        bodies: Patterns,
        /// Threshold \[N\].
        #[serde(default = "super::one")]
        #[schemars(range(min = 0.0))]
        force: f64,
    },
    /// Distance of a site or body to a commanded point \[m\].
    ReachDistance {
        /// Name of a point command.
        command: String,
        /// Site or body; the end effector when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frame: Option<String>,
    },
    /// The same through a kernel: 1 at the point.
    ReachFine {
        /// Name of a point command.
        command: String,
        /// Site or body; the end effector when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frame: Option<String>,
        /// Width of the kernel \[m\].
        #[serde(default = "tenth")]
        #[schemars(extend("exclusiveMinimum" = 0))]
        scale: f64,
        /// Shape of the kernel.
        #[serde(default)]
        kernel: Kernel,
    },
    /// Distance of a site or body to the thing that the instruction names \[m\].
    ObjectDistance {
        /// Site or body; the end effector when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frame: Option<String>,
    },
    /// Distance of the thing that the instruction names to the target that it names \[m\].
    PlaceDistance,
    /// 1 while the success condition holds.
    Success,
    /// 1 in the step that ends by a termination.
    Termination,
}

fn forward() -> [f64; 3] {
    [1.0, 0.0, 0.0]
}

fn quarter() -> f64 {
    0.25
}

fn tenth() -> f64 {
    0.1
}

fn nine_tenths() -> f64 {
    0.9
}
