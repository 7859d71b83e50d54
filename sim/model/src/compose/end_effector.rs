//! What the robot reaches with: a named frame, or a rule that needs no names.

use glam::DVec3;

use crate::TaskSpec;
use crate::error::Result;
use crate::robot::{Geom, RobotModel, Shape};

/// A point fixed to a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// The body.
    pub body: usize,
    /// The point in the body frame \[m\].
    pub point: DVec3,
}

impl Frame {
    /// The frame of a site or body of that name, sites first.
    pub fn named(model: &RobotModel, name: &str) -> Option<Self> {
        if let Some(site) = model.sites.iter().find(|site| site.name == name) {
            return Some(Self { body: site.body, point: site.pose.position });
        }
        let body = model.bodies.iter().position(|body| body.name == name)?;
        Some(Self { body, point: DVec3::ZERO })
    }
}

/// The end effector that the scene names, or by rule.
pub(super) fn find(model: &RobotModel, spec: &TaskSpec) -> Result<Frame> {
    let mut frame = match &spec.robot.end_effector {
        Some(name) => Frame::named(model, name).ok_or_else(|| {
            let sites = model.sites.iter().map(|site| site.name.as_str());
            let bodies = model.bodies.iter().map(|body| body.name.as_str());
            spec.source.unknown("robot.end_effector", "site or body", name, sites.chain(bodies))
        })?,
        None => match model.sites.last() {
            Some(site) => Frame { body: site.body, point: site.pose.position },
            None => far_end(model),
        },
    };
    if let Some(offset) = spec.robot.end_effector_offset {
        frame.point = DVec3::from(offset);
    }
    Ok(frame)
}

/// The first body at the end of the longest chain of joints, at the far end of its shapes.
fn far_end(model: &RobotModel) -> Frame {
    let mut depth = vec![0; model.bodies.len()];
    let mut deepest = 0;
    for (index, body) in model.bodies.iter().enumerate().skip(1) {
        depth[index] = depth[body.parent] + body.joints.len();
        if depth[index] > depth[deepest] {
            deepest = index;
        }
    }
    let mut far = (0.0, DVec3::ZERO);
    for geom in model.geoms.iter().filter(|geom| geom.body == deepest) {
        let (low, high) = bounds(model, geom);
        for axis in 0..3 {
            for extent in [low[axis], high[axis]] {
                if extent.abs() > far.0 + 1e-9 {
                    let mut point = DVec3::ZERO;
                    point[axis] = extent;
                    far = (extent.abs(), point);
                }
            }
        }
    }
    Frame { body: deepest, point: far.1 }
}

/// Box about a geom in its body's frame.
fn bounds(model: &RobotModel, geom: &Geom) -> (DVec3, DVec3) {
    let corners = |half: DVec3| -> Vec<DVec3> {
        let sign = |corner: u32, axis: u32| if corner >> axis & 1 == 0 { -1.0 } else { 1.0 };
        (0..8).map(|corner| DVec3::new(sign(corner, 0), sign(corner, 1), sign(corner, 2)) * half).collect()
    };
    let points: Vec<DVec3> = match &geom.shape {
        Shape::Sphere { radius } => {
            let radius = DVec3::splat(*radius);
            return (geom.pose.position - radius, geom.pose.position + radius);
        }
        Shape::Capsule { radius, half_length } => {
            let radius = DVec3::splat(*radius);
            let ends = [1.0, -1.0].map(|sign| geom.pose.transform_point(DVec3::Z * (sign * half_length)));
            return (ends[0].min(ends[1]) - radius, ends[0].max(ends[1]) + radius);
        }
        Shape::Cylinder { radius, half_length } => corners(DVec3::new(*radius, *radius, *half_length)),
        Shape::Box { half_size } => corners(*half_size),
        Shape::Ellipsoid { radii } => corners(*radii),
        Shape::Mesh { mesh } => {
            model.meshes[*mesh].vertices.iter().map(|v| glam::Vec3::from(*v).as_dvec3()).collect()
        }
        Shape::Plane { .. } | Shape::HeightField { .. } => Vec::new(),
    };
    let moved: Vec<DVec3> = points.iter().map(|point| geom.pose.transform_point(*point)).collect();
    let Some(first) = moved.first() else { return (DVec3::ZERO, DVec3::ZERO) };
    moved.iter().fold((*first, *first), |(low, high), point| (low.min(*point), high.max(*point)))
}
