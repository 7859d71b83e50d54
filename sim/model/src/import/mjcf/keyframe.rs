//! `<keyframe>`.

use super::Reader;
use super::names::Target;
use crate::error::{ErrorKind, Result};
use crate::import::xml::Element;
use crate::robot::{JointKind, Keyframe};

impl<'a> Reader<'a> {
    pub(super) fn read_keyframes(&mut self) -> Result<()> {
        for e in self.items("keyframe") {
            e.visit();
            e.get("time");
            let index = self.model.keyframes.len();
            let mut name = self.keyframes.claim(e, "", Target::Kept(index), self.limits)?;
            if name.is_empty() {
                name = format!("keyframe_{index}");
            }
            let qpos = self.key_positions(e)?;
            let qvel = vector(e, "qvel", self.model.num_dofs())?.unwrap_or(vec![0.0; self.model.num_dofs()]);
            let ctrl = self.key_controls(e)?;
            self.model.keyframes.push(Keyframe { name, qpos, qvel, ctrl });
        }
        Ok(())
    }

    fn key_positions(&self, e: &Element) -> Result<Vec<f64>> {
        let Some(mut qpos) = vector(e, "qpos", self.model.num_qpos())? else {
            return Ok(self.model.reference_qpos());
        };
        for joint in &self.model.joints {
            let start = match joint.kind {
                JointKind::Free => joint.qpos_index + 3,
                JointKind::Ball => joint.qpos_index,
                JointKind::Revolute | JointKind::Prismatic => continue,
            };
            let quat = &mut qpos[start..start + 4];
            let length = quat.iter().map(|x| x * x).sum::<f64>().sqrt();
            if length < super::compiler::EPSILON {
                let message = format!("the quaternion of joint `{}` is zero", joint.name);
                return Err(e.error_at("qpos", ErrorKind::Value, message));
            }
            quat.iter_mut().for_each(|x| *x /= length);
            // wxyz to xyzw.
            quat.rotate_left(1);
        }
        Ok(qpos)
    }

    /// The controls of the actuators that were kept.
    fn key_controls(&self, e: &Element) -> Result<Vec<f64>> {
        let mut ctrl = vec![0.0; self.model.actuators.len()];
        if let Some(given) = vector(e, "ctrl", self.controls.len())? {
            let pairs = self.controls.iter().zip(given);
            pairs.for_each(|(slot, value)| {
                if let Some(index) = slot {
                    ctrl[*index] = value;
                }
            });
        }
        Ok(ctrl)
    }
}

fn vector(e: &Element, name: &str, size: usize) -> Result<Option<Vec<f64>>> {
    let Some(attribute) = e.get(name) else { return Ok(None) };
    let numbers = attribute.f64s(0, usize::MAX)?;
    if numbers.len() != size {
        let message = format!("{}: `{name}` has {} numbers", e.describe(), numbers.len());
        return Err(attribute.error(ErrorKind::Structure, message).allowed(format!("{size} for this model")));
    }
    Ok(Some(numbers))
}
