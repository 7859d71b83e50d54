//! Materials of a scene.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::material::Finish;

/// A surface that props can have, and that bodies can be given by `randomize`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaterialSpec {
    /// Unique name, also among those of the robot file.
    pub name: String,
    /// Colour, RGBA in [0, 1], sRGB; a picture is multiplied by it. That of the geom when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rgba: Option<[f32; 4]>,
    /// How it sends light back; dull without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<Finish>,
    /// PNG file with the picture on it, relative to the scene's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texture: Option<PathBuf>,
    /// How often the picture repeats on a geom, along its columns and rows.
    #[serde(default = "once")]
    #[schemars(inner(range(min = 0.0)))]
    pub repeat: [f64; 2],
    /// Whether that is times the geom's half sizes along x and y \[m\], so that the picture is as large on all planes and boxes.
    #[serde(default)]
    pub uniform: bool,
}

fn once() -> [f64; 2] {
    [1.0; 2]
}
