//! Actuators: from controls to motors, generalised forces and wrenches.
//!
//! Forces are affine: `gain·u + bias·(1, length, velocity)`. What pulls a scalar joint back (negative position or
//! velocity bias, symmetric limits) becomes a rapier motor, which is the same law taken implicitly at the end of
//! each substep. Every other force on a scalar joint is a generalised force; rapier has none, but its implicit
//! joint spring `-k (q - rest)` with a far `rest` is one. Forces on ball joints, free joints and sites are wrenches.

use glam::{DVec3, Vec3};
use keiko_model::robot::{Actuator, JointKind, RobotModel, Transmission};
use rapier3d::prelude as rp;
use serde::{Deserialize, Serialize};

use super::BuildError;
use super::blueprint::{Blueprint, World, scalar_axis};
use crate::kinematics::BodyMotions;

/// Stiffness of the spring that carries a generalised force \[N·m/rad or N/m\]: small enough that the joint's own
/// motion within a control step does not change the force (1e-4 N·m per rad).
const CARRIER_STIFFNESS: f32 = 1e-4;

/// A scalar joint on which something acts.
#[derive(Clone, Debug)]
struct JointDrive {
    joint: usize,
    /// Actuators that act through the motor.
    servos: Vec<usize>,
    /// Whether any generalised force acts.
    forced: bool,
    effort: [f32; 2],
    velocity_limit: f32,
}

/// How the actuators of a model act.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drives {
    joints: Vec<JointDrive>,
    /// Index into `joints` of each joint, or `usize::MAX`.
    of_joint: Vec<usize>,
    /// Whether each actuator is a servo.
    servo: Vec<bool>,
    /// Whether wrenches occur.
    wrenches: bool,
    /// Whether forces change between the physics steps of a control step.
    pub every_step: bool,
}

/// The law of one actuator in one environment, after its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Law {
    gain: f32,
    bias: [f32; 3],
    range: [f32; 2],
    strength: f32,
}

impl Law {
    fn new(actuator: &Actuator, stiffness: f32, damping: f32, strength: f32) -> Self {
        let bias = actuator.bias.map(|b| b as f32);
        // The gain of a servo is its position gain, else its velocity gain.
        let gain_scale = if bias[1] != 0.0 {
            stiffness
        } else if bias[2] != 0.0 {
            damping
        } else {
            1.0
        };
        let range = actuator.force_range.map_or([f32::NEG_INFINITY, f32::INFINITY], |r| r.map(|v| v as f32));
        let bias = [bias[0], bias[1] * stiffness, bias[2] * damping];
        Self { gain: actuator.gain as f32 * gain_scale, bias, range, strength }
    }

    /// The force before gear.
    fn force(&self, u: f32, length: f32, velocity: f32) -> f32 {
        let raw = self.gain * u + self.bias[0] + self.bias[1] * length + self.bias[2] * velocity;
        raw.max(self.range[0]).min(self.range[1]) * self.strength
    }
}

/// Memory of the actuators of one environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DriveState {
    laws: Vec<Law>,
    /// Delays in control steps.
    delay: Vec<u32>,
    /// The last controls, a ring of `max delay + 1` vectors.
    history: Vec<f32>,
    /// Control steps since the reset.
    count: u64,
    /// Clamped and delayed control of this control step.
    control: Vec<f32>,
    /// Filtered control.
    activation: Vec<f32>,
    /// Force of explicit actuators in this physics step, before gear.
    explicit: Vec<f32>,
    /// Generalised force on scalar joints.
    #[serde(skip)]
    tau: Vec<f32>,
    /// Force and torque about the centre of mass on each link.
    #[serde(skip)]
    wrench: Vec<(Vec3, Vec3)>,
}

/// The parameters of one environment that concern actuators.
pub(crate) struct DriveParameters<'a> {
    pub stiffness: &'a dyn Fn(usize) -> f32,
    pub damping: &'a dyn Fn(usize) -> f32,
    pub strength: &'a dyn Fn(usize) -> f32,
    pub delay: &'a dyn Fn(usize) -> f32,
}

