//! Reward terms.

use glam::DVec3;
use keiko_model::Result;
use keiko_model::compose::Frame;
use keiko_model::error::ErrorKind;
use keiko_model::task::{Kernel, Reward};

use super::success::{self, Holds};
use super::{STANDING_SPEED, TOUCH_FORCE, View, vector};
use crate::bind::{Binder, ScalarJoint};

/// Writes a term's value in every environment `[num_envs]`, before its weight.
pub(crate) type Evaluate = Box<dyn Fn(&View<'_>, &mut [f32]) + Send + Sync>;

/// Resolves the names of a term.
pub(crate) fn bind(binder: &Binder<'_>, term: &Reward, path: &str) -> Result<Evaluate> {
    let at = |key: &str| format!("{path}.{key}");
    Ok(match term {
        Reward::Alive => each(|view, env| f32::from(!view.terminated[env])),
        Reward::Upright => each(|view, env| -view.projected_gravity(env).z),
        Reward::ForwardVelocity { limit } => {
            let limit = limit.unwrap_or(f64::INFINITY) as f32;
            each(move |view, env| view.state.body_linear_velocity.get(3 * view.base, env).min(limit))
        }
        Reward::MeanVelocity { body, axis } => {
            let body = binder.body(body.as_deref(), &at("body"))?;
            let axis = DVec3::from(*axis)
                .try_normalize()
                .ok_or_else(|| binder.error(ErrorKind::Value, &at("axis"), "the direction has no length"))?;
            let axis = axis.as_vec3();
            each(move |view, env| {
                let way = view.position(body, env) - vector(&view.memory.previous_body_position, body, env);
                way.dot(axis) / view.dt
            })
        }
        Reward::TrackLinearVelocity { command, sigma } => {
            let (command, sigma) = (binder.velocity_command(command, &at("command"))?, *sigma as f32);
            each(move |view, env| (-view.velocity_error(command, env).length_squared() / sigma).exp())
        }
        Reward::TrackAngularVelocity { command, sigma } => {
            let (command, sigma) = (binder.velocity_command(command, &at("command"))?, *sigma as f32);
            each(move |view, env| (-view.turning_error(command, env).powi(2) / sigma).exp())
        }
        Reward::VelocityError { command } => {
            let command = binder.velocity_command(command, &at("command"))?;
            each(move |view, env| view.velocity_error(command, env).length())
        }
        Reward::TurningError { command } => {
            let command = binder.velocity_command(command, &at("command"))?;
            each(move |view, env| view.turning_error(command, env).abs())
        }
        Reward::LinearVelocityZ => each(|view, env| {
            let z = view.state.body_linear_velocity.get(3 * view.base + 2, env);
            z * z
        }),
        Reward::AngularVelocityXy => {
            each(|view, env| view.base_angular_velocity(env).truncate().length_squared())
        }
        Reward::Orientation => each(|view, env| view.projected_gravity(env).truncate().length_squared()),
        Reward::BaseHeight { target } => {
            let target = *target as f32;
            each(move |view, env| {
                let error = view.position(view.base, env).z - target;
                error * error
            })
        }
        Reward::Torque { actuators } => {
            let actuators = binder.actuators(actuators, &at("actuators"))?;
            Box::new(move |view, out| {
                out.fill(0.0);
                for actuator in &actuators {
                    add_squares(out, view.state.actuator_force.row(*actuator));
                }
            })
        }
        Reward::JointVelocity { joints } => {
            let joints = binder.joints(joints, &at("joints"))?;
            Box::new(move |view, out| {
                out.fill(0.0);
                for joint in &joints {
                    add_squares(out, view.state.qvel.row(joint.v));
                }
            })
        }
        Reward::JointAcceleration { joints } => {
            sum_joints(binder.joints(joints, &at("joints"))?, |view, joint, env| {
                let change = view.state.qvel.get(joint.v, env) - view.memory.previous_qvel.get(joint.v, env);
                (change / view.dt) * (change / view.dt)
            })
        }
        Reward::Action => Box::new(|view, out| {
            out.fill(0.0);
            for row in 0..view.memory.action.num_rows() {
                add_squares(out, view.memory.action.row(row));
            }
        }),
        Reward::ActionRate => each(|view, env| {
            let pairs = view.memory.action.column(env).zip(view.memory.previous_action.column(env));
            pairs.map(|(now, before)| (now - before) * (now - before)).sum()
        }),
        Reward::Energy => {
            let joints = binder.actuated_joints();
            each(move |view, env| {
                let power = joints.iter().map(|(actuator, joint, gear)| {
                    (view.state.actuator_force.get(*actuator, env) * gear * view.state.qvel.get(joint.v, env))
                        .abs()
                });
                power.sum()
            })
        }
        Reward::JointLimits { joints, inner } => {
            let inner = *inner as f32;
            sum_joints(binder.joints(joints, &at("joints"))?, move |view, joint, env| {
                let Some([low, high]) = joint.range else { return 0.0 };
                let (centre, half) = (0.5 * (low + high), 0.5 * (high - low) * inner);
                ((view.state.qpos.get(joint.q, env) - centre).abs() - half).max(0.0)
            })
        }
        Reward::PoseDeviation { joints } => {
            sum_joints(binder.joints(joints, &at("joints"))?, |view, joint, env| {
                let error = view.state.qpos.get(joint.q, env) - joint.default;
                error * error
            })
        }
        Reward::StandStill { command, joints } => {
            let command = binder.velocity_command(command, &at("command"))?;
            sum_joints(binder.joints(joints, &at("joints"))?, move |view, joint, env| {
                let standing = view.command(command, env).length() < STANDING_SPEED;
                if standing { (view.state.qpos.get(joint.q, env) - joint.default).abs() } else { 0.0 }
            })
        }
        Reward::FeetAirTime { bodies, threshold, command } => {
            let bodies = binder.bodies(bodies, &at("bodies"))?;
            let threshold = *threshold as f32;
            let command =
                command.as_ref().map(|name| binder.velocity_command(name, &at("command"))).transpose()?;
            each(move |view, env| {
                if command.is_some_and(|command| view.command(command, env).length() < STANDING_SPEED) {
                    return 0.0;
                }
                let landed =
                    bodies.iter().map(|body| view.memory.landed.get(*body, env)).filter(|time| *time > 0.0);
                landed.map(|time| time - threshold).sum()
            })
        }
        Reward::FeetSlip { feet } => sum_frames(binder.frames(feet, &at("feet"))?, |view, foot, env| {
            let touched = view.contact_force(foot.body, env).length() > TOUCH_FORCE;
            if touched { view.frame_velocity(foot, env).truncate().length_squared() } else { 0.0 }
        }),
        Reward::FeetClearance { feet, target } => {
            let target = *target as f32;
            sum_frames(binder.frames(feet, &at("feet"))?, move |view, foot, env| {
                let error = view.frame_position(foot, env).z - target;
                error * error * view.frame_velocity(foot, env).truncate().length().sqrt()
            })
        }
        Reward::ContactCost { bodies, clip } => {
            let (bodies, clip) = (binder.bodies(bodies, &at("bodies"))?, *clip as f32);
            each(move |view, env| {
                let force = |body: &usize| vector(&view.state.contact_force, *body, env);
                bodies
                    .iter()
                    .map(|body| {
                        force(body).clamp(glam::Vec3::splat(-clip), glam::Vec3::splat(clip)).length_squared()
                    })
                    .sum()
            })
        }
        Reward::UndesiredContact { bodies, force } => {
            let (bodies, force) = (binder.bodies(bodies, &at("bodies"))?, *force as f32);
            each(move |view, env| {
                bodies.iter().filter(|body| view.contact_force(**body, env).length() > force).count() as f32
            })
        }
        Reward::ReachDistance { command, frame } => {
            let command = binder.point_command(command, &at("command"))?;
            let frame = binder.frame(frame.as_deref(), &at("frame"))?;
            each(move |view, env| view.distance(frame, command, env))
        }
        Reward::ReachFine { command, frame, scale, kernel } => {
            let command = binder.point_command(command, &at("command"))?;
            let frame = binder.frame(frame.as_deref(), &at("frame"))?;
            let (scale, kernel) = (*scale as f32, *kernel);
            each(move |view, env| {
                let d = view.distance(frame, command, env) / scale;
                match kernel {
                    Kernel::Tanh => 1.0 - d.tanh(),
                    Kernel::Exp => (-d * d).exp(),
                }
            })
        }
        Reward::Success => success_term(success::bind(binder)?),
        Reward::Termination => each(|view, env| f32::from(view.terminated[env])),
    })
}

fn success_term(holds: Option<Holds>) -> Evaluate {
    each(move |view, env| f32::from(holds.as_ref().is_some_and(|holds| holds(view, env))))
}

/// A term written environment by environment.
fn each(value: impl Fn(&View<'_>, usize) -> f32 + Send + Sync + 'static) -> Evaluate {
    Box::new(move |view, out| {
        for (env, out) in out.iter_mut().enumerate() {
            *out = value(view, env);
        }
    })
}

/// A sum over joints.
fn sum_joints(
    joints: Vec<ScalarJoint>,
    value: impl Fn(&View<'_>, ScalarJoint, usize) -> f32 + Send + Sync + 'static,
) -> Evaluate {
    each(move |view, env| joints.iter().map(|joint| value(view, *joint, env)).sum())
}

/// A sum over frames.
fn sum_frames(
    frames: Vec<Frame>,
    value: impl Fn(&View<'_>, Frame, usize) -> f32 + Send + Sync + 'static,
) -> Evaluate {
    each(move |view, env| frames.iter().map(|frame| value(view, *frame, env)).sum())
}

fn add_squares(out: &mut [f32], row: &[f32]) {
    for (out, value) in out.iter_mut().zip(row) {
        *out += value * value;
    }
}
