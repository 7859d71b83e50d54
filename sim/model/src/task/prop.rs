//! The things of a scene that are not the robot.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one;
use super::scene::{upright, yes};
use crate::material::Finish;

/// A thing in the scene that is not the robot.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prop {
    /// Unique name of its body, joint and geom.
    pub name: String,
    /// Its shape.
    pub shape: PropShape,
    /// Where it stands \[m\].
    #[serde(default)]
    pub position: [f64; 3],
    /// How it is turned, xyzw.
    #[serde(default = "upright")]
    pub rotation: [f64; 4],
    /// Mass \[kg\]; without one it never moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub mass: Option<f64>,
    /// Whether it touches anything. Without, only cameras see it: a mark on the table.
    #[serde(default = "yes")]
    pub contact: bool,
    /// Sliding friction \[1\].
    #[serde(default = "one")]
    #[schemars(range(min = 0.0))]
    pub friction: f64,
    /// Restitution \[1\].
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub restitution: f64,
    /// Colour, RGBA in [0, 1].
    #[serde(default = "grey")]
    pub rgba: [f32; 4],
    /// How its surface sends light back; dull without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
    /// A material of the scene or of the robot file, instead of `finish`; its colour counts, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<String>,
}

fn grey() -> [f32; 4] {
    [0.5, 0.5, 0.5, 1.0]
}

/// Shape of a [`Prop`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PropShape {
    /// Infinite floor below z = 0 of its frame; never moves.
    Plane,
    /// Box.
    Box {
        /// Half sizes \[m\].
        half_size: [f64; 3],
    },
    /// Ball.
    Sphere {
        /// Radius \[m\].
        #[schemars(extend("exclusiveMinimum" = 0))]
        radius: f64,
    },
    /// Segment along z with a radius.
    Capsule {
        /// Radius \[m\].
        #[schemars(extend("exclusiveMinimum" = 0))]
        radius: f64,
        /// Half of the segment's length \[m\].
        #[schemars(extend("exclusiveMinimum" = 0))]
        half_length: f64,
    },
    /// Cylinder along z.
    Cylinder {
        /// Radius \[m\].
        #[schemars(extend("exclusiveMinimum" = 0))]
        radius: f64,
        /// Half of its height \[m\].
        #[schemars(extend("exclusiveMinimum" = 0))]
        half_length: f64,
    },
    /// Open box on the z = 0 plane of its frame: a floor and four walls; never moves.
    Tray {
        /// Half sizes of the floor that is inside, along x and y \[m\].
        half_size: [f64; 2],
        /// Height of the walls \[m\].
        #[schemars(extend("exclusiveMinimum" = 0))]
        height: f64,
        /// Thickness of floor and walls \[m\].
        #[schemars(extend("exclusiveMinimum" = 0))]
        thickness: f64,
    },
}
