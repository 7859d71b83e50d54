//! Randomisation: the state and the parameters that an episode starts with, and pushes.

use glam::{DQuat, DVec3};
use keiko_model::Result;
use keiko_model::error::ErrorKind;
use keiko_model::robot::JointKind;
use keiko_model::task::Randomization;
use keiko_world::{EnvParameters, Field};

use crate::bind::{Binder, ScalarJoint, dof_rows, qpos_rows, quaternion_row};
use crate::draw::{Draw, MAX_STREAMS, Purpose, Who};

/// A randomisation term with its names resolved.
enum Bound {
    Mass { bodies: Vec<usize>, factor: [f64; 2] },
    Friction { factor: [f64; 2] },
    Stiffness { actuators: Vec<usize>, factor: [f64; 2] },
    Damping { actuators: Vec<usize>, factor: [f64; 2] },
    Strength { actuators: Vec<usize>, factor: [f64; 2] },
    Delay { steps: [u32; 2] },
    JointPosition { joints: Vec<ScalarJoint>, offset: [f64; 2] },
    JointVelocity { joints: Vec<ScalarJoint>, offset: [f64; 2] },
    Qpos { rows: Vec<usize>, quaternions: Vec<usize>, noise: Noise },
    Qvel { rows: Vec<usize>, noise: Noise },
    BasePose { q: usize, ranges: [[f64; 2]; 4] },
    BaseVelocity { v: usize, linear: [f64; 2], angular: [f64; 2] },
}

/// The sum of a uniform and a normal draw.
struct Noise {
    offset: [f64; 2],
    std: f64,
}

impl Noise {
    fn draw(&self, draw: &mut Draw) -> f64 {
        draw.range(self.offset) + self.std * draw.normal()
    }
}

/// Pushes of one term.
pub(crate) struct Push {
    interval: [f64; 2],
    speed: [f64; 2],
    /// First row of the base in qvel.
    v: usize,
    control_dt: f64,
}

/// All randomisation of a task.
pub(crate) struct Randomizer {
    terms: Vec<Bound>,
    pub pushes: Vec<Push>,
    default_qpos: Vec<f64>,
}

impl Randomizer {
    pub fn bind(binder: &Binder<'_>, control_dt: f64) -> Result<Self> {
        let mut this =
            Self { terms: Vec::new(), pushes: Vec::new(), default_qpos: binder.scene.default_qpos.clone() };
        for (name, entry) in binder.spec.randomize.iter() {
            let path = format!("randomize.{name}");
            match &entry.term {
                Randomization::Push { interval, speed } => {
                    let (_, v) = floating_base(binder, &path)?;
                    let interval = binder.ordered(*interval, &format!("{path}.interval"))?;
                    if interval[0] <= 0.0 {
                        return Err(binder.error(
                            ErrorKind::Value,
                            &format!("{path}.interval"),
                            "the interval is not over 0",
                        ));
                    }
                    let speed = binder.ordered(*speed, &format!("{path}.speed"))?;
                    this.pushes.push(Push { interval, speed, v, control_dt });
                }
                term => this.terms.push(bind_term(binder, term, &path)?),
            }
        }
        if this.terms.len() > MAX_STREAMS || 2 * this.pushes.len() > MAX_STREAMS {
            return Err(binder
                .error(ErrorKind::Limit, "randomize", "too many terms")
                .allowed("at most 64, and 32 pushes"));
        }
        Ok(this)
    }

    /// Draws the start of an episode into the columns of one environment.
    pub fn start(
        &self,
        who: Who,
        column: usize,
        qpos: &mut Field,
        qvel: &mut Field,
        parameters: &mut EnvParameters,
    ) {
        let mut q = self.default_qpos.clone();
        let mut v = vec![0.0; qvel.num_rows()];
        identity(parameters, column);
        for (index, term) in self.terms.iter().enumerate() {
            term.apply(&mut who.draw(Purpose::Reset, index, 0), column, &mut q, &mut v, parameters);
        }
        qpos.set_column(column, q.into_iter().map(|x| x as f32));
        qvel.set_column(column, v.into_iter().map(|x| x as f32));
    }
}

