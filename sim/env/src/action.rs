//! From actions in [-1, 1] to controls.

use keiko_model::compose::Scene;
use keiko_model::error::ErrorKind;
use keiko_model::robot::{Actuator, Transmission};
use keiko_model::task::{ActionKind, ActionOffset, ActionTargets};
use keiko_model::{Error, Result};
use keiko_world::Field;

use crate::bind::{Binder, ScalarJoint};
use crate::memory::Memory;

/// One action: `ctrl = bias + factor · clamp(value)`, where `value` is `centre + scale · action`, or for changes
/// of a position `target + scale · action`.
#[derive(Clone, Copy, Debug)]
struct Drive {
    actuator: usize,
    joint: Option<ScalarJoint>,
    centre: f32,
    scale: f32,
    range: [f32; 2],
    bias: f32,
    factor: f32,
}

/// The action of a task with its names resolved.
#[derive(Clone, Debug)]
pub(crate) struct ActionMap {
    drives: Vec<Drive>,
    kind: ActionKind,
    clip: f32,
    held: Vec<f32>,
    names: Vec<String>,
}

impl ActionMap {
    pub fn bind(binder: &Binder<'_>) -> Result<Self> {
        let spec = &binder.spec.action;
        let mut chosen = binder.actuators(&spec.actuators, "action.actuators")?;
        if spec.targets == ActionTargets::Chain {
            let chain = chain_joints(binder.scene);
            chosen.retain(|index| joint_of(binder, *index).is_some_and(|joint| chain.contains(&joint.joint)));
        }
        if spec.kind != ActionKind::Ctrl {
            chosen.retain(|index| joint_of(binder, *index).is_some());
        }
        if chosen.is_empty() {
            return Err(binder.error(ErrorKind::Structure, "action", "the action drives no actuator of this robot").allowed(
                "allowed: a robot with actuators on its joints, or a table `[actuators.NAME]` that gives it some",
            ));
        }
        let drives = chosen.iter().map(|index| drive(binder, *index)).collect::<Result<_>>()?;
        Ok(Self {
            drives,
            kind: spec.kind,
            clip: spec.clip as f32,
            held: binder.scene.default_ctrl.iter().map(|u| *u as f32).collect(),
            names: chosen.iter().map(|index| binder.scene.model.actuators[*index].name.clone()).collect(),
        })
    }

    /// Names of the driven actuators, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Position of each driven joint in the default pose; 0 where there is none.
    pub fn defaults(&self) -> Vec<f32> {
        self.drives.iter().map(|drive| drive.joint.map_or(0.0, |joint| joint.default)).collect()
    }

    /// Clips an action in place; a NaN becomes 0 and is reported.
    pub fn clip(&self, actions: &mut Field, broken: &mut [bool]) {
        for row in 0..actions.num_rows() {
            for (action, broken) in actions.row_mut(row).iter_mut().zip(broken.iter_mut()) {
                if action.is_nan() {
                    (*action, *broken) = (0.0, true);
                }
                *action = action.clamp(-self.clip, self.clip);
            }
        }
    }

    /// Sets the targets of one environment to where its joints are.
    pub fn reset_targets(&self, memory: &mut Memory, qpos: &Field, env: usize) {
        for (row, drive) in self.drives.iter().enumerate() {
            let q = drive.joint.map_or(0.0, |joint| qpos.get(joint.q, env));
            memory.target.set(row, env, q);
        }
    }

    /// Writes the controls for the actions in `memory`, and their targets.
    pub fn apply(&self, memory: &mut Memory, ctrl: &mut Field) {
        for (row, held) in self.held.iter().enumerate() {
            ctrl.row_mut(row).fill(*held);
        }
        for (row, drive) in self.drives.iter().enumerate() {
            let actions = memory.action.row(row);
            let targets = memory.target.row_mut(row);
            let controls = ctrl.row_mut(drive.actuator);
            for ((action, target), control) in actions.iter().zip(targets).zip(controls) {
                let from = if self.kind == ActionKind::PositionDelta { *target } else { drive.centre };
                let value = (from + drive.scale * action).max(drive.range[0]).min(drive.range[1]);
                *target = value;
                *control = drive.bias + drive.factor * value;
            }
        }
    }
}

/// The scalar joint that an actuator acts on.
fn joint_of(binder: &Binder<'_>, actuator: usize) -> Option<ScalarJoint> {
    let model = &binder.scene.model;
    match model.actuators[actuator].transmission {
        Transmission::Joint { joint } if model.joints[joint].kind.num_dofs() == 1 => {
            Some(binder.scalar_joint(joint))
        }
        _ => None,
    }
}

