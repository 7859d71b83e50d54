//! Sensor values from the state of one environment.

use glam::{DQuat, DVec3};
use keiko_model::robot::{FrameRef, RobotModel, SensorKind, Transmission};

use super::drive::tendon_length;
use super::eyes::Eyes;
use crate::kinematics::{BodyMotions, Motion};

/// What sensors read.
pub(crate) struct Readings<'a> {
    pub qpos: &'a [f32],
    pub qvel: &'a [f32],
    pub motions: &'a BodyMotions,
    /// Motions before the last physics step; none right after a reset, when bodies count as not accelerating.
    pub before: Option<&'a BodyMotions>,
    pub timestep: f64,
    pub gravity: DVec3,
    pub actuator_force: &'a [f32],
    /// Net contact force `[3 nb]` and summed normal force `[nb]` of each body.
    pub contact_force: &'a [f32],
    pub normal_force: &'a [f32],
    /// What rays meet.
    pub eyes: &'a Eyes,
    /// Shift of the height fields that are fixed to the world.
    pub terrain: DVec3,
}

impl Readings<'_> {
    /// Writes all sensors in model order.
    pub fn sense(&self, model: &RobotModel, out: &mut [f32]) {
        let mut at = 0;
        for sensor in &model.sensors {
            let values = &mut out[at..at + sensor.kind.size()];
            self.read(model, &sensor.kind, values);
            if sensor.cutoff > 0.0 && !matches!(sensor.kind, SensorKind::FrameOrientation(..)) {
                let cutoff = sensor.cutoff as f32;
                values.iter_mut().for_each(|v| *v = v.max(-cutoff).min(cutoff));
            }
            at += sensor.kind.size();
        }
    }

    fn read(&self, model: &RobotModel, kind: &SensorKind, out: &mut [f32]) {
        match *kind {
            SensorKind::JointPosition(j) => out[0] = self.qpos[model.joints[j].qpos_index],
            SensorKind::JointVelocity(j) => out[0] = self.qvel[model.joints[j].dof_index],
            SensorKind::TendonPosition(t) => out[0] = tendon_length(model, t, self.qpos, self.qvel).0,
            SensorKind::TendonVelocity(t) => out[0] = tendon_length(model, t, self.qpos, self.qvel).1,
            SensorKind::ActuatorForce(a) => out[0] = self.actuator_force[a],
            SensorKind::Touch(site) => out[0] = self.normal_force[model.sites[site].body],
            SensorKind::JointActuatorForce(joint) => out[0] = self.driven(model, joint),
            SensorKind::RayDistance { frame, axis, reach } => {
                let this = self.frame(model, frame);
                out[0] = self.eyes.distance(model, self.motions, self.terrain, frame, this, axis, reach);
            }
            SensorKind::HeightScan(ref scan) => {
                self.eyes.heights(model, self.motions, self.terrain, scan, out);
            }
            // Refused when the executor is built.
            SensorKind::JointForce(_) | SensorKind::ContactWrench { .. } => out.fill(f32::NAN),
            SensorKind::ContactForce(body) => {
                out.copy_from_slice(&self.contact_force[3 * body..3 * body + 3])
            }
            SensorKind::Accelerometer(site) => write(out, self.proper_acceleration(model, site)),
            SensorKind::Gyro(site) => {
                let site = self.frame(model, FrameRef::Site(site));
                write(out, site.pose.rotation.conjugate() * site.angular);
            }
            SensorKind::Velocimeter(site) => {
                let site = self.frame(model, FrameRef::Site(site));
                write(out, site.pose.rotation.conjugate() * site.linear);
            }
            SensorKind::FramePosition(frame, reference) => {
                let (this, base) = self.pair(model, frame, reference);
                write(out, base.pose.rotation.conjugate() * (this.pose.position - base.pose.position));
            }
            SensorKind::FrameOrientation(frame, reference) => {
                let (this, base) = self.pair(model, frame, reference);
                let q: DQuat = base.pose.rotation.conjugate() * this.pose.rotation;
                out.iter_mut().zip(q.to_array()).for_each(|(o, v)| *o = v as f32);
            }
            SensorKind::FrameAxis(frame, axis, reference) => {
                let (this, base) = self.pair(model, frame, reference);
                let axis = [DVec3::X, DVec3::Y, DVec3::Z][(axis as usize).min(2)];
                write(out, base.pose.rotation.conjugate() * (this.pose.rotation * axis));
            }
            SensorKind::FrameLinearVelocity(frame, reference) => {
                let (this, base) = self.pair(model, frame, reference);
                let arm = this.pose.position - base.pose.position;
                let relative = this.linear - base.linear - base.angular.cross(arm);
                write(out, base.pose.rotation.conjugate() * relative);
            }
            SensorKind::FrameAngularVelocity(frame, reference) => {
                let (this, base) = self.pair(model, frame, reference);
                write(out, base.pose.rotation.conjugate() * (this.angular - base.angular));
            }
        }
    }

    /// Force of actuators on a scalar joint, directly and through tendons, within the joint's limit.
    fn driven(&self, model: &RobotModel, joint: usize) -> f32 {
        let share = |transmission: &Transmission| match transmission {
            Transmission::Joint { joint: other } if *other == joint => 1.0,
            Transmission::Tendon { tendon } => {
                model.tendons[*tendon].terms.iter().filter(|(j, _)| *j == joint).map(|(_, c)| c).sum::<f64>()
            }
            _ => 0.0,
        };
        let forces = model.actuators.iter().zip(self.actuator_force);
        let sum: f64 = forces.map(|(a, force)| share(&a.transmission) * a.gear[0] * f64::from(*force)).sum();
        let [low, high] = model.joints[joint].effort_range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        sum.max(low).min(high) as f32
    }

    fn frame(&self, model: &RobotModel, frame: FrameRef) -> Motion {
        self.motions.frame(model, frame)
    }

    fn pair(&self, model: &RobotModel, frame: FrameRef, reference: Option<FrameRef>) -> (Motion, Motion) {
        (self.frame(model, frame), reference.map_or(Motion::REST, |r| self.frame(model, r)))
    }

    /// Mean acceleration of a site over the last physics step less gravity, in the site's frame.
    fn proper_acceleration(&self, model: &RobotModel, site: usize) -> DVec3 {
        let now = self.frame(model, FrameRef::Site(site));
        let acceleration = self.before.map_or(DVec3::ZERO, |before| {
            (now.linear - before.frame(model, FrameRef::Site(site)).linear) / self.timestep
        });
        now.pose.rotation.conjugate() * (acceleration - self.gravity)
    }
}

fn write(out: &mut [f32], value: DVec3) {
    out.iter_mut().zip(value.to_array()).for_each(|(o, v)| *o = v as f32);
}
