//! Cameras of the scene, appended to those of the robot file.

use glam::{DQuat, DVec3};

use super::unit_rotation;
use crate::Pose;
use crate::camera::{Camera, Follow, looking_along};
use crate::error::{ErrorKind, Result};
use crate::imager::{FrameTiming, Imager};
use crate::robot::RobotModel;
use crate::task::{CameraMode, CameraSpec, Source};

/// Vertical field of view of a camera that says none \[rad\].
const FOV_Y: f64 = 0.8;

/// The widest field of view of a camera that is no fisheye \[rad\].
const WIDEST: f64 = 3.1;

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
            let has_place = spec.look_at.is_some() || spec.rotation.is_some() || spec.mount != "world";
            if has_place || spec.mode != CameraMode::Fixed || spec.target.is_some() {
                return refuse("robot_camera", "both `robot_camera` and a place of its own");
            }
            let found = model.cameras.iter().find(|camera| camera.name == *name).ok_or_else(|| {
                let names = model.cameras.iter().map(|camera| camera.name.as_str());
                source.unknown(&path("robot_camera"), "camera of the robot", name, names)
            })?;
            Camera { name: spec.name.clone(), ..found.clone() }.resized(size)
        }
        None => {
            let body = body_named(model, &spec.mount, &path("mount"), source)?;
            let position = DVec3::from(spec.position);
            let turns = matches!(spec.mode, CameraMode::TargetBody | CameraMode::TargetBodyCom);
            let rotation = match (spec.look_at, spec.rotation) {
                (Some(_), Some(_)) => return refuse("rotation", "both `look_at` and `rotation`"),
                _ if turns => DQuat::IDENTITY,
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
            let follow = follow(model, spec, position, &path, source)?;
            let pose = match follow {
                Follow::Target { .. } => Pose::IDENTITY,
                _ => Pose::new(position, rotation),
            };
            Camera { follow, ..Camera::new(&spec.name, body, pose, size, FOV_Y) }
        }
    };
    lens(&mut camera, spec, &path, source)?;
    if spec.channels.is_empty() {
        return refuse("channels", "the camera gives nothing");
    }
    camera.channels.clone_from(&spec.channels);
    (camera.near, camera.far) = (spec.near, spec.far);
    if let Some((key, what)) = spec.depth_sensor.and_then(|sensor| sensor.fault()) {
        return Err(source.error(ErrorKind::Value, &path(&format!("depth_sensor.{key}")), what));
    }
    camera.imager = Imager {
        color: spec.color_sensor,
        depth: spec.depth_sensor,
        timing: FrameTiming { every: spec.every, latency: spec.latency },
    };
    model.cameras.push(camera);
    Ok(())
}

fn body_named(model: &RobotModel, name: &str, path: &str, source: &Source) -> Result<usize> {
    model.bodies.iter().position(|body| body.name == name).ok_or_else(|| {
        let names = model.bodies.iter().map(|body| body.name.as_str());
        source.unknown(path, "body", name, names)
    })
}

/// How the camera moves with its mount.
fn follow(
    model: &RobotModel,
    spec: &CameraSpec,
    position: DVec3,
    path: &dyn Fn(&str) -> String,
    source: &Source,
) -> Result<Follow> {
    let refuse = |key: &str, message: &str| Err(source.error(ErrorKind::Structure, &path(key), message));
    let com = matches!(spec.mode, CameraMode::TrackCom | CameraMode::TargetBodyCom);
    match (spec.mode, &spec.target) {
        (CameraMode::Fixed, None) => Ok(Follow::Fixed),
        (CameraMode::Track | CameraMode::TrackCom, None) => Ok(Follow::Track { com }),
        (CameraMode::TargetBody | CameraMode::TargetBodyCom, Some(target)) => {
            if spec.look_at.is_some() || spec.rotation.is_some() {
                return refuse("target", "the camera has a `target`, and `look_at` or `rotation` beside it");
            }
            Ok(Follow::Target {
                from: position,
                body: body_named(model, target, &path("target"), source)?,
                com,
            })
        }
        (_, None) => refuse("mode", "a camera of this mode needs a `target`"),
        (_, Some(_)) => refuse("target", "a `target` is for the modes `targetbody` and `targetbodycom`"),
    }
}

/// Sets how the camera sees: focal lengths, principal point, distortion.
fn lens(
    camera: &mut Camera,
    spec: &CameraSpec,
    path: &dyn Fn(&str) -> String,
    source: &Source,
) -> Result<()> {
    let refuse = |key: &str, message: &str| Err(source.error(ErrorKind::Structure, &path(key), message));
    camera.lens = spec.lens;
    let focal = |side: u32, fov: f64| 0.5 * f64::from(side) / spec.lens.reach(0.5 * fov);
    let from_fov = |fov_y: f64| [focal(spec.height, fov_y); 2];
    let widest = if spec.lens.is_wide() { f64::INFINITY } else { WIDEST };
    for (key, fov) in [("fov_x", spec.fov_x), ("fov_y", spec.fov_y)] {
        if let Some(fov) = fov.filter(|fov| *fov > widest) {
            let message = format!("`{key}` is {fov}, and the lens sees nothing beside it");
            let error = source.error(ErrorKind::Value, &path(key), message);
            return Err(error.allowed(format!("allowed: at most {WIDEST}")));
        }
    }
    match (spec.fov_y, spec.focal_length, spec.focal_lengths) {
        (Some(_), Some(_), _) => return refuse("focal_length", "both `fov_y` and `focal_length`"),
        (Some(_), _, Some(_)) => return refuse("focal_lengths", "both `fov_y` and `focal_lengths`"),
        (_, Some(_), Some(_)) => return refuse("focal_lengths", "both `focal_length` and `focal_lengths`"),
        (Some(fov_y), None, None) => camera.focal = from_fov(fov_y),
        (None, Some(focal), None) => camera.focal = [focal; 2],
        (None, None, Some(focal)) if focal.iter().any(|f| *f <= 0.0) => {
            let message = format!("`focal_lengths` are {focal:?}");
            let error = source.error(ErrorKind::Value, &path("focal_lengths"), message);
            return Err(error.allowed("allowed: numbers over 0"));
        }
        (None, None, Some(focal)) => camera.focal = focal,
        (None, None, None) if let Some(fov_x) = spec.fov_x => camera.focal = [focal(spec.width, fov_x); 2],
        // That of the robot's camera stays.
        (None, None, None) if spec.robot_camera.is_some() => {}
        (None, None, None) => camera.focal = from_fov(FOV_Y),
    }
    match spec.fov_x {
        Some(_) if spec.focal_length.is_some() || spec.focal_lengths.is_some() => {
            return refuse("fov_x", "both `fov_x` and a focal length");
        }
        Some(fov_x) => camera.focal[0] = focal(spec.width, fov_x),
        None => {}
    }
    if let Some(center) = spec.principal_point {
        camera.center = center;
    }
    match camera.blind_spot() {
        None => Ok(()),
        Some([x, y]) => {
            let message = format!(
                "the lens of camera `{}` has no ray for the point ({x:.1}, {y:.1}) of its image: with these coefficients \
                 the image folds over or ends before",
                spec.name
            );
            let error = source.error(ErrorKind::Value, &path("lens"), message);
            Err(error.allowed("allowed: a longer focal length, a smaller image, or weaker coefficients"))
        }
    }
}
