//! Cameras of a scene.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::camera::Channel;
use crate::imager::{ColorSensor, DepthSensor};
use crate::lens::Lens;

/// A camera. Its axes are OpenCV's: x right, y down, z forward.
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
    /// How it moves with its mount.
    #[serde(default, skip_serializing_if = "CameraMode::is_fixed")]
    pub mode: CameraMode,
    /// Body that it looks at, in the modes that say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Where it is in the frame of its mount, or from what it tracks along the world's axes \[m\].
    #[serde(default)]
    pub position: [f64; 3],
    /// Point that is in the middle of its image, likewise \[m\]; z is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_at: Option<[f64; 3]>,
    /// `mount_from_camera`, xyzw, instead of `look_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<[f64; 4]>,
    /// Vertical field of view \[rad\], distortion left out; 0.8 when neither this nor a focal length is given. Over 3.1 for
    /// lenses alone that see beside and behind the camera.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 6.2))]
    pub fov_y: Option<f64>,
    /// Horizontal field of view \[rad\], distortion left out; when absent, pixels are square.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 6.3))]
    pub fov_x: Option<f64>,
    /// Focal length \[pixel\], instead of `fov_y`; of a fisheye, pixels a radian at the middle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub focal_length: Option<f64>,
    /// Focal lengths along x and y \[pixel\], instead of one for both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focal_lengths: Option<[f64; 2]>,
    /// Where the optical axis meets the image \[pixel\], its middle when absent. The first pixel's centre is at
    /// (0.5, 0.5): half a pixel more than OpenCV says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_point: Option<[f64; 2]>,
    /// How it bends rays.
    #[serde(default, skip_serializing_if = "Lens::is_pinhole")]
    pub lens: Lens,
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
    /// Depth before which nothing is seen \[m\]; of a fisheye, distance.
    #[serde(default = "near")]
    #[schemars(range(min = 0.0))]
    pub near: f64,
    /// Largest depth that it reports \[m\], also of what is not there.
    #[serde(default = "far")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub far: f64,
    /// What makes colours of light; perfect when absent. Here and below: what is observed of it, not what `channels`
    /// gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color_sensor: Option<ColorSensor>,
    /// What measures depths and distances; perfect when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth_sensor: Option<DepthSensor>,
    /// Control steps from one frame to the next; between them the last one is observed.
    #[serde(default = "single")]
    #[schemars(range(min = 1, max = 10000))]
    pub every: u32,
    /// Frames that are taken between a frame and its being observed.
    #[serde(default)]
    #[schemars(range(max = 64))]
    pub latency: u32,
}

/// How a camera moves with its mount, in MuJoCo's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CameraMode {
    /// It is fixed to it.
    #[default]
    Fixed,
    /// It keeps its place beside the mount's origin, and its direction in the world.
    Track,
    /// It keeps its place beside the centre of mass of the mount and all that hangs on it, and its direction in the world.
    TrackCom,
    /// It stands on its mount and turns towards the origin of its target.
    TargetBody,
    /// It stands on its mount and turns towards the centre of mass of its target and all that hangs on it.
    TargetBodyCom,
}

impl CameraMode {
    fn is_fixed(&self) -> bool {
        *self == Self::Fixed
    }
}

fn single() -> u32 {
    1
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