impl Drives {
    pub fn new(model: &RobotModel) -> Result<Self, BuildError> {
        let mut out = Self { of_joint: vec![usize::MAX; model.joints.len()], ..Self::default() };
        for (index, actuator) in model.actuators.iter().enumerate() {
            let servo = is_servo(model, actuator);
            out.servo.push(servo);
            out.every_step |=
                actuator.time_constant > 0.0 || (!servo && actuator.bias[1..].iter().any(|b| *b != 0.0));
            match &actuator.transmission {
                Transmission::Joint { joint } if scalar_axis(model.joints[*joint].kind).is_some() => {
                    let drive = out.drive_of(model, *joint);
                    if servo {
                        drive.servos.push(index);
                    } else {
                        drive.forced = true;
                    }
                }
                Transmission::Tendon { tendon } => out.force_tendon(model, *tendon)?,
                Transmission::Joint { .. } | Transmission::Site { .. } => out.wrenches = true,
            }
        }
        for (index, tendon) in model.tendons.iter().enumerate() {
            if tendon.stiffness != 0.0 || tendon.damping != 0.0 {
                out.force_tendon(model, index)?;
                out.every_step = true;
            }
        }
        out.every_step |= out.wrenches || out.joints.iter().any(|j| j.velocity_limit.is_finite());
        Ok(out)
    }

    fn force_tendon(&mut self, model: &RobotModel, tendon: usize) -> Result<(), BuildError> {
        let tendon = &model.tendons[tendon];
        for &(joint, _) in &tendon.terms {
            if scalar_axis(model.joints[joint].kind).is_none() {
                return Err(BuildError::new(
                    &format!("tendon `{}`", tendon.name),
                    "a ball or free joint in a tendon",
                ));
            }
            self.drive_of(model, joint).forced = true;
        }
        Ok(())
    }

    fn drive_of(&mut self, model: &RobotModel, joint: usize) -> &mut JointDrive {
        if self.of_joint[joint] == usize::MAX {
            self.of_joint[joint] = self.joints.len();
            let effort = model.joints[joint].effort_range;
            self.joints.push(JointDrive {
                joint,
                servos: Vec::new(),
                forced: false,
                effort: effort.map_or([f32::NEG_INFINITY, f32::INFINITY], |r| r.map(|v| v as f32)),
                velocity_limit: model.joints[joint].velocity_limit.map_or(f32::INFINITY, |v| v as f32),
            });
        }
        &mut self.joints[self.of_joint[joint]]
    }
}

/// Whether an actuator can be a motor: it pulls a scalar joint back and its limits are symmetric.
fn is_servo(model: &RobotModel, actuator: &Actuator) -> bool {
    let Transmission::Joint { joint } = actuator.transmission else { return false };
    let symmetric = |range: Option<[f64; 2]>| range.is_none_or(|[low, high]| low == -high);
    let [_, position, velocity] = actuator.bias;
    let joint = &model.joints[joint];
    scalar_axis(joint.kind).is_some()
        && position <= 0.0
        && velocity <= 0.0
        && position + velocity < 0.0
        && symmetric(actuator.force_range)
        && symmetric(joint.effort_range)
}

impl DriveState {
    pub fn new(model: &RobotModel, parameters: &DriveParameters) -> Self {
        let nu = model.actuators.len();
        let law = |k: usize| {
            let p = parameters;
            Law::new(&model.actuators[k], (p.stiffness)(k), (p.damping)(k), (p.strength)(k))
        };
        let delay: Vec<u32> =
            (0..nu).map(|k| (parameters.delay)(k).clamp(0.0, 1000.0).round() as u32).collect();
        let ring = delay.iter().max().map_or(0, |d| *d as usize + 1);
        Self {
            laws: (0..nu).map(law).collect(),
            delay,
            history: vec![0.0; ring * nu],
            count: 0,
            control: vec![0.0; nu],
            activation: vec![0.0; nu],
            explicit: vec![0.0; nu],
            tau: Vec::new(),
            wrench: Vec::new(),
        }
    }

