//! The work of the race, the same for both engines: where the environments start, and what their actuators get.

use keiko_model::RobotModel;
use keiko_model::robot::{Actuator, JointKind, Transmission};
use keiko_world::EnvRng;

use crate::numpy::Array;

/// Stream numbers of the draws.
const STATES: u32 = 0xBE01;
const CONTROLS: u32 = 0xBE02;
/// Largest displacement of a joint at the start \[rad or m\].
const DISPLACEMENT: f64 = 0.05;
/// How far a servo's target strays, as a share of half its range; of a servo without range \[rad or m\].
const TARGET_SHARE: f64 = 0.2;

/// Starts and controls.
#[derive(Clone, Debug)]
pub struct Workload {
    /// `[N, nq]`, quaternions xyzw.
    pub qpos: Array,
    /// `[N, nv]`.
    pub qvel: Array,
    /// `[N, K, nu]`.
    pub ctrl: Array,
}

impl Workload {
    /// Near the first keyframe of the file, or its reference configuration; motors get anything in their range,
    /// servos targets near where they are.
    pub fn near_home(model: &RobotModel, num_envs: usize, num_controls: usize, seed: u64) -> Self {
        let (home, servo_home) = home(model);
        let (nq, nv, nu) = (model.num_qpos(), model.num_dofs(), model.actuators.len());
        let mut qpos = Vec::with_capacity(num_envs * nq);
        let mut ctrl = Vec::with_capacity(num_envs * num_controls * nu);
        for env in 0..num_envs {
            let mut rng = EnvRng::new(seed, env as u32, 0, STATES);
            let mut row = home.clone();
            for joint in &model.joints {
                if matches!(joint.kind, JointKind::Revolute | JointKind::Prismatic) {
                    let q = &mut row[joint.qpos_index];
                    *q += rng.uniform(-DISPLACEMENT, DISPLACEMENT);
                    if let Some([low, high]) = joint.range {
                        *q = q.max(low).min(high);
                    }
                }
            }
            qpos.extend(row);
            let mut rng = EnvRng::new(seed, env as u32, 0, CONTROLS);
            for _ in 0..num_controls {
                let draw = |(a, home): (&Actuator, &f64)| control(a, *home, rng.uniform(-1.0, 1.0));
                ctrl.extend(model.actuators.iter().zip(&servo_home).map(draw));
            }
        }
        Self {
            qpos: Array::new(&[num_envs, nq], qpos),
            qvel: Array::new(&[num_envs, nv], vec![0.0; num_envs * nv]),
            ctrl: Array::new(&[num_envs, num_controls, nu], ctrl),
        }
    }

    /// Number of environments.
    pub fn num_envs(&self) -> usize {
        self.qpos.shape[0]
    }

    /// Controls of each environment, one after another.
    pub fn num_controls(&self) -> usize {
        self.ctrl.shape[1]
    }

    /// Only some of the environments.
    pub fn select(&self, envs: &[usize]) -> Self {
        let of = |array: &Array| {
            let mut shape = array.shape.clone();
            shape[0] = envs.len();
            Array::new(&shape, envs.iter().flat_map(|env| array.row(*env).iter().copied()).collect())
        };
        Self { qpos: of(&self.qpos), qvel: of(&self.qvel), ctrl: of(&self.ctrl) }
    }
}

/// The control for a draw in [-1, 1).
fn control(actuator: &Actuator, home: f64, draw: f64) -> f64 {
    let range = actuator.ctrl_range;
    let half = range.map_or(1.0, |[low, high]| 0.5 * (high - low));
    if !is_servo(actuator) {
        return range.map_or(0.0, |[low, high]| 0.5 * (low + high)) + half * draw;
    }
    let target = home + TARGET_SHARE * half * draw;
    range.map_or(target, |[low, high]| target.max(low).min(high))
}

/// Whether the force falls with the actuator's length.
fn is_servo(actuator: &Actuator) -> bool {
    actuator.bias[1] < 0.0
}

/// `qpos` at home, and the controls that hold servos there.
fn home(model: &RobotModel) -> (Vec<f64>, Vec<f64>) {
    if let Some(key) = model.keyframes.first() {
        return (key.qpos.clone(), key.ctrl.clone());
    }
    let qpos = model.reference_qpos();
    let length = |actuator: &Actuator| match &actuator.transmission {
        Transmission::Joint { joint } => {
            let joint = &model.joints[*joint];
            let is_scalar = matches!(joint.kind, JointKind::Revolute | JointKind::Prismatic);
            if is_scalar { actuator.gear[0] * qpos[joint.qpos_index] } else { 0.0 }
        }
        Transmission::Tendon { tendon } => {
            let terms = &model.tendons[*tendon].terms;
            let length: f64 = terms.iter().map(|(j, c)| c * qpos[model.joints[*j].qpos_index]).sum();
            actuator.gear[0] * length
        }
        Transmission::Site { .. } => 0.0,
    };
    // A servo rests where gain * u = -bias[1] * length.
    let hold =
        |a: &Actuator| if is_servo(a) && a.gain != 0.0 { -a.bias[1] * length(a) / a.gain } else { 0.0 };
    let controls = model.actuators.iter().map(hold).collect();
    (qpos, controls)
}
