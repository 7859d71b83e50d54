//! What ends an episode, and what makes it a success.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Patterns, one};

/// One entry of the terminations.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TerminationTerm {
    /// What ends the episode.
    #[serde(flatten)]
    pub term: Termination,
}

/// A state beyond which there is nothing to learn.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "term", rename_all = "snake_case")]
pub enum Termination {
    /// A joint's position leaves a range.
    JointOutOfRange {
        /// Which joints.
        joints: Patterns,
        /// Smallest and largest position \[rad or m\].
        range: [f64; 2],
    },
    /// The base's height leaves a range.
    BaseHeightOutside {
        /// Smallest and largest height \[m\].
        range: [f64; 2],
    },
    /// The base's z axis leans from up by more than an angle.
    Tilt {
        /// The angle \[rad\].
        #[schemars(range(min = 0.0, max = 3.2))]
        angle: f64,
    },
    /// A body is touched.
    ContactOn {
        /// Which bodies.
        bodies: Patterns,
        /// Net contact force that counts \[N\].
        #[serde(default = "one")]
        #[schemars(range(min = 0.0))]
        force: f64,
    },
    /// The base leaves a square about the origin.
    OutOfBounds {
        /// Half of its side \[m\].
        #[schemars(extend("exclusiveMinimum" = 0))]
        half_size: f64,
    },
}

/// When an episode counts as a success; judged in its last step.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "term", rename_all = "snake_case", deny_unknown_fields)]
pub enum Success {
    /// No termination: it lasted its full time.
    Survived,
    /// A site or body is near a commanded point.
    Within {
        /// Name of a point command.
        command: String,
        /// Site or body; the end effector when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frame: Option<String>,
        /// Largest distance \[m\].
        #[schemars(extend("exclusiveMinimum" = 0))]
        distance: f64,
    },
    /// The thing that the instruction names is at the target that it names, at rest and let go.
    Placed {
        /// Largest distance of their middles seen from above \[m\].
        #[schemars(extend("exclusiveMinimum" = 0))]
        distance: f64,
        /// Largest difference of their heights \[m\].
        #[schemars(extend("exclusiveMinimum" = 0))]
        height: f64,
        /// Largest speed of the thing \[m/s\].
        #[schemars(extend("exclusiveMinimum" = 0))]
        speed: f64,
        /// Least distance of a site or body from the thing's middle \[m\].
        #[serde(default)]
        #[schemars(range(min = 0.0))]
        clear: f64,
        /// Which site or body; the end effector when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frame: Option<String>,
    },
    /// It lasted its full time, and a reward term's mean over the episode, before its weight, is within bounds.
    RewardMean {
        /// Name of the reward term.
        reward: String,
        /// Smallest mean; no bound when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<f64>,
        /// Largest mean; no bound when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<f64>,
    },
}
