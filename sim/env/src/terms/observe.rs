//! Observation terms.

use keiko_dynamics::lane::Num;
use keiko_dynamics::machine::Machine;
use keiko_model::Result;
use keiko_model::error::ErrorKind;
use keiko_model::robot::Joint;
use keiko_model::task::{Observation, QuaternionOrder, RelativeTo};

use super::{
    TOUCH_FORCE, angular_velocity, flag, frame_position, linear_velocity, projected_gravity, to_body, touched,
};
use crate::action::ActionMap;
use crate::bind::{Binder, Body, Frame, dof_rows, qpos_rows, quaternion_row};
use crate::language::Meant;
use crate::rules::Clock;

/// An observation term with its names resolved to rows.
#[derive(Clone, Debug)]
pub(crate) enum Sees {
    /// Rows as they are, less a constant each.
    Rows(Vec<(usize, f64)>),
    LinearVelocity(Body),
    AngularVelocity(Body),
    Gravity(Body),
    FramePosition {
        frame: Frame,
        base: Option<Body>,
    },
    VectorToTarget {
        point: usize,
        frame: Frame,
        base: Option<Body>,
    },
    VectorToObject {
        object: Meant,
        frame: Frame,
    },
    ObjectToTarget {
        object: Meant,
        target: Meant,
    },
    Contact {
        contact_forces: Vec<usize>,
    },
    TimeLeft,
}

impl Sees {
    /// Resolves the names of a term; `commands` is the first row of the commands.
    pub fn bind(
        binder: &Binder<'_>,
        term: &Observation,
        path: &str,
        actions: &ActionMap,
        commands: usize,
    ) -> Result<Self> {
        let at = |key: &str| format!("{path}.{key}");
        let rows = &binder.rows;
        let base = binder.base();
        let plain = |rows: &mut dyn Iterator<Item = usize>| Self::Rows(rows.map(|row| (row, 0.0)).collect());
        let base_of = |relative_to: RelativeTo| match relative_to {
            RelativeTo::World => None,
            RelativeTo::Base => Some(base),
        };
        Ok(match term {
            Observation::JointPosition { joints } => {
                let joints = binder.joints(joints, &at("joints"))?;
                Self::Rows(joints.iter().map(|j| (rows.qpos + j.q, f64::from(j.default))).collect())
            }
            Observation::JointVelocity { joints } => {
                let joints = binder.joints(joints, &at("joints"))?;
                plain(&mut joints.iter().map(|joint| rows.qvel + joint.v))
            }
            Observation::Qpos { joints, skip, quaternions } => {
                let joints = binder.any_joints(joints, &at("joints"))?;
                let mut sources: Vec<usize> =
                    joints.into_iter().flat_map(|joint| ordered_qpos_rows(joint, *quaternions)).collect();
                skip_front(binder, &mut sources, *skip, &at("skip"))?;
                plain(&mut sources.into_iter().map(|row| rows.qpos + row))
            }
            Observation::Qvel { joints, skip } => {
                let joints = binder.any_joints(joints, &at("joints"))?;
                let mut sources: Vec<usize> = joints.into_iter().flat_map(dof_rows).collect();
                skip_front(binder, &mut sources, *skip, &at("skip"))?;
                plain(&mut sources.into_iter().map(|row| rows.qvel + row))
            }
            Observation::BasePosition => plain(&mut (base.position..base.position + 3)),
            Observation::BaseHeight => plain(&mut (base.position + 2..base.position + 3)),
            Observation::BaseRotation => plain(&mut (base.rotation..base.rotation + 4)),
            Observation::BaseLinearVelocity => Self::LinearVelocity(base),
            Observation::BaseAngularVelocity => Self::AngularVelocity(base),
            Observation::ProjectedGravity => Self::Gravity(base),
            Observation::LastAction => plain(&mut (actions.action..actions.action + actions.names().len())),
            Observation::ActionTarget => {
                let defaults = actions.defaults();
                Self::Rows(defaults.into_iter().enumerate().map(|(k, q)| (actions.target + k, q)).collect())
            }
            Observation::Command { command } => {
                let first = commands + 3 * binder.command(command, &at("command"))?;
                plain(&mut (first..first + 3))
            }
            Observation::FramePosition { frame, relative_to } => Self::FramePosition {
                frame: binder.frame(frame.as_deref(), &at("frame"))?,
                base: base_of(*relative_to),
            },
            Observation::VectorToTarget { command, frame, relative_to } => Self::VectorToTarget {
                point: commands + 3 * binder.point_command(command, &at("command"))?,
                frame: binder.frame(frame.as_deref(), &at("frame"))?,
                base: base_of(*relative_to),
            },
            Observation::VectorToObject { frame } => Self::VectorToObject {
                object: binder.named_object(&at("term"))?,
                frame: binder.frame(frame.as_deref(), &at("frame"))?,
            },
            Observation::ObjectToTarget => Self::ObjectToTarget {
                object: binder.named_object(&at("term"))?,
                target: binder.named_target(&at("term"))?,
            },
            Observation::Sensor { sensor } => {
                let (start, size) = binder.sensor(sensor, &at("sensor"))?;
                plain(&mut (rows.sensed + start..rows.sensed + start + size))
            }
            Observation::JointTorque { .. }
            | Observation::ContactWrench { .. }
            | Observation::HeightScan { .. }
            | Observation::RayDistance { .. } => {
                plain(&mut binder.term_sensors(path).into_iter().map(|row| rows.sensed + row))
            }
            Observation::ContactForce { bodies } => {
                let bodies = binder.bodies(bodies, &at("bodies"))?;
                let firsts = bodies.iter().map(|body| binder.body_rows(*body).contact_force);
                plain(&mut firsts.flat_map(|first| first..first + 3))
            }
            Observation::Contact { bodies } => {
                let bodies = binder.bodies(bodies, &at("bodies"))?;
                Self::Contact {
                    contact_forces: bodies.iter().map(|b| binder.body_rows(*b).contact_force).collect(),
                }
            }
            Observation::ActuatorForce { actuators } => {
                let actuators = binder.actuators(actuators, &at("actuators"))?;
                plain(&mut actuators.iter().map(|actuator| rows.actuator_force + actuator))
            }
            Observation::TimeLeft => Self::TimeLeft,
            // Images are made elsewhere.
            Observation::Camera { .. } => plain(&mut std::iter::empty()),
        })
    }

