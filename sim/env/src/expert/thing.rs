//! The thing and the target that an instruction names, as an expert sees them.

use glam::{DQuat, DVec2, DVec3};
use keiko_model::robot::{RobotModel, Shape};
use keiko_world::Field;

use crate::task_env::TaskEnv;

/// Least height of an axis' unit vector from which it counts as upright.
const UPRIGHT: f64 = 0.7;

/// A thing of one shape, where it is.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    /// Its middle in the world \[m\].
    pub position: DVec3,
    rotation: DQuat,
    shape: Shape,
}

/// A way to take a thing between two fingers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grasp {
    /// Direction from finger to finger, seen from above \[rad\]; `None` where all are alike.
    pub across: Option<f64>,
    /// Width between the fingers \[m\].
    pub width: f64,
}

/// The environments with the thing and the place of the target that the instruction of each names.
pub(super) fn named(env: &TaskEnv) -> impl Iterator<Item = (usize, Thing, DVec3)> {
    let bodies = env.named_bodies().unwrap_or_default().into_iter().enumerate();
    bodies.filter_map(|(column, (object, target))| {
        Some((column, Thing::of(env, object, column)?, position(env, target?, column)))
    })
}

/// Origin of a body in the world \[m\].
fn position(env: &TaskEnv, body: usize, column: usize) -> DVec3 {
    DVec3::from([0, 1, 2].map(|k| f64::from(env.state().body_position.get(3 * body + k, column))))
}

impl Thing {
    fn of(env: &TaskEnv, body: usize, column: usize) -> Option<Self> {
        let model: &RobotModel = &env.scene().model;
        let shape = model.geoms.iter().find(|geom| geom.body == body)?.shape.clone();
        let turned = |field: &Field, k: usize| f64::from(field.get(4 * body + k, column));
        let rotation = DQuat::from_array([0, 1, 2, 3].map(|k| turned(&env.state().body_rotation, k)));
        Some(Self { position: position(env, body, column), rotation, shape })
    }

    /// Half of its height as it lies \[m\].
    pub fn half_height(&self) -> f64 {
        let axes = [DVec3::X, DVec3::Y, DVec3::Z].map(|axis| (self.rotation * axis).z.abs());
        let across = (1.0 - axes[2] * axes[2]).max(0.0).sqrt();
        match self.shape {
            Shape::Box { half_size } => half_size.dot(DVec3::from(axes)),
            Shape::Cylinder { radius, half_length } => axes[2] * half_length + across * radius,
            Shape::Capsule { radius, half_length } => axes[2] * half_length + radius,
            Shape::Sphere { radius } => radius,
            _ => 0.0,
        }
    }

    /// How far it reaches from its middle along a direction in the plane \[m\].
    pub fn reach(&self, along: DVec2) -> f64 {
        let along = self.rotation.inverse() * along.extend(0.0);
        let across = (1.0 - along.z * along.z).max(0.0).sqrt();
        match self.shape {
            Shape::Box { half_size } => half_size.dot(along.abs()),
            Shape::Cylinder { radius, half_length } => across * radius + along.z.abs() * half_length,
            Shape::Capsule { radius, half_length } => radius + along.z.abs() * half_length,
            Shape::Sphere { radius } => radius,
            _ => 0.0,
        }
    }

    /// The ways to take it from above between fingers that open so wide \[m\].
    pub fn grasps(&self, widest: f64) -> Vec<Grasp> {
        let axis = |axis: DVec3| self.rotation * axis;
        let angle = |axis: DVec3| axis.y.atan2(axis.x);
        let grasps = match self.shape {
            Shape::Box { half_size } => [DVec3::X, DVec3::Y, DVec3::Z]
                .into_iter()
                .map(|local| (axis(local), 2.0 * half_size.dot(local)))
                .filter(|(axis, _)| axis.z.abs() < UPRIGHT)
                .map(|(axis, width)| Grasp { across: Some(angle(axis)), width })
                .collect(),
            Shape::Cylinder { radius, .. } | Shape::Capsule { radius, .. } => {
                let along = axis(DVec3::Z);
                let lies = along.z.abs() < UPRIGHT;
                let across = lies.then(|| angle(along) + std::f64::consts::FRAC_PI_2);
                vec![Grasp { across, width: 2.0 * radius }]
            }
            Shape::Sphere { radius } => vec![Grasp { across: None, width: 2.0 * radius }],
            _ => Vec::new(),
        };
        grasps.into_iter().filter(|grasp| grasp.width < widest).collect()
    }
}
