//! Cameras of the scene, appended to those of the robot file.

use glam::DVec3;

use super::unit_rotation;
use crate::Pose;
use crate::camera::{Camera, looking_along};
use crate::error::{ErrorKind, Result};
use crate::robot::RobotModel;
use crate::task::{CameraSpec, Source};

/// Vertical field of view of a camera that says none \[rad\].
const FOV_Y: f64 = 0.8;

/// Appends a camera.
pub(super) fn append(model: &mut RobotModel, spec: &CameraSpec, index: usize, source: &Source) -> Result<()> {
    let path = |key: &str| format!("cameras.{index}.{key}");
    let refuse = |key: &str, message: &str| Err(source.error(ErrorKind::Structure, &path(key), message));
    if spec.name.is_empty() || model.cameras.iter().any(|camera| camera.name == spec.name) {
        let message = format!("the name `{}` is taken by another camera", spec.name);
        return refuse("name", &message);
    }
    let size = [spec.width, spec.height];
    let mut camera = match &spec.robot_camera {
        Some(name) => {
            if spec.look_at.is_some() || spec.rotation.is_some() || spec.mount != "world" {
                return refuse("robot_camera", "both `robot_camera` and a place of its own");
            }
            let found = model.cameras.iter().find(|camera| camera.name == *name).ok_or_else(|| {
                let names = model.cameras.iter().map(|camera| camera.name.as_str());
                source.unknown(&path("robot_camera"), "camera of the robot", name, names)
            })?;
            Camera { name: spec.name.clone(), ..found.clone() }.resized(size)
        }
        None => {
            let body = model.bodies.iter().position(|body| body.name == spec.mount).ok_or_else(|| {
                let names = model.bodies.iter().map(|body| body.name.as_str());
                source.unknown(&path("mount"), "body", &spec.mount, names)
            })?;
            let position = DVec3::from(spec.position);
            let rotation = match (spec.look_at, spec.rotation) {
                (Some(_), Some(_)) => return refuse("rotation", "both `look_at` and `rotation`"),
                (None, None) => return refuse("name", "the camera needs `look_at` or `rotation`"),
                (Some(target), None) => {
                    let forward = DVec3::from(target) - position;
                    if forward.length() < 1e-9 {
                        return refuse("look_at", "the camera looks at where it is");
                    }
                    looking_along(forward, DVec3::Z)
                }
                (None, Some(xyzw)) => unit_rotation(xyzw).ok_or_else(|| {
                    source.error(ErrorKind::Value, &path("rotation"), "the quaternion has no length")
                })?,
            };
            Camera::new(&spec.name, body, Pose::new(position, rotation), size, FOV_Y)
        }
    };
    match (spec.fov_y, spec.focal_length) {
        (Some(_), Some(_)) => return refuse("focal_length", "both `fov_y` and `focal_length`"),
        (Some(fov_y), None) => camera.focal = [0.5 * f64::from(spec.height) / (0.5 * fov_y).tan(); 2],
        (None, Some(focal)) => camera.focal = [focal; 2],
        (None, None) => {}
    }
    if spec.channels.is_empty() {
        return refuse("channels", "the camera gives nothing");
    }
    camera.channels.clone_from(&spec.channels);
    (camera.near, camera.far) = (spec.near, spec.far);
    model.cameras.push(camera);
    Ok(())
}
