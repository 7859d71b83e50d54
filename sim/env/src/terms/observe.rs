//! Observation terms.

use glam::Vec3;
use keiko_model::Result;
use keiko_model::error::ErrorKind;
use keiko_model::robot::Joint;
use keiko_model::task::{Observation, QuaternionOrder, RelativeTo};

use super::{TOUCH_FORCE, View};
use crate::bind::{Binder, dof_rows, qpos_rows, quaternion_row};

/// Writes a term's rows `[size * num_envs]`.
type Evaluate = Box<dyn Fn(&View<'_>, &mut [f32]) + Send + Sync>;

/// An observation term with its names resolved.
pub(crate) struct Bound {
    /// Numbers that it gives.
    pub size: usize,
    /// Writes them.
    pub evaluate: Evaluate,
}

/// Resolves the names of a term; `num_actions` is the length of the action vector.
pub(crate) fn bind(
    binder: &Binder<'_>,
    term: &Observation,
    path: &str,
    num_actions: usize,
    action_defaults: &[f32],
) -> Result<Bound> {
    let at = |key: &str| format!("{path}.{key}");
    Ok(match term {
        Observation::JointPosition { joints } => {
            let joints = binder.joints(joints, &at("joints"))?;
            rows(joints.len(), move |view, row, out| {
                let joint = joints[row];
                for (out, q) in out.iter_mut().zip(view.state.qpos.row(joint.q)) {
                    *out = q - joint.default;
                }
            })
        }
        Observation::JointVelocity { joints } => {
            let joints = binder.joints(joints, &at("joints"))?;
            rows(joints.len(), move |view, row, out| out.copy_from_slice(view.state.qvel.row(joints[row].v)))
        }
        Observation::Qpos { joints, skip, quaternions } => {
            let joints = binder.any_joints(joints, &at("joints"))?;
            let mut sources: Vec<usize> =
                joints.into_iter().flat_map(|joint| ordered_qpos_rows(joint, *quaternions)).collect();
            skip_front(binder, &mut sources, *skip, &at("skip"))?;
            rows(sources.len(), move |view, row, out| out.copy_from_slice(view.state.qpos.row(sources[row])))
        }
        Observation::Qvel { joints, skip } => {
            let joints = binder.any_joints(joints, &at("joints"))?;
            let mut sources: Vec<usize> = joints.into_iter().flat_map(dof_rows).collect();
            skip_front(binder, &mut sources, *skip, &at("skip"))?;
            rows(sources.len(), move |view, row, out| out.copy_from_slice(view.state.qvel.row(sources[row])))
        }
        Observation::BasePosition => {
            rows(3, |view, row, out| out.copy_from_slice(view.state.body_position.row(3 * view.base + row)))
        }
        Observation::BaseHeight => {
            rows(1, |view, _, out| out.copy_from_slice(view.state.body_position.row(3 * view.base + 2)))
        }
        Observation::BaseRotation => {
            rows(4, |view, row, out| out.copy_from_slice(view.state.body_rotation.row(4 * view.base + row)))
        }
        Observation::BaseLinearVelocity => vectors(1, |view, _, env| view.base_linear_velocity(env)),
        Observation::BaseAngularVelocity => vectors(1, |view, _, env| view.base_angular_velocity(env)),
        Observation::ProjectedGravity => vectors(1, |view, _, env| view.projected_gravity(env)),
        Observation::LastAction => {
            rows(num_actions, |view, row, out| out.copy_from_slice(view.memory.action.row(row)))
        }
        Observation::ActionTarget => {
            let defaults = action_defaults.to_vec();
            rows(num_actions, move |view, row, out| {
                for (out, target) in out.iter_mut().zip(view.memory.target.row(row)) {
                    *out = target - defaults[row];
                }
            })
        }
        Observation::Command { command } => {
            let command = binder.command(command, &at("command"))?;
            vectors(1, move |view, _, env| view.command(command, env))
        }
        Observation::FramePosition { frame, relative_to } => {
            let (frame, relative_to) = (binder.frame(frame.as_deref(), &at("frame"))?, *relative_to);
            vectors(1, move |view, _, env| {
                let position = view.frame_position(frame, env);
                match relative_to {
                    RelativeTo::World => position,
                    RelativeTo::Base => {
                        view.rotation(view.base, env).conjugate() * (position - view.position(view.base, env))
                    }
                }
            })
        }
        Observation::VectorToTarget { command, frame, relative_to } => {
            let command = binder.point_command(command, &at("command"))?;
            let (frame, relative_to) = (binder.frame(frame.as_deref(), &at("frame"))?, *relative_to);
            vectors(1, move |view, _, env| {
                let to_target = view.command(command, env) - view.frame_position(frame, env);
                match relative_to {
                    RelativeTo::World => to_target,
                    RelativeTo::Base => view.rotation(view.base, env).conjugate() * to_target,
                }
            })
        }
        Observation::Sensor { sensor } => {
            let (start, size) = binder.sensor(sensor, &at("sensor"))?;
            rows(size, move |view, row, out| out.copy_from_slice(view.state.sensors.row(start + row)))
        }
        Observation::JointTorque { .. }
        | Observation::ContactWrench { .. }
        | Observation::HeightScan { .. }
        | Observation::RayDistance { .. } => {
            let sources = binder.term_sensors(path);
            rows(sources.len(), move |view, row, out| {
                out.copy_from_slice(view.state.sensors.row(sources[row]));
            })
        }
        Observation::ContactForce { bodies } => {
            let bodies = binder.bodies(bodies, &at("bodies"))?;
            vectors(bodies.len(), move |view, index, env| view.contact_force(bodies[index], env))
        }
        Observation::Contact { bodies } => {
            let bodies = binder.bodies(bodies, &at("bodies"))?;
            rows(bodies.len(), move |view, row, out| {
                for (env, out) in out.iter_mut().enumerate() {
                    *out = f32::from(view.contact_force(bodies[row], env).length() > TOUCH_FORCE);
                }
            })
        }
        Observation::ActuatorForce { actuators } => {
            let actuators = binder.actuators(actuators, &at("actuators"))?;
            rows(actuators.len(), move |view, row, out| {
                out.copy_from_slice(view.state.actuator_force.row(actuators[row]));
            })
        }
        Observation::TimeLeft => rows(1, |view, _, out| {
            for (out, step) in out.iter_mut().zip(&view.memory.step) {
                *out = 1.0 - *step as f32 / view.max_steps as f32;
            }
        }),
    })
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

/// A term written row by row.
fn rows(size: usize, write: impl Fn(&View<'_>, usize, &mut [f32]) + Send + Sync + 'static) -> Bound {
    let evaluate = move |view: &View<'_>, out: &mut [f32]| {
        for (row, out) in out.chunks_exact_mut(view.num_envs()).enumerate() {
            write(view, row, out);
        }
    };
    Bound { size, evaluate: Box::new(evaluate) }
}

/// A term of `count` vectors.
fn vectors(count: usize, read: impl Fn(&View<'_>, usize, usize) -> Vec3 + Send + Sync + 'static) -> Bound {
    let evaluate = move |view: &View<'_>, out: &mut [f32]| {
        let n = view.num_envs();
        for index in 0..count {
            for env in 0..n {
                let value = read(view, index, env).to_array();
                for (k, value) in value.into_iter().enumerate() {
                    out[(3 * index + k) * n + env] = value;
                }
            }
        }
    };
    Bound { size: 3 * count, evaluate: Box::new(evaluate) }
}
