//! The eye of whoever looks: around a point, at a distance, and how hands move it.

use glam::DVec3;
use keiko_camera::{Camera, overview};
use keiko_model::camera::looking_along;
use keiko_model::robot::RobotModel;
use keiko_model::{Pose, kinematics};

/// Vertical field of view \[rad\].
const FOV_Y: f64 = 0.75;
/// Turn for a drag over the height of the image \[rad\].
const TURN: f64 = 3.0;
/// Room around what is looked at, so that it can move: the distance over that at which it just fits.
const AIR: f64 = 1.35;
/// Straight up and down have no right and left.
const STEEPEST: f64 = 1.55;
/// Nobody looks from nearer or farther \[m\].
const DISTANCES: [f64; 2] = [0.02, 1e4];

/// A camera that looks at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Orbit {
    /// What it looks at \[m\].
    pub target: DVec3,
    /// Direction from the target to the eye, around z from x \[rad\].
    pub yaw: f64,
    /// Its angle above the horizon \[rad\].
    pub pitch: f64,
    /// From the target to the eye \[m\].
    pub distance: f64,
}

impl Orbit {
    /// A look at all of a model that stands on bodies, at positions `[nq]`.
    pub fn over(model: &RobotModel, qpos: &[f64]) -> Self {
        let camera = overview(model, qpos, [16, 10]);
        let forward = camera.pose.rotation * DVec3::Z;
        let poses = kinematics::forward_kinematics(model, qpos);
        let center = kinematics::center_of_mass(model, &poses);
        let distance = (center - camera.pose.position).dot(forward).max(0.1);
        let back = -forward;
        Self {
            target: center,
            yaw: back.y.atan2(back.x),
            pitch: back.z.clamp(-1.0, 1.0).asin(),
            distance: AIR * distance,
        }
    }

    /// Direction from the target to the eye.
    fn back(&self) -> DVec3 {
        let (sin, cos) = self.pitch.sin_cos();
        DVec3::new(cos * self.yaw.cos(), cos * self.yaw.sin(), sin)
    }

    /// Rightwards and upwards in the image, and into it.
    fn axes(&self) -> [DVec3; 3] {
        let rotation = looking_along(-self.back(), DVec3::Z);
        [rotation * DVec3::X, rotation * DVec3::NEG_Y, rotation * DVec3::Z]
    }

    /// The camera, for an image of a size \[pixel\].
    pub fn camera(&self, size: [u32; 2]) -> Camera {
        let pose =
            Pose::new(self.target + self.back() * self.distance, looking_along(-self.back(), DVec3::Z));
        let mut camera = Camera::new("view", 0, pose, size, FOV_Y);
        camera.near = (1e-3 * self.distance).min(camera.near);
        camera.far = camera.far.max(10.0 * self.distance);
        camera
    }

    /// Turns by a drag, in heights of the image, rightwards and downwards.
    pub fn turn(&mut self, [x, y]: [f64; 2]) {
        self.yaw = (self.yaw - TURN * x).rem_euclid(std::f64::consts::TAU);
        self.pitch = (self.pitch + TURN * y).clamp(-STEEPEST, STEEPEST);
    }

    /// Moves so that what is at the target follows a drag, in heights of the image, rightwards and downwards.
    pub fn pan(&mut self, [x, y]: [f64; 2]) {
        let [right, up, _] = self.axes();
        self.target += self.height_at_target() * (up * y - right * x);
    }

    /// What the height of the image is at the target \[m\].
    pub fn height_at_target(&self) -> f64 {
        2.0 * self.distance * (0.5 * FOV_Y).tan()
    }

    /// Goes nearer for factors under 1, farther for those over it.
    pub fn zoom(&mut self, factor: f64) {
        self.distance = (self.distance * factor).clamp(DISTANCES[0], DISTANCES[1]);
    }

    /// Flies rightwards, upwards and forwards, in distances to the target; the target flies along.
    pub fn fly(&mut self, [right, up, forward]: [f64; 3]) {
        let [x, y, z] = self.axes();
        self.target += self.distance * (x * right + y * up + z * forward);
    }

    /// Looks at a point from where things of a size fill a part of the image \[m\].
    pub fn focus(&mut self, point: DVec3, radius: f64) {
        self.target = point;
        self.distance = (3.0 * radius / (0.5 * FOV_Y).tan()).clamp(DISTANCES[0], DISTANCES[1]);
    }
}
