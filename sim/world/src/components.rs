//! What the entities of a world are. An entity has no numbers of its own: its indices point into the columns of
//! [`BatchState`](crate::BatchState), which hold all environments.

use bevy_ecs::prelude::Component;

/// The robot, or scene, that all other entities belong to.
#[derive(Clone, Copy, Debug, Component)]
pub struct Robot;

/// A body; its parent entity is the body that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Component)]
pub struct Link {
    /// Index into the model's bodies.
    pub body: usize,
}

/// A joint, child of the body that it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Component)]
pub struct JointRef {
    /// Index into the model's joints.
    pub joint: usize,
    /// Its first row in `qpos`.
    pub qpos_index: usize,
    /// Its first row in `qvel`.
    pub dof_index: usize,
}

/// An actuator, child of the robot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Component)]
pub struct ActuatorRef {
    /// Its row in the control.
    pub actuator: usize,
}

/// A sensor, child of the robot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Component)]
pub struct SensorRef {
    /// Index into the model's sensors.
    pub sensor: usize,
    /// Its first row in `sensors`.
    pub first_row: usize,
    /// Numbers that it gives.
    pub num_values: usize,
}

/// A geom, child of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Component)]
pub struct GeomRef {
    /// Index into the model's geoms.
    pub geom: usize,
}

/// A site, child of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Component)]
pub struct SiteRef {
    /// Index into the model's sites.
    pub site: usize,
}

/// A camera, child of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Component)]
pub struct CameraRef {
    /// Index into the model's cameras.
    pub camera: usize,
}
