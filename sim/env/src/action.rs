//! From actions in [-1, 1] to controls.

use keiko_dynamics::block::Block;
use keiko_dynamics::lane::{Lanes, Num};
use keiko_dynamics::machine::Machine;
use keiko_model::compose::Scene;
use keiko_model::error::ErrorKind;
use keiko_model::robot::{Actuator, Transmission};
use keiko_model::task::{ActionKind, ActionOffset, ActionTargets};
use keiko_model::{Error, Result};

use crate::bind::{Binder, ScalarJoint};

/// One action: `ctrl = bias + factor · clamp(value)`, where `value` is `centre + scale · action`, or for changes
/// of a position `target + scale · action`.
#[derive(Clone, Debug)]
struct Drive {
    actuator: usize,
    driven: Option<Driven>,
    centre: f64,
    scale: f64,
    range: Option<[f64; 2]>,
    bias: f64,
    factor: f64,
}

/// The position that an actuator acts on: that of a scalar joint, or a fixed tendon's length.
#[derive(Clone, Debug)]
struct Driven {
    /// Rows of qpos, and how much each counts.
    terms: Vec<(usize, f64)>,
    /// In the default pose \[rad or m\].
    default: f64,
    range: Option<[f64; 2]>,
}

/// The action of a task with its names resolved.
#[derive(Clone, Debug)]
pub(crate) struct ActionMap {
    drives: Vec<Drive>,
    kind: ActionKind,
    clip: f64,
    held: Vec<f64>,
    names: Vec<String>,
    /// First row of the controls, and of qpos.
    control: usize,
    qpos: usize,
    /// First row of what the policy asks for.
    pub input: usize,
    /// First row of the actions of this step, clipped.
    pub action: usize,
    /// First row of the actions of the step before.
    pub previous: usize,
    /// First row of the targets of position actions, absolute \[rad or m\].
    pub target: usize,
    /// 1 where an action was NaN.
    pub broken: usize,
}

impl ActionMap {
    pub fn bind(binder: &Binder<'_>) -> Result<Self> {
        let spec = &binder.spec.action;
        let mut chosen = binder.actuators(&spec.actuators, "action.actuators")?;
        if spec.targets == ActionTargets::Chain {
            let chain = chain_joints(binder.scene);
            chosen.retain(|index| joint_of(binder, *index).is_some_and(|joint| chain.contains(&joint.joint)));
        }
        match spec.kind {
            ActionKind::Ctrl => {}
            ActionKind::Position | ActionKind::PositionDelta => {
                chosen.retain(|index| driven_by(binder, *index).is_some());
            }
            ActionKind::Effort | ActionKind::Velocity => {
                chosen.retain(|index| joint_of(binder, *index).is_some());
            }
        }
        if chosen.is_empty() {
            return Err(binder.error(ErrorKind::Structure, "action", "the action drives no actuator of this robot").allowed(
                "allowed: a robot with actuators on its joints, or a table `[actuators.NAME]` that gives it some",
            ));
        }
        let drives: Vec<Drive> = chosen.iter().map(|index| drive(binder, *index)).collect::<Result<_>>()?;
        let len = drives.len();
        Ok(Self {
            drives,
            kind: spec.kind,
            clip: spec.clip,
            held: binder.scene.default_ctrl.clone(),
            control: binder.rows.control,
            qpos: binder.rows.qpos,
            input: binder.take_input(len),
            action: binder.take_state(len),
            previous: binder.take_state(len),
            target: binder.take_state(len),
            broken: binder.take_state(1),
            names: chosen.iter().map(|index| binder.scene.model.actuators[*index].name.clone()).collect(),
        })
    }

    /// Names of the driven actuators, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What each action drives in the default pose \[rad or m\]; 0 where there is no position.
    pub fn defaults(&self) -> Vec<f64> {
        self.drives.iter().map(|drive| drive.driven.as_ref().map_or(0.0, |driven| driven.default)).collect()
    }

