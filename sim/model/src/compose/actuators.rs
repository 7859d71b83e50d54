//! Actuators that the scene gives a robot, and the controls that hold its default pose.

use crate::TaskSpec;
use crate::error::{ErrorKind, Result};
use crate::robot::{Actuator, ActuatorKind, Joint, JointKind, RobotModel, Transmission};
use crate::task::{ActuatorGroup, Servo, matches_pattern};

/// Replaces the actuators of the robot by those of `[actuators]`, in joint order; without any nothing changes.
pub(super) fn replace(model: &mut RobotModel, spec: &TaskSpec) -> Result<()> {
    if spec.actuators.is_empty() {
        return Ok(());
    }
    let scalar = |joint: &Joint| matches!(joint.kind, JointKind::Revolute | JointKind::Prismatic);
    let mut groups: Vec<Option<&ActuatorGroup>> = vec![None; model.joints.len()];
    for (name, group) in spec.actuators.iter() {
        for (index, pattern) in group.joints.iter().enumerate() {
            let path = format!("actuators.{name}.joints.{index}");
            let mut found = false;
            for (joint, slot) in model.joints.iter().zip(&mut groups) {
                if !scalar(joint) || joint.mimic || !matches_pattern(pattern, &joint.name) {
                    continue;
                }
                found = true;
                if slot.replace(group).is_some() {
                    let message = format!("joint `{}` gets two actuators", joint.name);
                    return Err(spec.source.error(ErrorKind::Structure, &path, message));
                }
            }
            if !found {
                let names =
                    model.joints.iter().filter(|joint| scalar(joint)).map(|joint| joint.name.as_str());
                return Err(spec.source.unknown(&path, "joint", pattern, names));
            }
        }
    }
    model.actuators = groups
        .into_iter()
        .enumerate()
        .filter_map(|(joint_idx, group)| Some(actuator(&model.joints[joint_idx], joint_idx, group?)))
        .collect();
    for keyframe in &mut model.keyframes {
        keyframe.ctrl.clear();
    }
    Ok(())
}

fn actuator(joint: &Joint, joint_idx: usize, group: &ActuatorGroup) -> Actuator {
    let (kind, gain, bias) = match group.kind {
        Servo::Position => (ActuatorKind::Position, group.stiffness, [0.0, -group.stiffness, -group.damping]),
        Servo::Velocity => (ActuatorKind::Velocity, group.damping, [0.0, 0.0, -group.damping]),
        Servo::Effort => (ActuatorKind::Motor, 1.0, [0.0; 3]),
    };
    let force_range = group.effort_limit.map(|limit| [-limit, limit]).or(joint.effort_range);
    let ctrl_range = match group.kind {
        Servo::Position => joint.range,
        Servo::Velocity => joint.velocity_limit.map(|limit| [-limit, limit]),
        Servo::Effort => force_range,
    };
    Actuator {
        name: joint.name.clone(),
        kind,
        transmission: Transmission::Joint { joint: joint_idx },
        gear: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        gain,
        bias,
        ctrl_range,
        force_range,
        time_constant: 0.0,
    }
}

/// Controls that hold a pose: the keyframe's own where it has any, else where a servo gives no force. A keyframe
/// without controls is read as zeros, which would pull servos away from its pose.
pub(super) fn holding_controls(model: &RobotModel, qpos: &[f64], keyframe: Option<usize>) -> Vec<f64> {
    let own = keyframe.map(|index| &model.keyframes[index].ctrl);
    if let Some(ctrl) =
        own.filter(|ctrl| ctrl.len() == model.actuators.len() && ctrl.iter().any(|u| *u != 0.0))
    {
        return ctrl.clone();
    }
    model
        .actuators
        .iter()
        .map(|actuator| {
            let length = match actuator.transmission {
                Transmission::Joint { joint } if model.joints[joint].kind.num_dofs() == 1 => {
                    actuator.gear[0] * qpos[model.joints[joint].qpos_index]
                }
                Transmission::Tendon { tendon } => {
                    let terms = &model.tendons[tendon].terms;
                    let length: f64 =
                        terms.iter().map(|(joint, coef)| coef * qpos[model.joints[*joint].qpos_index]).sum();
                    actuator.gear[0] * length
                }
                _ => 0.0,
            };
            let ctrl = if actuator.gain != 0.0 && actuator.bias[1] != 0.0 {
                -(actuator.bias[0] + actuator.bias[1] * length) / actuator.gain
            } else {
                0.0
            };
            actuator.ctrl_range.map_or(ctrl, |[low, high]| ctrl.max(low).min(high))
        })
        .collect()
}
