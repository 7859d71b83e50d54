//! Where geoms and cameras are, from the poses of their bodies: the formulas of `pose.wgsl`.

use glam::{Quat, Vec3};
use keiko_gpu::camera::{Camera, Geom, Instance, View};

use crate::rig;

/// Poses of all bodies as the simulator has them: `[3 bodies, environments]` and `[4 bodies, environments]`, quaternions
/// xyzw.
#[derive(Clone, Copy)]
pub struct Bodies<'a> {
    pub position: &'a [f32],
    pub rotation: &'a [f32],
    pub num_envs: usize,
}

impl<'a> Bodies<'a> {
    pub fn new(bodies: &'a rig::Bodies, num_envs: usize) -> Self {
        Self { position: &bodies.position, rotation: &bodies.rotation, num_envs }
    }

    /// `world_from_part` of something fixed to a body; the world itself stands at the origin.
    fn pose_of(&self, env: usize, body: u32, position: [f32; 3], rotation: [f32; 4]) -> (Vec3, Quat) {
        let (position, rotation) = (Vec3::from(position), Quat::from_array(rotation));
        if body == 0 {
            return (position, rotation.normalize());
        }
        let body = body as usize;
        let at = [0, 1, 2].map(|k| self.position[(3 * body + k) * self.num_envs + env]);
        let turn = [0, 1, 2, 3].map(|k| self.rotation[(4 * body + k) * self.num_envs + env]);
        let turn = Quat::from_array(turn);
        (Vec3::from(at) + turn * position, (turn * rotation).normalize())
    }

    /// A geom in an environment.
    pub fn instance(&self, env: usize, geom: &Geom) -> Instance {
        let (position, rotation) = self.pose_of(env, geom.body, geom.position, geom.rotation);
        let row = |axis: Vec3| {
            let axis = rotation * axis;
            axis.extend(-axis.dot(position)).to_array()
        };
        Instance {
            row_x: row(Vec3::X),
            row_y: row(Vec3::Y),
            row_z: row(Vec3::Z),
            center: (position + rotation * Vec3::from(geom.center)).to_array(),
            radius: geom.radius,
        }
    }

    /// A camera in an environment.
    pub fn view(&self, env: usize, camera: &Camera) -> View {
        let (position, rotation) = self.pose_of(env, camera.body, camera.position, camera.rotation);
        View {
            position: position.to_array(),
            near: camera.near,
            right: (rotation * Vec3::X).to_array(),
            far: camera.far,
            down: (rotation * Vec3::Y).to_array(),
            forward: (rotation * Vec3::Z).to_array(),
            focal: camera.focal,
            center: camera.center,
            lens: camera.lens,
            bend: camera.bend,
            bend_5: camera.bend_5,
        }
    }
}
