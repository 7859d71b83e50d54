//! Cameras: where they are, what they see.

use glam::{DMat3, DQuat, DVec3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Pose;
use crate::imager::Imager;
use crate::kinematics::center_of_mass_below;
use crate::lens::Lens;
use crate::robot::RobotModel;

/// Points of each side of an image at which a lens is tried.
const RIM: u32 = 64;

/// A camera on a body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// Unique name.
    pub name: String,
    /// The body that carries it; 0 is the world.
    pub body: usize,
    /// How it moves with that body.
    #[serde(default)]
    pub follow: Follow,
    /// `rig_from_camera`, where the rig is what [`Follow`] says: the body, for most. The camera's axes are OpenCV's: x right, y
    /// down, z forward.
    pub pose: Pose,
    /// Width and height of its image \[pixel\].
    pub size: [u32; 2],
    /// Focal lengths along x and y \[pixel\]; of a fisheye, pixels a radian at the middle.
    pub focal: [f64; 2],
    /// Principal point \[pixel\]; the first pixel's centre is at (0.5, 0.5), so the image's is at half its size.
    pub center: [f64; 2],
    /// How it bends rays.
    #[serde(default)]
    pub lens: Lens,
    /// Depth before which nothing is seen \[m\]; of a fisheye, distance.
    pub near: f64,
    /// Largest depth that it reports \[m\]: what is farther, or nothing at all, has this depth.
    pub far: f64,
    /// What it gives.
    pub channels: Vec<Channel>,
    /// What of it is observed, and when.
    #[serde(default)]
    pub imager: Imager,
}

impl Camera {
    /// A camera of a vertical field of view \[rad\] with square pixels, its principal point in the middle.
    pub fn new(name: &str, body: usize, pose: Pose, size: [u32; 2], fov_y: f64) -> Self {
        let focal = 0.5 * f64::from(size[1]) / (0.5 * fov_y).tan();
        Self {
            name: name.to_owned(),
            body,
            follow: Follow::Fixed,
            pose,
            size,
            focal: [focal; 2],
            center: size.map(|n| 0.5 * f64::from(n)),
            lens: Lens::Pinhole,
            near: 0.01,
            far: 100.0,
            channels: vec![Channel::Rgb],
            imager: Imager::default(),
        }
    }

    /// The same view in an image of another size: it keeps its height, and shows more or less at the sides.
    #[must_use]
    pub fn resized(mut self, size: [u32; 2]) -> Self {
        let scale = f64::from(size[1]) / f64::from(self.size[1]);
        let [old_width, new_width] = [self.size[0], size[0]].map(f64::from);
        self.focal = self.focal.map(|f| f * scale);
        self.center[0] = 0.5 * new_width + scale * (self.center[0] - 0.5 * old_width);
        self.center[1] *= scale;
        self.size = size;
        self
    }

    /// The same view with focal lengths multiplied by a factor: over 1 it shows less, larger.
    #[must_use]
    pub fn zoomed(mut self, factor: f64) -> Self {
        self.focal = self.focal.map(|f| f * factor);
        self
    }

    /// `world_from_camera`, of bodies at `world_from_body`.
    ///
    /// # Panics
    /// If the bodies are those of another model.
    pub fn world_pose(&self, model: &RobotModel, world_from_body: &[Pose]) -> Pose {
        self.follow.rig(model, self.body, world_from_body).compose(self.pose)
    }

    /// Vertical field of view \[rad\], distortion left out.
    pub fn fov_y(&self) -> f64 {
        2.0 * self.lens.angle(0.5 * f64::from(self.size[1]) / self.focal[1])
    }

    /// The unit ray through a point of the image \[pixel\], in the camera's frame; `None` where its lens has none.
    pub fn ray(&self, pixel: [f64; 2]) -> Option<DVec3> {
        self.lens.ray([0, 1].map(|k| (pixel[k] - self.center[k]) / self.focal[k]))
    }

    /// A point of the image \[pixel\] that the lens has no ray for, if there is one. They lie beyond those that have one,
    /// so the rim is looked at.
    pub fn blind_spot(&self) -> Option<[f64; 2]> {
        if self.lens.is_pinhole() {
            return None;
        }
        let size = self.size.map(f64::from);
        let along = |k: u32| f64::from(k) / f64::from(RIM);
        let rim = (0..=RIM).flat_map(|k| {
            let [x, y] = [along(k) * size[0], along(k) * size[1]];
            [[x, 0.0], [x, size[1]], [0.0, y], [size[0], y]]
        });
        rim.into_iter().find(|pixel| self.ray(*pixel).is_none())
    }
}

/// What a camera stands on: MuJoCo's camera modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Follow {
    /// Its body.
    #[default]
    Fixed,
    /// What goes where its body goes and never turns: it has the axes of the world (`track`, `trackcom`).
    Track {
        /// Whether it is at the centre of mass of the body and all that hangs on it, not at the body's origin.
        com: bool,
    },
    /// What stands on its body and looks at another one, with the world's z upwards in the image (`targetbody`,
    /// `targetbodycom`).
    Target {
        /// Where on its body \[m\].
        from: DVec3,
        /// The other body.
        body: usize,
        /// Whether it looks at the centre of mass of that body and all that hangs on it, not at its origin.
        com: bool,
    },
}

