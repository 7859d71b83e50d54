//! What rays of sensors meet, by parry.

use glam::{DQuat, DVec3};
use keiko_model::Pose;
use keiko_model::robot::{FrameRef, HeightScan, RobotModel, SensorKind, Shape};
use rapier3d::parry::query::Ray;
use rapier3d::prelude::SharedShape;

use super::blueprint::to_rapier;
use super::links::Links;
use super::shapes::collision_shape;
use crate::kinematics::{BodyMotions, Motion};

/// Farther than any ray goes \[m\].
const FAR: f64 = 1e5;

/// The shapes of all geoms with `body_from_shape`, if any sensor sees by rays.
#[derive(Default)]
pub(crate) struct Eyes {
    shapes: Vec<Option<(SharedShape, Pose)>>,
    /// Whether each geom is a height field that is fixed to the world.
    terrain: Vec<bool>,
    /// Root of the tree of each body, 0 for what is fixed to the world.
    roots: Vec<usize>,
}

impl Eyes {
    /// Of a model. What spans no volume is no obstacle.
    pub fn new(model: &RobotModel, links: &Links) -> Self {
        let sees =
            |kind: &SensorKind| matches!(kind, SensorKind::RayDistance { .. } | SensorKind::HeightScan(_));
        if !model.sensors.iter().any(|sensor| sees(&sensor.kind)) {
            return Self::default();
        }
        let mut out = Self::default();
        for geom in &model.geoms {
            let shape = collision_shape(model, geom).ok();
            out.shapes
                .push(shape.map(|(shape, geom_from_shape)| (shape, geom.pose.compose(geom_from_shape))));
            let fixed = links.of_body[geom.body] == 0;
            out.terrain.push(fixed && matches!(geom.shape, Shape::HeightField { .. }));
        }
        let root = |body: &usize| match links.of_body[*body] {
            0 => 0,
            link => links.root(link),
        };
        out.roots = (0..model.bodies.len()).map(|body| root(&body)).collect();
        out
    }

    /// From a point along a direction to the nearest of the geoms that are seen.
    fn cast(
        &self,
        model: &RobotModel,
        motions: &BodyMotions,
        terrain: DVec3,
        [origin, direction]: [DVec3; 2],
        seen: impl Fn(usize) -> bool,
    ) -> Option<f64> {
        let ray = Ray::new(origin.as_vec3(), direction.as_vec3());
        let distance = |(g, shape): (usize, &Option<(SharedShape, Pose)>)| {
            let (shape, body_from_shape) = shape.as_ref()?;
            let mut pose = motions.bodies[model.geoms[g].body].pose.compose(*body_from_shape);
            if self.terrain[g] {
                pose.position += terrain;
            }
            if let Shape::Plane { .. } = model.geoms[g].shape {
                // Met from above only.
                let normal = pose.rotation * DVec3::Z;
                let (height, slope) = (normal.dot(origin - pose.position), normal.dot(direction));
                return (slope < 0.0 && height >= 0.0).then(|| -height / slope);
            }
            shape.cast_ray(&to_rapier(pose), &ray, FAR as f32, false).map(f64::from)
        };
        let candidates = self.shapes.iter().enumerate().filter(|(g, _)| seen(*g));
        candidates.filter_map(distance).reduce(f64::min)
    }

    /// See [`SensorKind::RayDistance`].
    #[allow(clippy::too_many_arguments, reason = "the parts of a sensor and the state it sees")]
    pub fn distance(
        &self,
        model: &RobotModel,
        motions: &BodyMotions,
        terrain: DVec3,
        frame: FrameRef,
        this: Motion,
        axis: DVec3,
        reach: Option<f64>,
    ) -> f32 {
        let body = match frame {
            FrameRef::Body(b) | FrameRef::BodyCom(b) => b,
            FrameRef::Geom(g) => model.geoms[g].body,
            FrameRef::Site(s) => model.sites[s].body,
        };
        let ray = [this.pose.position, this.pose.rotation * axis];
        let seen = |g: usize| model.geoms[g].body != body && model.geoms[g].rgba[3] > 0.0;
        let met = self.cast(model, motions, terrain, ray, seen);
        met.filter(|d| *d < reach.unwrap_or(FAR)).unwrap_or(reach.unwrap_or(-1.0)) as f32
    }

    /// See [`SensorKind::HeightScan`].
    pub fn heights(
        &self,
        model: &RobotModel,
        motions: &BodyMotions,
        terrain: DVec3,
        scan: &HeightScan,
        out: &mut [f32],
    ) {
        let own = self.roots[scan.body];
        let seen = |g: usize| {
            let geom = &model.geoms[g];
            geom.collides() && (own == 0 || self.roots[geom.body] != own)
        };
        let pose = motions.bodies[scan.body].pose;
        let x = pose.rotation * DVec3::X;
        let yaw = if x.x * x.x + x.y * x.y > 1e-12 { x.y.atan2(x.x) } else { 0.0 };
        let turn = DQuat::from_rotation_z(yaw);
        for (k, out) in out.iter_mut().enumerate() {
            let place = [k % scan.counts[0], k / scan.counts[0]];
            let at = |axis: usize| {
                let middle = 0.5 * (scan.counts[axis] as f64 - 1.0);
                scan.offset[axis] + scan.spacing[axis] * (place[axis] as f64 - middle)
            };
            let start = pose.position + turn * DVec3::new(at(0), at(1), scan.above);
            let met = self.cast(model, motions, terrain, [start, DVec3::NEG_Z], seen);
            *out = met.map_or(scan.reach, |d| (d - scan.above).min(scan.reach)) as f32;
        }
    }
}
