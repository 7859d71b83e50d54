//! What is plotted: numbers of the environment that is shown, one sample a control step.

use std::collections::VecDeque;

use keiko_model::robot::RobotModel;
use keiko_world::BatchState;

use crate::thing::Thing;
use crate::units;

/// Samples that are kept.
const MOST: usize = 4000;

/// Numbers after a control step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Control steps since the subject was loaded.
    pub step: u64,
    /// Whether an episode began after it: curves break here.
    pub ended: bool,
    /// Reward of the step.
    pub reward: f32,
    /// What each reward term added to it `[num_rewards]`.
    pub terms: Vec<f64>,
    /// What was asked for `[num_inputs]`.
    pub inputs: Vec<f32>,
    /// `[nq]`.
    pub qpos: Vec<f32>,
    /// `[nv]`.
    pub qvel: Vec<f32>,
    /// `[nu]`.
    pub actuator_force: Vec<f32>,
    /// `[3 nb]`.
    pub body_position: Vec<f32>,
    /// `[3 nb]`.
    pub contact_force: Vec<f32>,
    /// `[ns]`.
    pub sensors: Vec<f32>,
}

impl Sample {
    /// The part of a sample that the state holds.
    pub fn of(state: &BatchState, env: usize) -> Self {
        let column = |field: &keiko_world::Field| field.column(env).collect();
        Self {
            qpos: column(&state.qpos),
            qvel: column(&state.qvel),
            actuator_force: column(&state.actuator_force),
            body_position: column(&state.body_position),
            contact_force: column(&state.contact_force),
            sensors: column(&state.sensors),
            ..Self::default()
        }
    }
}

/// A curve: its name, its unit, and points of time \[s\] and value.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Name.
    pub name: String,
    /// Unit; empty for plain numbers.
    pub unit: &'static str,
    /// Points; a NaN breaks the curve.
    pub points: Vec<[f64; 2]>,
}

/// The last samples, oldest first.
#[derive(Debug, Default)]
pub struct History {
    samples: VecDeque<Sample>,
}

impl History {
    /// Appends a sample.
    pub fn push(&mut self, sample: Sample) {
        if self.samples.len() == MOST {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// Forgets what came after a control step.
    pub fn truncate(&mut self, step: u64) {
        self.samples.retain(|sample| sample.step <= step);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.samples.clear();
    }

    /// The samples, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Sample> + Clone {
        self.samples.iter()
    }

    /// The last sample.
    pub fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// A curve of one number of each sample.
    pub fn curve(
        &self,
        name: impl Into<String>,
        unit: &'static str,
        dt: f64,
        value: impl Fn(&Sample) -> Option<f64>,
    ) -> Curve {
        let mut points = Vec::with_capacity(self.samples.len());
        for sample in &self.samples {
            let time = sample.step as f64 * dt;
            points.extend(value(sample).map(|value| [time, value]));
            if sample.ended {
                points.push([time, f64::NAN]);
            }
        }
        Curve { name: name.into(), unit, points }
    }

    /// The curves of a thing: what moves or is measured of it.
    pub fn curves(&self, model: &RobotModel, thing: Thing, dt: f64) -> Vec<Curve> {
        let at = |values: fn(&Sample) -> &Vec<f32>, row: usize| {
            move |sample: &Sample| values(sample).get(row).map(|value| f64::from(*value))
        };
        match thing {
            Thing::Joint(index) => {
                let joint = &model.joints[index];
                let position = (0..joint.kind.num_qpos()).map(|k| {
                    let (name, unit) = units::position(joint.kind, k);
                    self.curve(name, unit, dt, at(|s| &s.qpos, joint.qpos_index + k))
                });
                let velocity = (0..joint.kind.num_dofs()).map(|k| {
                    let (name, unit) = units::velocity(joint.kind, k);
                    self.curve(name, unit, dt, at(|s| &s.qvel, joint.dof_index + k))
                });
                position.chain(velocity).collect()
            }
            Thing::Actuator(index) => {
                vec![self.curve("force", "N, N·m", dt, at(|s| &s.actuator_force, index))]
            }
            Thing::Sensor(index) => {
                let first: usize = model.sensors[..index].iter().map(|sensor| sensor.kind.size()).sum();
                let kind = &model.sensors[index].kind;
                let values = (0..kind.size()).map(|k| {
                    let name = units::sensor_part(kind, k);
                    self.curve(name, units::sensor(kind), dt, at(|s| &s.sensors, first + k))
                });
                values.collect()
            }
            Thing::Body(_) | Thing::Geom(_) | Thing::Site(_) | Thing::Camera(_) => {
                let body = thing.body(model);
                let axis = |k: usize| ["x", "y", "z"][k];
                let position =
                    (0..3).map(|k| self.curve(axis(k), "m", dt, at(|s| &s.body_position, 3 * body + k)));
                let force = |k| {
                    self.curve(
                        format!("contact {}", axis(k)),
                        "N",
                        dt,
                        at(|s| &s.contact_force, 3 * body + k),
                    )
                };
                position.chain((0..3).map(force)).collect()
            }
        }
    }
}