    /// Takes the controls of a control step: clamp, then delay. The first control after a reset stands for all
    /// that came before it.
    pub fn begin_control(&mut self, model: &RobotModel, controls: impl Iterator<Item = f32>) {
        let nu = self.control.len();
        if nu == 0 {
            return;
        }
        let ring = self.history.len() / nu;
        let slot = (self.count % ring as u64) as usize;
        for (k, u) in controls.take(nu).enumerate() {
            let range = model.actuators[k].ctrl_range;
            let u = range.map_or(u, |[low, high]| u.max(low as f32).min(high as f32));
            self.history[slot * nu + k] = u;
            if self.count == 0 {
                (0..ring).for_each(|s| self.history[s * nu + k] = u);
            }
        }
        for k in 0..nu {
            let at = (slot + ring - self.delay[k] as usize) % ring;
            self.control[k] = self.history[at * nu + k];
        }
        self.count += 1;
    }

    /// The control as the force law sees it.
    fn input(&self, model: &RobotModel, k: usize) -> f32 {
        if model.actuators[k].time_constant > 0.0 { self.activation[k] } else { self.control[k] }
    }

    /// Whether all controls are numbers.
    pub fn is_finite(&self) -> bool {
        self.control.iter().chain(&self.history).all(|v| v.is_finite())
    }

    /// Advances the filters over one physics step, exactly for a constant control.
    pub fn filter(&mut self, model: &RobotModel, dt: f32) {
        for (k, actuator) in model.actuators.iter().enumerate() {
            if actuator.time_constant > 0.0 {
                let share = 1.0 - (-dt as f64 / actuator.time_constant).exp();
                self.activation[k] += (self.control[k] - self.activation[k]) * share as f32;
            }
        }
    }

    /// Writes motors, generalised forces and wrenches for the next physics step.
    pub fn apply(
        &mut self,
        blueprint: &Blueprint,
        world: &mut World,
        qpos: &[f32],
        qvel: &[f32],
        motions: &mut BodyMotions,
        external: &[f32],
    ) {
        let (model, drives) = (&*blueprint.model, &blueprint.drives);
        self.tau.clear();
        self.tau.resize(model.num_dofs(), 0.0);
        for (k, actuator) in model.actuators.iter().enumerate() {
            if drives.servo[k] {
                continue;
            }
            let (length, velocity) = length_and_velocity(model, actuator, qpos, qvel);
            let force = self.laws[k].force(self.input(model, k), length, velocity);
            self.explicit[k] = force;
            match &actuator.transmission {
                Transmission::Joint { joint } if scalar_axis(model.joints[*joint].kind).is_some() => {
                    self.tau[model.joints[*joint].dof_index] += force * actuator.gear[0] as f32;
                }
                Transmission::Tendon { tendon } => self.pull(model, *tendon, force * actuator.gear[0] as f32),
                Transmission::Joint { .. } | Transmission::Site { .. } => {}
            }
        }
        self.pull_passive_tendons(model, qpos, qvel);
        for drive in &drives.joints {
            self.write_joint(blueprint, drive, world, qpos, qvel);
        }
        if drives.wrenches {
            motions.update(model, qpos, qvel);
            self.write_wrenches(blueprint, world, motions, external);
        }
    }

    fn pull(&mut self, model: &RobotModel, tendon: usize, force: f32) {
        for &(joint, coefficient) in &model.tendons[tendon].terms {
            self.tau[model.joints[joint].dof_index] += force * coefficient as f32;
        }
    }

    fn pull_passive_tendons(&mut self, model: &RobotModel, qpos: &[f32], qvel: &[f32]) {
        for (index, tendon) in model.tendons.iter().enumerate() {
            if tendon.stiffness == 0.0 && tendon.damping == 0.0 {
                continue;
            }
            let (length, velocity) = tendon_length(model, index, qpos, qvel);
            let [low, high] = tendon.spring_length.map(|v| v as f32);
            let stretch = if length > high { length - high } else { (length - low).min(0.0) };
            self.pull(model, index, -(tendon.stiffness as f32) * stretch - tendon.damping as f32 * velocity);
        }
    }

