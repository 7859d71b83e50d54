//! Lamps of the scene.

use glam::DVec3;

use crate::error::{ErrorKind, Result};
use crate::light::Lamp;
use crate::robot::RobotModel;
use crate::task::{LampSpec, Source};

/// Appends a lamp.
pub(super) fn append(model: &mut RobotModel, spec: &LampSpec, index: usize, source: &Source) -> Result<()> {
    let path = |key: &str| format!("lamps.{index}.{key}");
    let refuse = |kind, key: &str, message: &str| Err(source.error(kind, &path(key), message));
    if spec.name.is_empty() || model.lamps.iter().any(|lamp| lamp.name == spec.name) {
        let message = format!("the name `{}` is taken by another lamp", spec.name);
        return refuse(ErrorKind::Structure, "name", &message);
    }
    let body = model.bodies.iter().position(|body| body.name == spec.mount).ok_or_else(|| {
        let names = model.bodies.iter().map(|body| body.name.as_str());
        source.unknown(&path("mount"), "body", &spec.mount, names)
    })?;
    if spec.color.iter().any(|c| !(0.0..=1.0).contains(c)) {
        return refuse(ErrorKind::Value, "color", "a colour is not from 0 to 1");
    }
    let [inner, outer] = spec.cone;
    if !(0.0 <= inner && inner < outer && outer <= std::f64::consts::PI) {
        let error = source.error(ErrorKind::Value, &path("cone"), format!("the cone is [{inner}, {outer}]"));
        return Err(error.allowed("allowed: two angles that grow, from 0 to 3.1416"));
    }
    let position = DVec3::from(spec.position);
    let mut direction = DVec3::NEG_Z;
    if let Some(target) = spec.look_at {
        match (DVec3::from(target) - position).try_normalize() {
            Some(unit) => direction = unit,
            None => return refuse(ErrorKind::Value, "look_at", "the lamp shines at where it is"),
        }
    }
    model.lamps.push(Lamp {
        name: spec.name.clone(),
        body,
        position,
        direction,
        color: DVec3::from(spec.color.map(linear)) * spec.brightness,
        range: spec.range,
        cone: spec.look_at.map(|_| spec.cone),
        shadow: spec.shadow,
        ..Lamp::default()
    });
    Ok(())
}

/// The inverse of sRGB's transfer function.
fn linear(c: f64) -> f64 {
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}