impl Push {
    /// Control step of the first push, or of the one after a push at `step`.
    pub fn next(&self, who: Who, index: usize, step: u32) -> u32 {
        let seconds = who.draw(Purpose::Push, 2 * index, step).range(self.interval);
        step.saturating_add(((seconds / self.control_dt).round() as u32).max(1))
    }

    /// Adds a push to the columns of one environment.
    pub fn apply(&self, who: Who, index: usize, step: u32, column: usize, delta_qvel: &mut Field) {
        let mut draw = who.draw(Purpose::Push, 2 * index + 1, step);
        let (speed, angle) = (draw.range(self.speed), draw.range([0.0, std::f64::consts::TAU]));
        for (k, part) in [angle.cos(), angle.sin()].into_iter().enumerate() {
            let row = self.v + k;
            delta_qvel.set(row, column, delta_qvel.get(row, column) + (speed * part) as f32);
        }
    }
}

impl Bound {
    fn apply(
        &self,
        draw: &mut Draw,
        column: usize,
        qpos: &mut [f64],
        qvel: &mut [f64],
        parameters: &mut EnvParameters,
    ) {
        let mut scale = |field: &mut Field, rows: &[usize], factor: [f64; 2]| {
            for row in rows {
                let value = field.get(*row, column) * draw.range(factor) as f32;
                field.set(*row, column, value);
            }
        };
        match self {
            Self::Mass { bodies, factor } => scale(&mut parameters.mass_scale, bodies, *factor),
            Self::Friction { factor } => scale(&mut parameters.friction_scale, &[0], *factor),
            Self::Stiffness { actuators, factor } => {
                scale(&mut parameters.stiffness_scale, actuators, *factor)
            }
            Self::Damping { actuators, factor } => scale(&mut parameters.damping_scale, actuators, *factor),
            Self::Strength { actuators, factor } => scale(&mut parameters.strength_scale, actuators, *factor),
            Self::Delay { steps } => {
                let delay = draw.whole(*steps) as f32;
                for row in 0..parameters.delay.num_rows() {
                    parameters.delay.set(row, column, delay);
                }
            }
            Self::JointPosition { joints, offset } => {
                for joint in joints {
                    let q = qpos[joint.q] + draw.range(*offset);
                    let [low, high] =
                        joint.range.map_or([f64::NEG_INFINITY, f64::INFINITY], |r| r.map(f64::from));
                    qpos[joint.q] = q.max(low).min(high);
                }
            }
            Self::JointVelocity { joints, offset } => {
                for joint in joints {
                    qvel[joint.v] += draw.range(*offset);
                }
            }
            Self::Qpos { rows, quaternions, noise } => {
                for row in rows {
                    qpos[*row] += noise.draw(draw);
                }
                for first in quaternions {
                    let quat = &mut qpos[*first..*first + 4];
                    // Noise that leaves no direction leaves no rotation.
                    let length = DQuat::from_slice(quat).length();
                    let unit = if length > 1e-9 { DQuat::from_slice(quat) / length } else { DQuat::IDENTITY };
                    quat.copy_from_slice(&unit.to_array());
                }
            }
            Self::Qvel { rows, noise } => {
                for row in rows {
                    qvel[*row] += noise.draw(draw);
                }
            }
            Self::BasePose { q, ranges } => {
                for k in 0..3 {
                    qpos[q + k] += draw.range(ranges[k]);
                }
                let turn = DQuat::from_axis_angle(DVec3::Z, draw.range(ranges[3]));
                let rotation = turn * DQuat::from_slice(&qpos[q + 3..q + 7]);
                qpos[q + 3..q + 7].copy_from_slice(&rotation.normalize().to_array());
            }
            Self::BaseVelocity { v, linear, angular } => {
                for (k, range) in [linear, linear, linear, angular, angular, angular].into_iter().enumerate()
                {
                    qvel[v + k] += draw.range(*range);
                }
            }
        }
    }
}