    fn write_joint(
        &self,
        blueprint: &Blueprint,
        drive: &JointDrive,
        world: &mut World,
        qpos: &[f32],
        qvel: &[f32],
    ) {
        let joint = &blueprint.model.joints[drive.joint];
        let handle = blueprint.handles[blueprint.links.of_joint[drive.joint]];
        let Some(axis) = scalar_axis(joint.kind) else { return };
        let Some(multibody) = handle.multibody.and_then(|m| world.multibodies.get_multibody_mut_internal(m))
        else {
            return;
        };
        let Some(link) = multibody.link_mut(handle.link_id) else { return };
        let (q, v) = (qpos[joint.qpos_index], qvel[joint.dof_index]);
        let coordinate = q - joint.reference as f32;
        if !drive.servos.is_empty() {
            self.write_motor(blueprint, drive, &mut link.joint.data, axis, q, v);
        }
        if drive.forced {
            let mut tau = self.tau[joint.dof_index].max(drive.effort[0]).min(drive.effort[1]);
            if v.abs() >= drive.velocity_limit && tau * v > 0.0 {
                tau = 0.0;
            }
            let (stiffness, rest) =
                (joint.stiffness as f32, (joint.spring_reference - joint.reference) as f32);
            if stiffness > 0.0 {
                link.joint.set_spring(axis as usize, stiffness, rest + tau / stiffness);
            } else {
                link.joint.set_spring(axis as usize, CARRIER_STIFFNESS, coordinate + tau / CARRIER_STIFFNESS);
            }
        }
    }

    /// The servos of a joint as one motor: `τ = τ0 - K q - D v`.
    fn write_motor(
        &self,
        blueprint: &Blueprint,
        drive: &JointDrive,
        data: &mut rp::GenericJoint,
        axis: rp::JointAxis,
        q: f32,
        v: f32,
    ) {
        let model = &*blueprint.model;
        let (mut constant, mut stiffness, mut damping, mut limit) = (0.0, 0.0, 0.0, 0.0);
        for &k in &drive.servos {
            let (law, gear) = (&self.laws[k], model.actuators[k].gear[0] as f32);
            constant += law.strength * gear * (law.gain * self.input(model, k) + law.bias[0]);
            stiffness -= law.strength * gear * gear * law.bias[1];
            damping -= law.strength * gear * gear * law.bias[2];
            limit += law.strength * gear.abs() * law.range[1];
        }
        limit = limit.min(drive.effort[1]);
        if v.abs() >= drive.velocity_limit && (constant - stiffness * q - damping * v) * v > 0.0 {
            limit = 0.0;
        }
        // Without gains rapier takes a motor for a rigid velocity constraint.
        if stiffness <= 0.0 && damping <= 0.0 {
            data.motor_axes.remove(rp::JointAxesMask::from(axis));
            return;
        }
        let reference = model.joints[drive.joint].reference as f32;
        let (position, velocity) =
            if stiffness > 0.0 { (constant / stiffness - reference, 0.0) } else { (0.0, constant / damping) };
        data.set_motor(axis, position, velocity, stiffness, damping);
        data.set_motor_model(axis, rp::MotorModel::ForceBased);
        data.set_motor_max_force(axis, if limit.is_finite() { limit } else { f32::MAX });
    }

    fn write_wrenches(
        &mut self,
        blueprint: &Blueprint,
        world: &mut World,
        motions: &BodyMotions,
        external: &[f32],
    ) {
        let model = &*blueprint.model;
        self.wrench = link_wrenches(blueprint, external);
        for (k, actuator) in model.actuators.iter().enumerate() {
            let gear = actuator.gear.map(|g| g * self.explicit[k] as f64);
            let (first, second) =
                (DVec3::new(gear[0], gear[1], gear[2]), DVec3::new(gear[3], gear[4], gear[5]));
            match &actuator.transmission {
                Transmission::Site { site } => {
                    let site = &model.sites[*site];
                    let pose = motions.bodies[site.body].pose.compose(site.pose);
                    self.add_wrench(
                        blueprint,
                        world,
                        site.body,
                        pose.position,
                        pose.rotation * first,
                        pose.rotation * second,
                    );
                }
                Transmission::Joint { joint } => {
                    let joint = &model.joints[*joint];
                    let pose = motions.bodies[joint.body].pose;
                    match joint.kind {
                        JointKind::Free => {
                            self.add_wrench(
                                blueprint,
                                world,
                                joint.body,
                                pose.position,
                                first,
                                pose.rotation * second,
                            );
                        }
                        JointKind::Ball => {
                            let torque = pose.rotation * first;
                            self.add_wrench(blueprint, world, joint.body, pose.position, DVec3::ZERO, torque);
                            let parent = model.bodies[joint.body].parent;
                            self.add_wrench(blueprint, world, parent, pose.position, DVec3::ZERO, -torque);
                        }
                        JointKind::Revolute | JointKind::Prismatic => {}
                    }
                }
                Transmission::Tendon { .. } => {}
            }
        }
        for (handle, (force, torque)) in blueprint.handles.iter().zip(&self.wrench).skip(1) {
            if let Some(body) = world.bodies.get_mut(handle.body) {
                body.reset_forces(false);
                body.reset_torques(false);
                body.add_force(*force, false);
                body.add_torque(*torque, false);
            }
        }
    }

