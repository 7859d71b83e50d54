//! The functions behind the terms of a task. Each is bound once to indices and then works on whole rows,
//! environment fastest.

pub(crate) mod observe;
pub(crate) mod reward;
pub(crate) mod success;
pub(crate) mod terminate;

use glam::{Quat, Vec2, Vec3};
use keiko_model::compose::Frame;
use keiko_world::{BatchState, Field};

use crate::memory::Memory;

/// Net contact force from which a body counts as touched \[N\].
pub(crate) const TOUCH_FORCE: f32 = 1.0;

/// Commanded speed below which the policy is to stand \[m/s, rad/s\].
pub(crate) const STANDING_SPEED: f32 = 0.1;

/// What a term may look at.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub state: &'a BatchState,
    pub memory: &'a Memory,
    /// The robot's base.
    pub base: usize,
    /// Time of a control step \[s\].
    pub dt: f32,
    /// Control steps of a full episode.
    pub max_steps: u32,
    /// Whether a termination holds `[num_envs]`.
    pub terminated: &'a [bool],
}

impl View<'_> {
    pub fn num_envs(&self) -> usize {
        self.memory.episode.len()
    }

    /// `world_from_body`.
    pub fn rotation(&self, body: usize, env: usize) -> Quat {
        let q = |k| self.state.body_rotation.get(4 * body + k, env);
        Quat::from_xyzw(q(0), q(1), q(2), q(3))
    }

    pub fn position(&self, body: usize, env: usize) -> Vec3 {
        vector(&self.state.body_position, body, env)
    }

    /// Velocity of the base's origin in the base frame \[m/s\].
    pub fn base_linear_velocity(&self, env: usize) -> Vec3 {
        self.rotation(self.base, env).conjugate() * vector(&self.state.body_linear_velocity, self.base, env)
    }

    /// Angular velocity of the base in the base frame \[rad/s\].
    pub fn base_angular_velocity(&self, env: usize) -> Vec3 {
        self.rotation(self.base, env).conjugate() * vector(&self.state.body_angular_velocity, self.base, env)
    }

    /// Direction of gravity in the base frame.
    pub fn projected_gravity(&self, env: usize) -> Vec3 {
        self.rotation(self.base, env).conjugate() * Vec3::NEG_Z
    }

    /// Place of a frame in the world \[m\].
    pub fn frame_position(&self, frame: Frame, env: usize) -> Vec3 {
        self.position(frame.body, env) + self.rotation(frame.body, env) * frame.point.as_vec3()
    }

    /// Velocity of a frame's point in the world \[m/s\].
    pub fn frame_velocity(&self, frame: Frame, env: usize) -> Vec3 {
        let arm = self.rotation(frame.body, env) * frame.point.as_vec3();
        vector(&self.state.body_linear_velocity, frame.body, env)
            + vector(&self.state.body_angular_velocity, frame.body, env).cross(arm)
    }

    /// A command.
    pub fn command(&self, command: usize, env: usize) -> Vec3 {
        vector(&self.memory.command, command, env)
    }

    /// Commanded less actual velocity, x and y in the base frame \[m/s\].
    pub fn velocity_error(&self, command: usize, env: usize) -> Vec2 {
        (self.command(command, env) - self.base_linear_velocity(env)).truncate()
    }

    /// Commanded less actual turning speed about the base's z axis \[rad/s\].
    pub fn turning_error(&self, command: usize, env: usize) -> f32 {
        self.command(command, env).z - self.base_angular_velocity(env).z
    }

    pub fn contact_force(&self, body: usize, env: usize) -> Vec3 {
        vector(&self.state.contact_force, body, env)
    }

    /// Distance of a frame from a commanded point \[m\].
    pub fn distance(&self, frame: Frame, command: usize, env: usize) -> f32 {
        (self.command(command, env) - self.frame_position(frame, env)).length()
    }
}

/// Three consecutive rows of one environment.
pub(crate) fn vector(field: &Field, index: usize, env: usize) -> Vec3 {
    Vec3::new(field.get(3 * index, env), field.get(3 * index + 1, env), field.get(3 * index + 2, env))
}
