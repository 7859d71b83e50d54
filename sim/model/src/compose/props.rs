//! Props: bodies with one shape, or a few that make a tray, appended to the model.

use glam::{DQuat, DVec3};

use super::{base, materials, unit_rotation};
use crate::Pose;
use crate::error::{ErrorKind, Result};
use crate::material::Material;
use crate::robot::{Body, Geom, Inertial, RobotModel, Shape, Softness};
use crate::task::{Prop, PropShape, Source};

/// Appends a prop; returns its part of qpos.
pub(super) fn append(model: &mut RobotModel, prop: &Prop, index: usize, source: &Source) -> Result<Vec<f64>> {
    let path = |key: &str| format!("props.{index}.{key}");
    let (shapes, unit_moments) = shapes(&prop.shape);
    let geom_name = |at: usize| if at == 0 { prop.name.clone() } else { format!("{}_wall{at}", prop.name) };
    let taken = model.bodies.iter().any(|body| body.name == prop.name)
        || model.geoms.iter().any(|geom| (0..shapes.len()).any(|at| geom.name == geom_name(at)))
        || model.joints.iter().any(|joint| joint.name == prop.name);
    if taken || prop.name.is_empty() {
        let message = format!("the name `{}` is taken by the robot or another prop", prop.name);
        return Err(source.error(ErrorKind::Structure, &path("name"), message));
    }
    let rotation = unit_rotation(prop.rotation)
        .ok_or_else(|| source.error(ErrorKind::Value, &path("rotation"), "the quaternion has no length"))?;
    let pose = Pose::new(DVec3::from(prop.position), rotation);
    if let Some(key) = empty_half_size(&prop.shape) {
        return Err(source.error(ErrorKind::Value, &path(key), "a half size is not over 0"));
    }
    if prop.mass.is_some() {
        let still = match prop.shape {
            _ if !prop.contact => Some("a thing that touches nothing has no mass: it would fall"),
            PropShape::Plane => Some("a plane has no mass"),
            PropShape::Tray { .. } => Some("a tray has no mass"),
            _ => None,
        };
        if let Some(message) = still {
            return Err(source.error(ErrorKind::Value, &path("mass"), message));
        }
    }

    let material = match (&prop.material, prop.finish) {
        (Some(_), Some(_)) => {
            return Err(source.error(ErrorKind::Structure, &path("finish"), "both `material` and `finish`"));
        }
        (Some(name), None) => {
            let names = || model.materials.iter().map(|material| material.name.as_str());
            let found = names().position(|known| known == name);
            Some(found.ok_or_else(|| source.unknown(&path("material"), "material", name, names()))?)
        }
        (None, Some(finish)) => {
            let name = materials::free_name(model, prop.name.clone());
            model.materials.push(Material { name, finish: Some(finish), texture: None, rgba: None });
            Some(model.materials.len() - 1)
        }
        (None, None) => None,
    };
    let rgba = material.and_then(|material| model.materials[material].rgba).unwrap_or(prop.rgba);

    let body_idx = model.bodies.len();
    let inertial = prop.mass.map_or(Inertial::ZERO, |mass| Inertial {
        mass,
        pose: Pose::IDENTITY,
        moments: unit_moments * mass,
    });
    let first_joint = model.joints.len();
    model.bodies.push(Body {
        name: prop.name.clone(),
        parent: 0,
        pose,
        inertial,
        joints: first_joint..first_joint,
        gravity_compensation: 0.0,
        mocap: false,
    });
    for (at, (shape, place)) in shapes.into_iter().enumerate() {
        let pose = Pose::new(place, DQuat::IDENTITY);
        model.geoms.push(Geom { material, rgba, ..geom(prop, geom_name(at), body_idx, shape, pose) });
    }
    if prop.mass.is_none() {
        return Ok(Vec::new());
    }
    model.joints.push(base::free_joint(prop.name.clone(), body_idx));
    base::renumber(model);
    let qpos: Vec<f64> = pose.position.to_array().into_iter().chain(pose.rotation.to_array()).collect();
    for keyframe in &mut model.keyframes {
        keyframe.qpos.extend(&qpos);
        keyframe.qvel.extend([0.0; 6]);
    }
    Ok(qpos)
}

