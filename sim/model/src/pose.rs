//! Rigid transforms.

use glam::{DQuat, DVec3};
use serde::{Deserialize, Serialize};

/// A rigid transform `a_from_b`: maps coordinates of frame `b` to frame `a`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// Origin of `b` in `a` \[m\].
    pub position: DVec3,
    /// Rotation of `b` in `a`, unit quaternion, xyzw.
    pub rotation: DQuat,
}

impl Pose {
    /// The transform that changes nothing.
    pub const IDENTITY: Self = Self { position: DVec3::ZERO, rotation: DQuat::IDENTITY };

    /// A transform from its two parts; `rotation` must be a unit quaternion.
    pub fn new(position: DVec3, rotation: DQuat) -> Self {
        Self { position, rotation }
    }

    /// A pure translation.
    pub fn from_position(position: DVec3) -> Self {
        Self { position, rotation: DQuat::IDENTITY }
    }

    /// `a_from_c`, where `self` is `a_from_b` and `b_from_c` is the argument.
    pub fn compose(self, b_from_c: Self) -> Self {
        Self {
            position: self.position + self.rotation * b_from_c.position,
            rotation: (self.rotation * b_from_c.rotation).normalize(),
        }
    }

    /// `b_from_a`.
    pub fn inverse(self) -> Self {
        let rotation = self.rotation.conjugate();
        Self { position: -(rotation * self.position), rotation }
    }

    /// A point of `b` in `a`.
    pub fn transform_point(self, point_in_b: DVec3) -> DVec3 {
        self.position + self.rotation * point_in_b
    }
}
