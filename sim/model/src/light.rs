//! Light: lamps on bodies, and how much of the day there is.

use glam::DVec3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A lamp on a body. What comes from it falls with the square of the distance, within its range and cone
/// (glTF's KHR_lights_punctual).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lamp {
    /// Unique name.
    pub name: String,
    /// The body that carries it; 0 is the world.
    pub body: usize,
    /// Where it is in the body's frame \[m\].
    pub position: DVec3,
    /// Where a spot shines, unit, in the body's frame.
    pub direction: DVec3,
    /// Light on a surface that faces it at 1 m, linear RGB: 1 shows a white one as white.
    pub color: DVec3,
    /// Distance at which its light ends \[m\].
    pub range: f64,
    /// Angles from its direction at which its light begins to fall and at which it ends \[rad\]; `None` shines everywhere.
    pub cone: Option<[f64; 2]>,
    /// Whether things cast shadows in its light; planes and height fields that it is above never do.
    pub shadow: bool,
}

/// Factors on the light that scenes have by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Daylight {
    /// On the sun.
    #[schemars(range(min = 0.0))]
    pub sun: f64,
    /// On the sky, and on the light that comes from everywhere.
    #[schemars(range(min = 0.0))]
    pub sky: f64,
    /// On the light that cameras give.
    #[schemars(range(min = 0.0))]
    pub headlight: f64,
}

impl Default for Daylight {
    fn default() -> Self {
        Self { sun: 1.0, sky: 1.0, headlight: 1.0 }
    }
}
