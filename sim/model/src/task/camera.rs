//! Cameras of a scene.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::camera::Channel;

/// A pinhole camera. Its axes are OpenCV's: x right, y down, z forward.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraSpec {
    /// Unique name.
    pub name: String,
    /// Body that carries it: a link of the robot, a prop, or `world`.
    #[serde(default = "world")]
    pub mount: String,
    /// Camera of the robot file whose mount, place and field of view it has, instead of `mount`, `position` and the
    /// like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robot_camera: Option<String>,
    /// Where it is in the frame of its mount \[m\].
    #[serde(default)]
    pub position: [f64; 3],
    /// Point in the frame of its mount that is in the middle of its image \[m\]; the frame's z is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_at: Option<[f64; 3]>,
    /// `mount_from_camera`, xyzw, instead of `look_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<[f64; 4]>,
    /// Vertical field of view \[rad\]; 0.8 when neither this nor a focal length is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 3.1))]
    pub fov_y: Option<f64>,
    /// Focal length \[pixel\], instead of `fov_y`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub focal_length: Option<f64>,
    /// Width of its image \[pixel\].
    #[serde(default = "side")]
    #[schemars(range(min = 1, max = 16384))]
    pub width: u32,
    /// Height of its image \[pixel\].
    #[serde(default = "side")]
    #[schemars(range(min = 1, max = 16384))]
    pub height: u32,
    /// What it gives.
    #[serde(default = "rgb")]
    pub channels: Vec<Channel>,
    /// Depth before which nothing is seen \[m\].
    #[serde(default = "near")]
    #[schemars(range(min = 0.0))]
    pub near: f64,
    /// Largest depth that it reports \[m\], also of what is not there.
    #[serde(default = "far")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub far: f64,
}

fn world() -> String {
    "world".to_owned()
}

fn side() -> u32 {
    64
}

fn rgb() -> Vec<Channel> {
    vec![Channel::Rgb]
}

fn near() -> f64 {
    0.01
}

fn far() -> f64 {
    100.0
}