fn bind_term(binder: &Binder<'_>, term: &Randomization, path: &str) -> Result<Bound> {
    let at = |key: &str| format!("{path}.{key}");
    let actuators = |patterns: &[String]| binder.actuators(patterns, &at("actuators"));
    let positive = |range: [f64; 2]| {
        let range = binder.ordered(range, &at("factor"))?;
        if range[0] > 0.0 {
            Ok(range)
        } else {
            Err(binder.error(ErrorKind::Value, &at("factor"), "a factor is not over 0"))
        }
    };
    Ok(match term {
        Randomization::Mass { bodies, factor } => {
            Bound::Mass { bodies: binder.bodies(bodies, &at("bodies"))?, factor: positive(*factor)? }
        }
        Randomization::Friction { factor } => Bound::Friction { factor: positive(*factor)? },
        Randomization::Stiffness { actuators: names, factor } => {
            Bound::Stiffness { actuators: actuators(names)?, factor: positive(*factor)? }
        }
        Randomization::Damping { actuators: names, factor } => {
            Bound::Damping { actuators: actuators(names)?, factor: positive(*factor)? }
        }
        Randomization::Strength { actuators: names, factor } => {
            Bound::Strength { actuators: actuators(names)?, factor: positive(*factor)? }
        }
        Randomization::Delay { steps } => {
            binder.ordered(steps.map(f64::from), &at("steps"))?;
            if steps[1] > 100 {
                return Err(binder.error(
                    ErrorKind::Value,
                    &at("steps"),
                    "a delay of over 100 control steps",
                ));
            }
            Bound::Delay { steps: *steps }
        }
        Randomization::JointPosition { joints, offset } => Bound::JointPosition {
            joints: binder.joints(joints, &at("joints"))?,
            offset: binder.ordered(*offset, &at("offset"))?,
        },
        Randomization::JointVelocity { joints, offset } => Bound::JointVelocity {
            joints: binder.joints(joints, &at("joints"))?,
            offset: binder.ordered(*offset, &at("offset"))?,
        },
        Randomization::Qpos { joints, offset, std } => {
            let joints = binder.any_joints(joints, &at("joints"))?;
            Bound::Qpos {
                rows: joints.iter().copied().flat_map(qpos_rows).collect(),
                quaternions: joints.iter().copied().filter_map(quaternion_row).collect(),
                noise: Noise { offset: binder.ordered(*offset, &at("offset"))?, std: *std },
            }
        }
        Randomization::Qvel { joints, offset, std } => {
            let joints = binder.any_joints(joints, &at("joints"))?;
            Bound::Qvel {
                rows: joints.into_iter().flat_map(dof_rows).collect(),
                noise: Noise { offset: binder.ordered(*offset, &at("offset"))?, std: *std },
            }
        }
        Randomization::BasePose { x, y, z, yaw } => Bound::BasePose {
            q: floating_base(binder, path)?.0,
            ranges: [
                binder.ordered(*x, &at("x"))?,
                binder.ordered(*y, &at("y"))?,
                binder.ordered(*z, &at("z"))?,
                binder.ordered(*yaw, &at("yaw"))?,
            ],
        },
        Randomization::BaseVelocity { linear, angular } => Bound::BaseVelocity {
            v: floating_base(binder, path)?.1,
            linear: binder.ordered(*linear, &at("linear"))?,
            angular: binder.ordered(*angular, &at("angular"))?,
        },
        Randomization::Push { .. } => unreachable!("pushes are bound apart"),
    })
}

/// First rows of the floating base in qpos and qvel.
fn floating_base(binder: &Binder<'_>, path: &str) -> Result<(usize, usize)> {
    let model = &binder.scene.model;
    let joint = model.bodies[binder.scene.base]
        .joints
        .clone()
        .map(|index| &model.joints[index])
        .find(|joint| joint.kind == JointKind::Free);
    joint
        .map(|joint| (joint.qpos_index, joint.dof_index))
        .ok_or_else(|| binder.error(ErrorKind::Value, path, "the robot's base does not float"))
}

/// Parameters that change nothing, in one column.
fn identity(parameters: &mut EnvParameters, column: usize) {
    let EnvParameters { mass_scale, friction_scale, stiffness_scale, damping_scale, strength_scale, delay } =
        parameters;
    for field in [mass_scale, friction_scale, stiffness_scale, damping_scale, strength_scale] {
        for row in 0..field.num_rows() {
            field.set(row, column, 1.0);
        }
    }
    for row in 0..delay.num_rows() {
        delay.set(row, column, 0.0);
    }
}