    /// Sets the targets of an environment of a block to where its joints are.
    pub fn reset_targets<L: Lanes>(&self, block: &mut Block<'_, L>, env: usize) {
        for (row, drive) in self.drives.iter().enumerate() {
            let terms = drive.driven.iter().flat_map(|driven| &driven.terms);
            let at: f64 =
                terms.map(|(q, part)| part * Into::<f64>::into(block.get(self.qpos + q, env))).sum();
            block.set(self.target + row, env, at);
        }
    }

    /// Clips what the policy asks for, and writes the controls and their targets. A NaN becomes 0 and is reported.
    #[inline(always)]
    pub fn apply<M: Machine>(&self, m: &mut M) {
        let mut broken = m.num(0.0);
        for (row, held) in self.held.iter().enumerate() {
            m.set(self.control + row, m.num(*held));
        }
        for (row, drive) in self.drives.iter().enumerate() {
            let asked = m.get(self.input + row);
            let number = asked.le(asked);
            broken = M::Num::select(number, broken, m.num(1.0));
            let asked = M::Num::select(number, asked, m.num(0.0));
            let action = asked.clamp(m.num(-self.clip), m.num(self.clip));
            m.set(self.previous + row, m.get(self.action + row));
            m.set(self.action + row, action);
            let from = match self.kind {
                ActionKind::PositionDelta => m.get(self.target + row),
                _ => m.num(drive.centre),
            };
            let mut value = action.mul_add(m.num(drive.scale), from);
            if let Some([low, high]) = drive.range {
                value = value.clamp(m.num(low), m.num(high));
            }
            m.set(self.target + row, value);
            m.set(self.control + drive.actuator, value.mul_add(m.num(drive.factor), m.num(drive.bias)));
        }
        m.set(self.broken, broken);
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

/// The position that an actuator acts on.
fn driven_by(binder: &Binder<'_>, actuator: usize) -> Option<Driven> {
    if let Some(joint) = joint_of(binder, actuator) {
        let range = joint.range.map(|range| range.map(f64::from));
        return Some(Driven { terms: vec![(joint.q, 1.0)], default: f64::from(joint.default), range });
    }
    let model = &binder.scene.model;
    let Transmission::Tendon { tendon } = model.actuators[actuator].transmission else { return None };
    let tendon = &model.tendons[tendon];
    let terms: Vec<(usize, f64)> =
        tendon.terms.iter().map(|(joint, part)| (model.joints[*joint].qpos_index, *part)).collect();
    let default = terms.iter().map(|(q, part)| part * binder.scene.default_qpos[*q]).sum();
    Some(Driven { terms, default, range: tendon.range })
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
    let driven = driven_by(binder, index);
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
    let range =
        value_range(spec.kind, actuator, driven.as_ref().and_then(|driven| driven.range), bias, factor);
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
        (ActionKind::Position, ActionOffset::Default) => driven.as_ref().map_or(0.0, |driven| driven.default),
        _ => 0.0,
    };
    Ok(Drive { actuator: index, driven, centre, scale, range, bias, factor })
}

/// Control at which a servo gives no force at a value: `bias + factor · value`. `order` 1 is position, 2 velocity.
fn servo(actuator: &Actuator, order: usize) -> (f64, f64) {
    (-actuator.bias[0] / actuator.gain, -actuator.bias[order] * actuator.gear[0] / actuator.gain)
}

/// Range of what the action stands for: the control's range, and for positions that of what is driven.
fn value_range(
    kind: ActionKind,
    actuator: &Actuator,
    driven: Option<[f64; 2]>,
    bias: f64,
    factor: f64,
) -> Option<[f64; 2]> {
    let of_ctrl = actuator.ctrl_range.filter(|_| factor != 0.0).map(|range| {
        let [a, b] = range.map(|u| (u - bias) / factor);
        [a.min(b), a.max(b)]
    });
    let positional = matches!(kind, ActionKind::Position | ActionKind::PositionDelta);
    let of_driven = driven.filter(|_| positional);
    match (of_ctrl, of_driven) {
        (Some([a, b]), Some([c, d])) if a.max(c) <= b.min(d) => Some([a.max(c), b.min(d)]),
        (Some(range), _) => Some(range),
        (None, range) => range,
    }
}