impl Follow {
    /// `world_from_rig` of a camera on a body.
    ///
    /// # Panics
    /// If the bodies are those of another model.
    pub fn rig(self, model: &RobotModel, body: usize, world_from_body: &[Pose]) -> Pose {
        let middle = |body: usize, com: bool| match com {
            true => center_of_mass_below(model, world_from_body, body),
            false => world_from_body[body].position,
        };
        match self {
            Self::Fixed => world_from_body[body],
            Self::Track { com } => Pose::from_position(middle(body, com)),
            Self::Target { from, body: target, com } => {
                let position = world_from_body[body].transform_point(from);
                Pose::new(position, looking_along(middle(target, com) - position, DVec3::Z))
            }
        }
    }
}

/// The rotation of a camera that looks along `forward` with `up` upwards in its image, OpenCV axes; straight along `up`
/// it has x upwards instead.
pub fn looking_along(forward: DVec3, up: DVec3) -> DQuat {
    let z = forward.try_normalize().unwrap_or(DVec3::X);
    let x = [up, DVec3::X, DVec3::Y].into_iter().find_map(|up| sideways(z, up)).unwrap_or(DVec3::X);
    DQuat::from_mat3(&DMat3::from_cols(x, z.cross(x), z)).normalize()
}

/// Rightwards for somebody who looks along `forward`, if `up` is not along it too.
fn sideways(forward: DVec3, up: DVec3) -> Option<DVec3> {
    let right = forward.cross(up);
    (right.length() > 1e-9).then(|| right.normalize())
}

/// What a camera gives. Images are `[channels, height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Colour, 8 bits of each of R, G, B and A = 255, sRGB; one packed number a pixel.
    Rgb,
    /// The same colour as three numbers in [0, 1].
    RgbFloat,
    /// Distance along the optical axis \[m\]; below 0 for what a fisheye sees behind it.
    Depth,
    /// Distance along the pixel's ray \[m\].
    Distance,
    /// Index of the geom, -1 where there is none.
    Segmentation,
    /// Index of the body, -1 where there is none.
    Link,
    /// 0 for ground and walls, 1 for robots, 2 for things; -1 where there is none.
    Class,
    /// Unit normal of the surface in the world, towards the camera; 0 where there is none.
    Normals,
    /// Light that comes in, as linear RGB without bounds: 1 is what is shown as white.
    Radiance,
    /// Optical flow: how far what is seen has moved in the image, to the right and down, since the poses before \[pixel\].
    Flow,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Rgb,
        Self::RgbFloat,
        Self::Depth,
        Self::Distance,
        Self::Segmentation,
        Self::Link,
        Self::Class,
        Self::Normals,
        Self::Radiance,
        Self::Flow,
    ];

    /// Numbers of a pixel.
    pub fn count(self) -> usize {
        match self {
            Self::RgbFloat | Self::Normals | Self::Radiance => 3,
            Self::Flow => 2,
            _ => 1,
        }
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rgb => "rgb",
            Self::RgbFloat => "rgb_float",
            Self::Depth => "depth",
            Self::Distance => "distance",
            Self::Segmentation => "segmentation",
            Self::Link => "link",
            Self::Class => "class",
            Self::Normals => "normals",
            Self::Radiance => "radiance",
            Self::Flow => "flow",
        }
    }
}

/// What a policy can see of a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PixelChannel {
    /// Red, green and blue, 8 bits each, in [0, 1], sRGB.
    Rgb,
    /// Brightness of the same colour in [0, 1]: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
    Grey,
    /// Distance along the optical axis \[m\].
    Depth,
    /// Distance along the pixel's ray \[m\].
    Distance,
    /// Unit normal of the surface in the world, towards the camera; 0 where there is none.
    Normals,
    /// Shares of the pixel that show ground and walls, robots, and things; what is left is sky.
    Class,
    /// Index of the geom, -1 where there is none: of one ray a pixel, as no number stands between two.
    Segmentation,
    /// Index of the body, -1 where there is none: of one ray a pixel.
    Link,
    /// Optical flow: how far what is seen has moved in the image since the last control step, to the right and down
    /// \[pixel\]; 0 when an episode begins.
    Flow,
}

impl PixelChannel {
    /// Numbers of a pixel.
    pub fn count(self) -> usize {
        match self {
            Self::Rgb | Self::Normals | Self::Class => 3,
            Self::Flow => 2,
            Self::Grey | Self::Depth | Self::Distance | Self::Segmentation | Self::Link => 1,
        }
    }

    /// What the camera must give for it.
    pub fn source(self) -> Channel {
        match self {
            Self::Rgb | Self::Grey => Channel::Rgb,
            Self::Depth => Channel::Depth,
            Self::Distance => Channel::Distance,
            Self::Normals => Channel::Normals,
            Self::Class => Channel::Class,
            Self::Segmentation => Channel::Segmentation,
            Self::Link => Channel::Link,
            Self::Flow => Channel::Flow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_that_looks_north_has_east_at_its_right() {
        let rotation = looking_along(DVec3::Y, DVec3::Z);
        assert!((rotation * DVec3::X).distance(DVec3::X) < 1e-12);
        assert!((rotation * DVec3::Y).distance(-DVec3::Z) < 1e-12);
        assert!((rotation * DVec3::Z).distance(DVec3::Y) < 1e-12);
        let down = looking_along(DVec3::NEG_Z, DVec3::Z);
        assert!((down * DVec3::Y).distance(-DVec3::X) < 1e-12);
    }

    #[test]
    fn resizing_keeps_the_field_of_view() {
        let camera = Camera::new("c", 0, Pose::IDENTITY, [64, 48], 0.8);
        assert!((camera.fov_y() - 0.8).abs() < 1e-12);
        let larger = camera.resized([320, 96]);
        assert!((larger.fov_y() - 0.8).abs() < 1e-12);
        assert_eq!((larger.center, larger.size), ([160.0, 48.0], [320, 96]));
    }
}
