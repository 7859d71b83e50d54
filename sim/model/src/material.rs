//! Surfaces: how they send light back, and the pictures on them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A surface that geoms share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Material {
    /// Unique name.
    pub name: String,
    /// How it sends light back; without one it is dull, with a faint highlight.
    pub finish: Option<Finish>,
    /// The picture on it.
    pub texture: Option<TextureUse>,
    /// Colour of geoms that are given it, sRGB in [0, 1]; their own stays when absent.
    #[serde(default)]
    pub rgba: Option<[f32; 4]>,
}

/// How a surface sends light back: glTF's metal and roughness, with a factor on what is mirrored. Colours come from geoms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Finish {
    /// From 0, polished, to 1, dull. Its square is the α of GGX; under 0.089 it looks like 0.089, as a highlight would fall
    /// between the rays.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub roughness: f64,
    /// 0 for what is no metal, 1 for metals, which mirror in their own colour.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub metallic: f64,
    /// What the surface mirrors where it is no metal, seen straight on, in units of 8 %: 0.5 is most plastics.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub specular: f64,
    /// Light that it gives by itself, times its colour.
    #[schemars(range(min = 0.0))]
    pub emission: f64,
}

impl Default for Finish {
    fn default() -> Self {
        Self { roughness: 0.5, metallic: 0.0, specular: 0.5, emission: 0.0 }
    }
}

/// A texture on a surface.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextureUse {
    /// Index into [`RobotModel::textures`](crate::RobotModel::textures).
    pub texture: usize,
    /// How often it repeats on a geom, along the picture's columns and rows.
    pub repeat: [f64; 2],
    /// Whether that is times the geom's half sizes along x and y \[m\], so that it is as large on all planes and boxes.
    pub uniform: bool,
}

/// What a [`Texture`] is laid on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextureKind {
    /// One picture around a shape, on each side of a box, along x and y of a plane, or by the coordinates of a mesh.
    Flat,
    /// Six square pictures seen from the middle of a geom: towards x, -x, y, -y, z and -z, turned as OpenGL's cube maps.
    Cube,
}

impl TextureKind {
    /// Number of pictures.
    pub fn num_faces(self) -> usize {
        match self {
            Self::Flat => 1,
            Self::Cube => 6,
        }
    }
}

/// Pictures that go on for ever, or that enclose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Texture {
    /// Unique name.
    pub name: String,
    /// What it is laid on.
    pub kind: TextureKind,
    /// Columns of a picture.
    pub width: usize,
    /// Rows of a picture.
    pub height: usize,
    /// Red, green and blue of 8 bits, sRGB `[pictures, height, width, 3]`.
    pub pixels: Vec<u8>,
}