/// The key of half sizes that are not all over 0.
fn empty_half_size(shape: &PropShape) -> Option<&'static str> {
    let sizes: &[f64] = match shape {
        PropShape::Box { half_size } => half_size,
        PropShape::Tray { half_size, .. } => half_size,
        _ => return None,
    };
    sizes.iter().any(|half| *half <= 0.0).then_some("shape.half_size")
}

/// The shapes with their places in the prop's frame \[m\], and the principal moments for 1 kg \[m²\]; of what never moves
/// zero.
fn shapes(shape: &PropShape) -> (Vec<(Shape, DVec3)>, DVec3) {
    let (shape, unit_moments) = match *shape {
        PropShape::Plane => (Shape::Plane { half_size: [0.0; 2] }, DVec3::ZERO),
        PropShape::Box { half_size } => {
            let [x, y, z] = half_size.map(|half| half * half / 3.0);
            (Shape::Box { half_size: DVec3::from(half_size) }, DVec3::new(y + z, x + z, x + y))
        }
        PropShape::Sphere { radius } => (Shape::Sphere { radius }, DVec3::splat(0.4 * radius * radius)),
        PropShape::Capsule { radius, half_length } => {
            (Shape::Capsule { radius, half_length }, capsule_moments(radius, half_length))
        }
        PropShape::Cylinder { radius, half_length } => {
            let across = radius * radius / 4.0 + half_length * half_length / 3.0;
            (Shape::Cylinder { radius, half_length }, DVec3::new(across, across, radius * radius / 2.0))
        }
        PropShape::Tray { half_size, height, thickness } => {
            return (tray(half_size, height, thickness), DVec3::ZERO);
        }
    };
    (vec![(shape, DVec3::ZERO)], unit_moments)
}

/// Floor and walls of an open box that stands on z = 0.
fn tray([x, y]: [f64; 2], height: f64, thickness: f64) -> Vec<(Shape, DVec3)> {
    let half = 0.5 * thickness;
    let part = |half_size: [f64; 3], place: [f64; 3]| {
        (Shape::Box { half_size: DVec3::from(half_size) }, DVec3::from(place))
    };
    let (along_y, along_x) = ([half, y + thickness, 0.5 * height], [x, half, 0.5 * height]);
    vec![
        part([x, y, half], [0.0, 0.0, half]),
        part(along_y, [x + half, 0.0, 0.5 * height]),
        part(along_y, [-x - half, 0.0, 0.5 * height]),
        part(along_x, [0.0, y + half, 0.5 * height]),
        part(along_x, [0.0, -y - half, 0.5 * height]),
    ]
}

/// Moments of a capsule of 1 kg: a cylinder and two half balls of one density.
fn capsule_moments(radius: f64, half_length: f64) -> DVec3 {
    let (cylinder, ball) = (2.0 * half_length, 4.0 / 3.0 * radius);
    let (m_c, m_b) = (cylinder / (cylinder + ball), ball / (cylinder + ball));
    let r2 = radius * radius;
    let along = m_c * r2 / 2.0 + m_b * 0.4 * r2;
    let across = m_c * (r2 / 4.0 + half_length * half_length / 3.0)
        + m_b * (0.4 * r2 + half_length * half_length + 0.75 * half_length * radius);
    DVec3::new(across, across, along)
}

fn geom(prop: &Prop, name: String, body: usize, shape: Shape, pose: Pose) -> Geom {
    let mask = u32::from(prop.contact);
    Geom {
        name,
        body,
        pose,
        shape,
        contype: mask,
        conaffinity: mask,
        condim: 3,
        friction: DVec3::new(prop.friction, 0.005, 0.0001),
        restitution: prop.restitution,
        priority: 0,
        solmix: 1.0,
        softness: Softness::default(),
        margin: 0.0,
        gap: 0.0,
        group: 0,
        rgba: prop.rgba,
        material: None,
    }
}