/// Joints between the world and the end effector.
pub(crate) fn chain_joints(scene: &Scene) -> Vec<usize> {
    let mut joints = Vec::new();
    let mut body = scene.end_effector.body;
    while body != 0 {
        joints.extend(scene.model.bodies[body].joints.clone());
        body = scene.model.bodies[body].parent;
    }
    joints.sort_unstable();
    joints
}

fn drive(binder: &Binder<'_>, index: usize) -> Result<Drive> {
    let spec = &binder.spec.action;
    let actuator = &binder.scene.model.actuators[index];
    let joint = joint_of(binder, index);
    let refuse = |needs: &str| -> Error {
        let message = format!("the actuator `{}` is not {needs}", actuator.name);
        binder.error(ErrorKind::Value, "action.kind", &message).allowed(
            "allowed: a kind that fits the robot's actuators, or a table `[actuators.NAME]` that replaces them",
        )
    };
    let position_servo = actuator.gain != 0.0 && actuator.bias[1] != 0.0;
    let (bias, factor) = match spec.kind {
        ActionKind::Ctrl => (0.0, 1.0),
        ActionKind::Effort if actuator.gain != 0.0 && actuator.bias == [0.0; 3] => {
            (0.0, 1.0 / (actuator.gear[0] * actuator.gain))
        }
        ActionKind::Effort => return Err(refuse("a motor")),
        ActionKind::Position | ActionKind::PositionDelta if position_servo => servo(actuator, 1),
        ActionKind::Position | ActionKind::PositionDelta => return Err(refuse("a position servo")),
        ActionKind::Velocity if actuator.gain != 0.0 && !position_servo && actuator.bias[2] != 0.0 => {
            servo(actuator, 2)
        }
        ActionKind::Velocity => return Err(refuse("a velocity servo")),
    };
    let range = value_range(spec.kind, actuator, joint, bias, factor);
    let half = range.map(|[low, high]| 0.5 * (high - low));
    let scale = match (spec.scale, spec.kind) {
        (Some(scale), _) => scale,
        (None, ActionKind::PositionDelta) => {
            return Err(binder.error(
                ErrorKind::Structure,
                "action",
                "`action` needs the key `scale` for position_delta",
            ));
        }
        (None, _) => half.ok_or_else(|| {
            let message =
                format!("`action` needs the key `scale`: the actuator `{}` has no range", actuator.name);
            binder.error(ErrorKind::Structure, "action", &message)
        })?,
    };
    let centre = match (spec.kind, spec.offset) {
        (ActionKind::Ctrl, _) => range.map_or(0.0, |[low, high]| 0.5 * (low + high)),
        (ActionKind::Position, ActionOffset::Default) => joint.map_or(0.0, |joint| f64::from(joint.default)),
        _ => 0.0,
    };
    Ok(Drive {
        actuator: index,
        joint,
        centre: centre as f32,
        scale: scale as f32,
        range: range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]).map(|x| x as f32),
        bias: bias as f32,
        factor: factor as f32,
    })
}

/// Control at which a servo gives no force at a value: `bias + factor · value`. `order` 1 is position, 2 velocity.
fn servo(actuator: &Actuator, order: usize) -> (f64, f64) {
    (-actuator.bias[0] / actuator.gain, -actuator.bias[order] * actuator.gear[0] / actuator.gain)
}

/// Range of what the action stands for: the control's range, and for positions the joint's.
fn value_range(
    kind: ActionKind,
    actuator: &Actuator,
    joint: Option<ScalarJoint>,
    bias: f64,
    factor: f64,
) -> Option<[f64; 2]> {
    let of_ctrl = actuator.ctrl_range.filter(|_| factor != 0.0).map(|range| {
        let [a, b] = range.map(|u| (u - bias) / factor);
        [a.min(b), a.max(b)]
    });
    let positional = matches!(kind, ActionKind::Position | ActionKind::PositionDelta);
    let of_joint =
        joint.and_then(|joint| joint.range).filter(|_| positional).map(|range| range.map(f64::from));
    match (of_ctrl, of_joint) {
        (Some([a, b]), Some([c, d])) if a.max(c) <= b.min(d) => Some([a.max(c), b.min(d)]),
        (Some(range), _) => Some(range),
        (None, range) => range,
    }
}
