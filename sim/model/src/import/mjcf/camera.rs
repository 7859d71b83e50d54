//! `<camera>`: pinhole cameras fixed to bodies.

use std::f64::consts::PI;

use glam::DQuat;

use super::Reader;
use super::geom::Scope;
use super::names::Target;
use crate::Pose;
use crate::camera::Camera;
use crate::error::{ErrorKind, Result};
use crate::import::xml::Element;

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
        let dropped = if orthographic {
            Some("orthographic cameras are not supported")
        } else if mode >= 3 {
            e.get("target");
            Some("cameras that turn towards a body are not supported")
        } else {
            None
        };
        if let Some(reason) = dropped {
            self.cameras.claim(e, scope.suffix, Target::Dropped, self.limits)?;
            e.visit_all();
            self.report.dropped_visual(e, "", reason);
            return Ok(());
        }
        if mode > 0 {
            self.report.approximated(e, "`mode`", "the camera turns with its body");
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
        Ok(())
    }
}
