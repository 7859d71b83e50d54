//! From the world to pixels, and back along a ray.

use glam::DVec3;
use keiko_camera::Camera;
use keiko_model::Pose;

/// A camera where it is in the world.
#[derive(Clone, Copy, Debug)]
pub struct Projection {
    /// `world_from_camera`, OpenCV axes.
    pub pose: Pose,
    focal: [f64; 2],
    center: [f64; 2],
    near: f64,
}

impl Projection {
    /// Of a camera whose rig is at `world_from_rig`.
    pub fn new(camera: &Camera, world_from_rig: Pose) -> Self {
        Self {
            pose: world_from_rig.compose(camera.pose),
            focal: camera.focal,
            center: camera.center,
            near: camera.near.max(1e-6),
        }
    }

    /// Pixel and depth \[m\] of a point; `None` behind the camera.
    pub fn pixel(&self, point: DVec3) -> Option<([f64; 2], f64)> {
        let seen = self.pose.inverse().transform_point(point);
        (seen.z >= self.near).then(|| (self.flat(seen), seen.z))
    }

    /// Pixels of the ends of that part of a segment which is before the camera.
    pub fn segment(&self, a: DVec3, b: DVec3) -> Option<[[f64; 2]; 2]> {
        let inverse = self.pose.inverse();
        let [a, b] = [a, b].map(|point| inverse.transform_point(point));
        let cut = |from: DVec3, to: DVec3| from + (to - from) * ((self.near - from.z) / (to.z - from.z));
        match (a.z >= self.near, b.z >= self.near) {
            (true, true) => Some([self.flat(a), self.flat(b)]),
            (true, false) => Some([self.flat(a), self.flat(cut(b, a))]),
            (false, true) => Some([self.flat(cut(a, b)), self.flat(b)]),
            (false, false) => None,
        }
    }

    /// Direction of the ray through a pixel, in the world, of length 1.
    pub fn ray(&self, pixel: [f64; 2]) -> DVec3 {
        let [x, y] = [0, 1].map(|k| (pixel[k] - self.center[k]) / self.focal[k]);
        (self.pose.rotation * DVec3::new(x, y, 1.0)).normalize()
    }

    /// The point at a pixel that has the depth of another point.
    pub fn beside(&self, pixel: [f64; 2], point: DVec3) -> DVec3 {
        let forward = self.pose.rotation * DVec3::Z;
        let ray = self.ray(pixel);
        let depth = (point - self.pose.position).dot(forward);
        self.pose.position + ray * (depth / ray.dot(forward))
    }

    fn flat(&self, seen: DVec3) -> [f64; 2] {
        [self.center[0] + self.focal[0] * seen.x / seen.z, self.center[1] + self.focal[1] * seen.y / seen.z]
    }
}
