//! `<camera>`: pinhole cameras on bodies.

use std::f64::consts::PI;

use glam::DQuat;

use super::Reader;
use super::geom::Scope;
use super::names::Target;
use crate::Pose;
use crate::camera::{Camera, Follow};
use crate::error::{ErrorKind, Result};
use crate::import::xml::{Attribute, Element};
use crate::kinematics::forward_kinematics;

/// Image of a camera whose file does not say how large it is \[pixel\].
const SIZE: [u32; 2] = [64, 64];
/// Largest side of an image \[pixel\].
const MAX_SIDE: f64 = 16_384.0;

impl<'a> Reader<'a> {
    /// MuJoCo's cameras look along -z with y upwards.
    pub(super) fn read_camera(&mut self, e: &'a Element, scope: Scope<'_>) -> Result<()> {
        e.visit();
        let mut pose = Pose::IDENTITY;
        let (mut fov_y, mut resolution) = (45.0, [1.0, 1.0]);
        let (mut sensor, mut focal, mut focal_pixel) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        let (mut mode, mut orthographic) = (0, false);
        const MODES: [&str; 5] = ["fixed", "track", "trackcom", "targetbody", "targetbodycom"];
        for source in self.defaults.for_element(e, scope.class, &["camera"])?.into_iter().chain([e]) {
            pose.position = source.vec3("pos")?.unwrap_or(pose.position);
            pose.rotation = self.compiler.orientation(source)?.unwrap_or(pose.rotation);
            // In degrees whatever the file's unit of angles.
            fov_y = source.f64("fovy")?.unwrap_or(fov_y);
            resolution = source.array("resolution")?.unwrap_or(resolution);
            sensor = source.array("sensorsize")?.unwrap_or(sensor);
            focal = source.array("focal")?.unwrap_or(focal);
            focal_pixel = source.array("focalpixel")?.unwrap_or(focal_pixel);
            mode = source.keyword("mode", &MODES)?.unwrap_or(mode);
            orthographic |= source.bool("orthographic")?.unwrap_or(false);
            orthographic |= source.keyword("projection", &["perspective", "orthographic"])? == Some(1);
        }
        let value = |at: &str, message: String| e.error_at(at, ErrorKind::Value, message);
        if !(orthographic || (fov_y > 0.0 && fov_y < 180.0)) {
            return Err(value("fovy", format!("{}: `fovy` is {fov_y}", e.describe()))
                .allowed("more than 0 and less than 180 degrees"));
        }
        if resolution.iter().any(|n: &f64| !(1.0..=MAX_SIDE).contains(n) || n.fract() != 0.0) {
            return Err(value("resolution", format!("{}: `resolution` is {resolution:?}", e.describe()))
                .allowed(format!("whole numbers from 1 to {MAX_SIDE}")));
        }
        if orthographic {
            self.cameras.claim(e, scope.suffix, Target::Dropped, self.limits)?;
            e.visit_all();
            self.report.dropped_visual(e, "", "orthographic cameras are not supported");
            return Ok(());
        }
        let turns = mode >= 3;
        let target = e.get("target").filter(|_| turns);
        if turns && target.is_none() {
            let message = format!("{}: a camera of mode `{}` needs a `target`", e.describe(), MODES[mode]);
            return Err(e.error_at("mode", ErrorKind::Structure, message));
        }
        let index = self.model.cameras.len();
        let name = self.cameras.claim(e, scope.suffix, Target::Kept(index), self.limits)?;
        pose.rotation *= DQuat::from_rotation_x(PI);
        let size = if resolution == [1.0, 1.0] { SIZE } else { resolution.map(|n| n as u32) };
        let mut camera = Camera::new(&name, scope.body, scope.frame.compose(pose), size, fov_y.to_radians());
        for k in 0..2 {
            if sensor[k] > 0.0 && focal_pixel[k] > 0.0 {
                camera.focal[k] = focal_pixel[k];
            } else if sensor[k] > 0.0 && focal[k] > 0.0 {
                camera.focal[k] = focal[k] / sensor[k] * f64::from(size[k]);
            }
        }
        self.model.cameras.push(camera);
        if mode > 0 {
            let com = MODES[mode].ends_with("com");
            self.following_cameras.push(Following { index, com, target });
        }
        Ok(())
    }

    /// Puts the cameras that follow a body on rigs of their own. What never turns is turned as at the reference pose.
    pub(super) fn place_cameras(&mut self) -> Result<()> {
        if self.following_cameras.is_empty() {
            return Ok(());
        }
        let poses = forward_kinematics(&self.model, &self.model.reference_qpos());
        for Following { index, com, target } in std::mem::take(&mut self.following_cameras) {
            let Camera { body, pose, .. } = self.model.cameras[index];
            let (follow, pose) = match target {
                None => {
                    let follow = Follow::Track { com };
                    (
                        follow,
                        follow.rig(&self.model, body, &poses).inverse().compose(poses[body].compose(pose)),
                    )
                }
                Some(target) => {
                    let Target::Kept(target) = self.bodies.find(target)? else { continue };
                    (Follow::Target { from: pose.position, body: target, com }, Pose::IDENTITY)
                }
            };
            let camera = &mut self.model.cameras[index];
            (camera.follow, camera.pose) = (follow, pose);
        }
        Ok(())
    }
}

/// A camera that is not fixed to its body.
pub(super) struct Following<'a> {
    index: usize,
    /// Whether it goes with, or looks at, a centre of mass.
    com: bool,
    /// The attribute that names the body that it looks at.
    target: Option<&'a Attribute>,
}