    /// Numbers that it gives.
    pub fn size(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Contact { contact_forces } => contact_forces.len(),
            Self::TimeLeft => 1,
            _ => 3,
        }
    }

    /// Writes its numbers, before noise, clip and scale.
    #[inline(always)]
    pub fn write<M: Machine>(&self, m: &mut M, clock: &Clock, out: usize) {
        match self {
            Self::Rows(rows) => {
                for (k, (row, less)) in rows.iter().enumerate() {
                    let value = m.get(*row);
                    m.set(out + k, if *less == 0.0 { value } else { value - m.num(*less) });
                }
            }
            Self::LinearVelocity(base) => m.set3(out, linear_velocity(m, *base)),
            Self::AngularVelocity(base) => m.set3(out, angular_velocity(m, *base)),
            Self::Gravity(base) => m.set3(out, projected_gravity(m, *base)),
            Self::FramePosition { frame, base } => {
                let position = frame_position(m, frame);
                m.set3(
                    out,
                    match base {
                        None => position,
                        Some(base) => to_body(m, *base, position - m.get3(base.position)),
                    },
                );
            }
            Self::VectorToTarget { point, frame, base } => {
                let to_target = m.get3(*point) - frame_position(m, frame);
                m.set3(
                    out,
                    match base {
                        None => to_target,
                        Some(base) => to_body(m, *base, to_target),
                    },
                );
            }
            Self::VectorToObject { object, frame } => {
                m.set3(out, object.position(m) - frame_position(m, frame));
            }
            Self::ObjectToTarget { object, target } => {
                m.set3(out, target.position(m) - object.position(m));
            }
            Self::Contact { contact_forces } => {
                for (k, row) in contact_forces.iter().enumerate() {
                    m.set(out + k, flag(m, touched(m, *row, TOUCH_FORCE)));
                }
            }
            Self::TimeLeft => m.set(out, m.num(1.0) - m.get(clock.step) / m.num(clock.max_steps)),
        }
    }
}

/// A term of an observation group: `scale · clip(value + noise · U(-1, 1))`.
#[derive(Clone, Debug)]
pub(crate) struct ObservedTerm {
    pub sees: Sees,
    pub scale: f64,
    /// Half width of the noise, and the first row of draws in [-1, 1].
    pub noise: Option<(f64, usize)>,
    pub clip: Option<f64>,
}

impl ObservedTerm {
    /// Writes its numbers.
    #[inline(always)]
    pub fn write<M: Machine>(&self, m: &mut M, clock: &Clock, out: usize) {
        self.sees.write(m, clock, out);
        for k in 0..self.sees.size() {
            let mut value = m.get(out + k);
            if let Some((noise, draws)) = self.noise {
                value = m.get(draws + k).mul_add(m.num(noise), value);
            }
            if let Some(clip) = self.clip {
                // What is not a number stays so: it is found later.
                let (low, high) = (m.num(-clip), m.num(clip));
                value = M::Num::select(value.lt(low), low, M::Num::select(value.gt(high), high, value));
            }
            m.set(out + k, if self.scale == 1.0 { value } else { value * m.num(self.scale) });
        }
    }
}

/// Rows of qpos that a joint has, its quaternion in the order that is asked for.
fn ordered_qpos_rows(joint: &Joint, order: QuaternionOrder) -> Vec<usize> {
    let mut rows: Vec<usize> = qpos_rows(joint).collect();
    if let (QuaternionOrder::Wxyz, Some(first)) = (order, quaternion_row(joint)) {
        rows[first - joint.qpos_index..].rotate_right(1);
    }
    rows
}

/// Leaves out the first rows; some must stay.
fn skip_front(binder: &Binder<'_>, rows: &mut Vec<usize>, skip: u32, path: &str) -> Result<()> {
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    if skip > 0 && skip >= rows.len() {
        let message = format!("{skip} of {} numbers are left out", rows.len());
        return Err(binder.error(ErrorKind::Value, path, &message).allowed("allowed: less than there are"));
    }
    rows.drain(..skip);
    Ok(())
}
