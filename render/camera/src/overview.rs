//! A camera for scenes that name none.

use glam::DVec3;
use keiko_model::camera::{Camera, looking_along};
use keiko_model::robot::{RobotModel, Shape};
use keiko_model::{Pose, kinematics};

use crate::visible;

/// Vertical field of view \[rad\].
const FOV_Y: f64 = 0.7;
/// From where it looks: in front, to the robot's right, from above.
const FROM: DVec3 = DVec3::new(0.78, -0.52, 0.36);
/// Share of the image's height that what moves fills.
const FILL: f64 = 0.76;

/// A camera in the world that shows all that stands on bodies, at the positions `qpos`.
///
/// # Panics
/// If `qpos` is shorter than [`RobotModel::num_qpos`].
pub fn overview(model: &RobotModel, qpos: &[f64], size: [u32; 2]) -> Camera {
    let poses = kinematics::forward_kinematics(model, qpos);
    let points = |on_bodies: bool| -> Vec<DVec3> {
        visible(model)
            .into_iter()
            .filter(|(_, geom)| (geom.body != 0) == on_bodies)
            .flat_map(|(_, geom)| {
                let world_from_geom = poses[geom.body].compose(geom.pose);
                extremes(model, &geom.shape).into_iter().map(move |p| world_from_geom.transform_point(p))
            })
            .collect()
    };
    let mut points_seen = points(true);
    if points_seen.is_empty() {
        points_seen = points(false);
    }
    let low = points_seen.iter().copied().fold(DVec3::INFINITY, DVec3::min);
    let high = points_seen.iter().copied().fold(DVec3::NEG_INFINITY, DVec3::max);
    let (target, span) =
        if points_seen.is_empty() { (DVec3::ZERO, DVec3::ONE) } else { (0.5 * (low + high), high - low) };
    let back = FROM.normalize();
    let rotation = looking_along(-back, DVec3::Z);
    let mut camera = Camera::new("overview", 0, Pose::new(target, rotation), size, FOV_Y);
    // The least distance at which every point falls into the middle part of the image.
    let half = [0, 1].map(|k| FILL * 0.5 * f64::from(size[k]) / camera.focal[k]);
    let inverse = rotation.conjugate();
    let distance = points_seen
        .iter()
        .map(|p| inverse * (*p - target))
        .map(|p| (p.x.abs() / half[0]).max(p.y.abs() / half[1]) - p.z)
        .fold(0.1 * span.length().max(0.1), f64::max);
    camera.pose.position = target + back * distance;
    camera.far = camera.far.max(4.0 * distance);
    camera
}

/// Points of a shape, in its frame, whose box is the shape's; none of what has no end.
fn extremes(model: &RobotModel, shape: &Shape) -> Vec<DVec3> {
    let corners = |half: DVec3| {
        (0..8).map(|k| half * DVec3::new(side(k), side(k >> 1), side(k >> 2))).collect::<Vec<_>>()
    };
    match shape {
        Shape::Plane { .. } | Shape::HeightField { .. } => Vec::new(),
        Shape::Sphere { radius } => corners(DVec3::splat(*radius)),
        Shape::Capsule { radius, half_length } => corners(DVec3::new(*radius, *radius, radius + half_length)),
        Shape::Cylinder { radius, half_length } => corners(DVec3::new(*radius, *radius, *half_length)),
        Shape::Box { half_size } => corners(*half_size),
        Shape::Ellipsoid { radii } => corners(*radii),
        Shape::Mesh { mesh } => {
            model.meshes[*mesh].vertices.iter().map(|v| DVec3::from_array(v.map(f64::from))).collect()
        }
    }
}

fn side(bit: i32) -> f64 {
    f64::from(2 * (bit & 1) - 1)
}
