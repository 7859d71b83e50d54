//! Lamps of a scene.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one;

/// A lamp. Its light falls with the square of the distance.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LampSpec {
    /// Unique name.
    pub name: String,
    /// Body that carries it: a link of the robot, a prop, or `world`.
    #[serde(default = "world")]
    pub mount: String,
    /// Where it is in the frame of its mount \[m\].
    pub position: [f64; 3],
    /// Red, green and blue in [0, 1], sRGB.
    #[serde(default = "white")]
    pub color: [f64; 3],
    /// Light on a surface that faces it at 1 m; at 1 a white one is just not overexposed.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0))]
    pub brightness: f64,
    /// Distance at which its light ends \[m\].
    #[serde(default = "range")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub range: f64,
    /// Point in the frame of its mount at which a spot shines \[m\]; without, it shines everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_at: Option<[f64; 3]>,
    /// Angles from the direction of a spot at which its light begins to fall and at which it ends \[rad\].
    #[serde(default = "cone")]
    pub cone: [f64; 2],
    /// Whether things cast shadows in its light; planes never do.
    #[serde(default = "yes")]
    pub shadow: bool,
}

fn world() -> String {
    "world".to_owned()
}

fn white() -> [f64; 3] {
    [1.0; 3]
}

fn range() -> f64 {
    20.0
}

fn cone() -> [f64; 2] {
    [0.4, 0.6]
}

fn yes() -> bool {
    true
}