    /// Adds a world-frame force at a world point and a torque to the link of a body.
    fn add_wrench(
        &mut self,
        blueprint: &Blueprint,
        world: &World,
        body: usize,
        point: DVec3,
        force: DVec3,
        torque: DVec3,
    ) {
        let link = blueprint.links.of_body[body];
        let Some(rigid_body) = world.bodies.get(blueprint.handles[link].body) else { return };
        let arm = point - rigid_body.position().translation.as_dvec3();
        self.wrench[link].0 += force.as_vec3();
        self.wrench[link].1 += (torque + arm.cross(force)).as_vec3();
    }

    /// The forces before gear that acted over the last physics step: of motors the law at its end, which is what
    /// an implicit motor applies; of the others what was applied. Joint limits on effort and speed are not in it.
    pub fn add_forces(&self, blueprint: &Blueprint, qpos: &[f32], qvel: &[f32], sum: &mut [f32]) {
        let model = &*blueprint.model;
        for (k, actuator) in model.actuators.iter().enumerate() {
            sum[k] += if blueprint.drives.servo[k] {
                let (length, velocity) = length_and_velocity(model, actuator, qpos, qvel);
                self.laws[k].force(self.input(model, k), length, velocity)
            } else {
                self.explicit[k]
            };
        }
    }
}

/// Force and torque on each link from those on the bodies `[6 nb]`.
pub(crate) fn link_wrenches(blueprint: &Blueprint, wrench: &[f32]) -> Vec<(Vec3, Vec3)> {
    let mut out = vec![(Vec3::ZERO, Vec3::ZERO); blueprint.handles.len()];
    for (wrench, link) in wrench.chunks_exact(6).zip(&blueprint.links.of_body) {
        out[*link].0 += Vec3::from_slice(wrench);
        out[*link].1 += Vec3::from_slice(&wrench[3..]);
    }
    out
}

/// Length and velocity of an actuator's transmission; ball and free joints and sites have no length.
fn length_and_velocity(model: &RobotModel, actuator: &Actuator, qpos: &[f32], qvel: &[f32]) -> (f32, f32) {
    let gear = actuator.gear.map(|g| g as f32);
    match &actuator.transmission {
        Transmission::Joint { joint } => {
            let joint = &model.joints[*joint];
            let rates = &qvel[joint.dof_index..joint.dof_index + joint.kind.num_dofs()];
            let velocity = rates.iter().zip(gear).map(|(v, g)| v * g).sum();
            let length = if rates.len() == 1 { gear[0] * qpos[joint.qpos_index] } else { 0.0 };
            (length, velocity)
        }
        Transmission::Tendon { tendon } => {
            let (length, velocity) = tendon_length(model, *tendon, qpos, qvel);
            (gear[0] * length, gear[0] * velocity)
        }
        Transmission::Site { .. } => (0.0, 0.0),
    }
}

/// Length and velocity of a fixed tendon.
pub(crate) fn tendon_length(model: &RobotModel, tendon: usize, qpos: &[f32], qvel: &[f32]) -> (f32, f32) {
    let (mut length, mut velocity) = (0.0, 0.0);
    for &(joint, coefficient) in &model.tendons[tendon].terms {
        let joint = &model.joints[joint];
        length += coefficient as f32 * qpos[joint.qpos_index];
        velocity += coefficient as f32 * qvel[joint.dof_index];
    }
    (length, velocity)
}
