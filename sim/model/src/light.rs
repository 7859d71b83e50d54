//! Light: lamps on bodies, and how much of the day there is.

use glam::DVec3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A lamp on a body. What comes from it falls with the square of the distance, within its range and cone
/// (glTF's KHR_lights_punctual), where nothing else is said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lamp {
    /// Unique name.
    pub name: String,
    /// The body that carries it; 0 is the world.
    pub body: usize,
    /// Where it is in the body's frame \[m\].
    pub position: DVec3,
    /// Where a spot or parallel light shines, unit, in the body's frame.
    pub direction: DVec3,
    /// Light on a surface that faces it at 1 m, linear RGB: 1 shows a white one as white.
    pub color: DVec3,
    /// Distance at which its light ends \[m\].
    pub range: f64,
    /// Angles from its direction at which its light begins to fall and at which it ends \[rad\]; `None` shines everywhere.
    pub cone: Option<[f64; 2]>,
    /// Power of the cosine of the angle from its direction that its light falls with, besides the cone.
    #[serde(default)]
    pub exponent: f64,
    /// What its light is divided by at a distance: a constant, and factors of the distance \[1/m\] and of its square \[1/m²\].
    #[serde(default = "by_square")]
    pub attenuation: [f64; 3],
    /// Whether its light comes from everywhere in one direction, from no place and as strong everywhere.
    #[serde(default)]
    pub parallel: bool,
    /// Whether things cast shadows in its light; planes and height fields that it is above never do.
    pub shadow: bool,
}

fn by_square() -> [f64; 3] {
    [0.0, 0.0, 1.0]
}

impl Default for Lamp {
    /// A white bulb at the world's origin.
    fn default() -> Self {
        Self {
            name: String::new(),
            body: 0,
            position: DVec3::ZERO,
            direction: DVec3::NEG_Z,
            color: DVec3::ONE,
            range: 20.0,
            cone: None,
            exponent: 0.0,
            attenuation: by_square(),
            parallel: false,
            shadow: true,
        }
    }
}

/// Light as a robot file describes it. It takes the place of sun, sky and the light of cameras where it is asked for
/// ([`RobotModel::shine_as_file`](crate::RobotModel::shine_as_file)); the sky stays in the picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileLight {
    /// Its lamps.
    pub lamps: Vec<Lamp>,
    /// Light that cameras give, linear RGB.
    pub headlight: DVec3,
    /// Light that comes from everywhere, linear RGB.
    pub ambient: DVec3,
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
