//! One environment: a rapier world, the memory of its actuators, and its row of the batch state.

use std::panic::{AssertUnwindSafe, catch_unwind};

use glam::{DQuat, DVec3, Vec3};
use keiko_model::Pose;
use keiko_model::robot::{JointKind, SensorKind};
use rapier3d::prelude as rp;

use super::blueprint::{Blueprint, World, WorldParameters, scalar_axis, to_rapier};
use super::drive::{DriveParameters, DriveState, link_wrenches};
use super::pairs::PairHooks;
use super::sense::Readings;
use crate::executor::{EnvParameters, FaultCause};
use crate::field::Field;
use crate::kinematics::{BodyMotions, unit_quat, vector};

/// Where the parts of a [`Row`] begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowLayout {
    pub nq: usize,
    pub nv: usize,
    pub nb: usize,
    pub nu: usize,
    pub ns: usize,
}

/// The state of one environment as the batch shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    pub qpos: Vec<f32>,
    pub qvel: Vec<f32>,
    pub body_position: Vec<f32>,
    pub body_rotation: Vec<f32>,
    pub body_linear_velocity: Vec<f32>,
    pub body_angular_velocity: Vec<f32>,
    pub actuator_force: Vec<f32>,
    pub contact_force: Vec<f32>,
    pub sensors: Vec<f32>,
}

impl Row {
    pub fn zeros(l: RowLayout) -> Self {
        let zeros = |n| vec![0.0; n];
        Self {
            qpos: zeros(l.nq),
            qvel: zeros(l.nv),
            body_position: zeros(3 * l.nb),
            body_rotation: zeros(4 * l.nb),
            body_linear_velocity: zeros(3 * l.nb),
            body_angular_velocity: zeros(3 * l.nb),
            actuator_force: zeros(l.nu),
            contact_force: zeros(3 * l.nb),
            sensors: zeros(l.ns),
        }
    }
}

impl Row {
    /// All parts, in the order of the fields.
    pub fn parts(&self) -> [&[f32]; 9] {
        [
            &self.qpos,
            &self.qvel,
            &self.body_position,
            &self.body_rotation,
            &self.body_linear_velocity,
            &self.body_angular_velocity,
            &self.actuator_force,
            &self.contact_force,
            &self.sensors,
        ]
    }

    /// All parts, in the order of the fields.
    pub fn parts_mut(&mut self) -> [&mut Vec<f32>; 9] {
        [
            &mut self.qpos,
            &mut self.qvel,
            &mut self.body_position,
            &mut self.body_rotation,
            &mut self.body_linear_velocity,
            &mut self.body_angular_velocity,
            &mut self.actuator_force,
            &mut self.contact_force,
            &mut self.sensors,
        ]
    }
}

/// How an environment was reset: with it and the pushes since, an environment that has not stepped is rebuilt.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ResetInput {
    pub qpos: Vec<f32>,
    pub qvel: Vec<f32>,
    pub world: WorldParameters,
    pub gravity: Vec<f32>,
    /// Force and torque on each body, as it is now.
    pub wrench: Vec<f32>,
    pub stiffness_scale: Vec<f32>,
    pub damping_scale: Vec<f32>,
    pub strength_scale: Vec<f32>,
    pub delay: Vec<f32>,
}

impl ResetInput {
    /// The columns of one environment.
    pub fn gather(env: usize, qpos: &Field, qvel: &Field, p: &EnvParameters) -> Self {
        let column = |f: &Field| f.column(env).collect();
        Self {
            qpos: column(qpos),
            qvel: column(qvel),
            world: WorldParameters::gather(env, p),
            gravity: column(&p.gravity),
            wrench: column(&p.wrench),
            stiffness_scale: column(&p.stiffness_scale),
            damping_scale: column(&p.damping_scale),
            strength_scale: column(&p.strength_scale),
            delay: column(&p.delay),
        }
    }

    fn is_finite(&self) -> bool {
        let parts = [&self.qpos, &self.qvel, &self.gravity, &self.wrench, &self.stiffness_scale];
        let rest = [&self.damping_scale, &self.strength_scale, &self.delay];
        parts.iter().chain(&rest).all(|p| p.iter().all(|v| v.is_finite())) && self.world.is_finite()
    }
}

/// One copy of the model.
pub(crate) struct Environment {
    pub world: World,
    pub drive: DriveState,
    pub row: Row,
    pub steps: u64,
    /// Set when its state became unusable; only a reset clears it.
    pub fault: Option<FaultCause>,
    /// The reset it came from and the pushes since, until its first step.
    pub origin: ResetInput,
    pub pushes: Vec<Vec<f32>>,
    pipeline: rp::PhysicsPipeline,
    ccd: rp::CCDSolver,
    soft_bodies: rp::SoftBodySet,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    qpos: Vec<f32>,
    qvel: Vec<f32>,
    displacement: Vec<f32>,
    motions: BodyMotions,
    before: BodyMotions,
    actuator_force: Vec<f32>,
    contact: Vec<Vec3>,
    normal: Vec<f32>,
}

impl Environment {
    pub fn new(blueprint: &Blueprint, layout: RowLayout) -> Self {
        Self {
            world: blueprint.template.clone(),
            drive: DriveState::default(),
            row: Row::zeros(layout),
            steps: 0,
            fault: None,
            origin: ResetInput {
                gravity: blueprint.model.options.gravity.as_vec3().to_array().to_vec(),
                ..ResetInput::default()
            },
            pushes: Vec::new(),
            pipeline: rp::PhysicsPipeline::new(),
            ccd: rp::CCDSolver::new(),
            soft_bodies: rp::SoftBodySet::new(),
            scratch: Scratch::default(),
        }
    }

    /// A fresh world at the given state. A state that is not finite leaves the row alone and faults at the next step.
    pub fn reset(&mut self, blueprint: &Blueprint, origin: ResetInput) {
        self.pipeline = rp::PhysicsPipeline::new();
        self.ccd = rp::CCDSolver::new();
        self.soft_bodies = rp::SoftBodySet::new();
        self.steps = 0;
        self.pushes.clear();
        self.origin = origin;
        let origin = &self.origin;
        self.drive = DriveState::new(
            &blueprint.model,
            &DriveParameters {
                stiffness: &|k| origin.stiffness_scale[k],
                damping: &|k| origin.damping_scale[k],
                strength: &|k| origin.strength_scale[k],
                delay: &|k| origin.delay[k],
            },
        );
        self.fault = (!origin.is_finite()).then_some(FaultCause::NonFinite);
        if self.fault.is_some() {
            self.world = blueprint.template.clone();
            return;
        }
        self.world = blueprint.build(&origin.world);
        self.scratch.qpos.clone_from(&origin.qpos);
        self.scratch.qvel.clone_from(&origin.qvel);
        self.write_state(blueprint);
        self.read_state(blueprint);
        self.write_wrench(blueprint);
        self.clear_sums(blueprint);
        self.publish(blueprint, false);
    }

    /// Changes the force and torque on each body `[6 nb]`.
    pub fn set_wrench(&mut self, blueprint: &Blueprint, wrench: Vec<f32>) {
        if self.fault.is_some() {
            return;
        }
        if !wrench.iter().all(|v| v.is_finite()) {
            self.fault = Some(FaultCause::NonFinite);
            return;
        }
        self.origin.wrench = wrench;
        self.write_wrench(blueprint);
    }

    /// rapier keeps forces until they are changed; where actuators change them in each step they add this to theirs.
    fn write_wrench(&mut self, blueprint: &Blueprint) {
        let wrenches = link_wrenches(blueprint, &self.origin.wrench);
        for (handle, (force, torque)) in blueprint.handles.iter().zip(&wrenches).skip(1) {
            if let Some(body) = self.world.bodies.get_mut(handle.body) {
                body.reset_forces(false);
                body.reset_torques(false);
                body.add_force(*force, false);
                body.add_torque(*torque, false);
            }
        }
    }

    /// Adds to the velocities.
    pub fn push(&mut self, blueprint: &Blueprint, delta: Vec<f32>) {
        if self.fault.is_some() {
            return;
        }
        self.scratch.qvel.clone_from(&self.row.qvel);
        self.scratch.qpos.clone_from(&self.row.qpos);
        self.scratch.qvel.iter_mut().zip(&delta).for_each(|(v, d)| *v += d);
        self.write_velocity(blueprint);
        if self.steps == 0 {
            self.pushes.push(delta);
        }
        if !self.scratch.qvel.iter().all(|v| v.is_finite()) {
            self.fault = Some(FaultCause::NonFinite);
            return;
        }
        self.read_state(blueprint);
        let (contact, force, sensors) =
            (self.row.contact_force.clone(), self.row.actuator_force.clone(), self.row.sensors.clone());
        self.publish(blueprint, false);
        (self.row.contact_force, self.row.actuator_force, self.row.sensors) = (contact, force, sensors);
    }

    /// One control step. Returns the fault if the environment became unusable in it.
    pub fn step(
        &mut self,
        blueprint: &Blueprint,
        controls: impl ExactSizeIterator<Item = f32>,
    ) -> Option<FaultCause> {
        if self.fault.is_some() {
            return self.fault;
        }
        self.drive.begin_control(&blueprint.model, controls);
        self.fault = if self.drive.is_finite() {
            match catch_unwind(AssertUnwindSafe(|| self.physics_steps(blueprint))) {
                Ok(fault) => fault,
                // rapier clamps to limits and sorts by distances, and panics when they are not numbers.
                Err(_) => Some(FaultCause::NonFinite),
            }
        } else {
            Some(FaultCause::NonFinite)
        };
        self.fault
    }

    fn physics_steps(&mut self, blueprint: &Blueprint) -> Option<FaultCause> {
        let decimation = blueprint.options.decimation;
        self.clear_sums(blueprint);
        self.scratch.qpos.clone_from(&self.row.qpos);
        self.scratch.qvel.clone_from(&self.row.qvel);
        for k in 0..decimation {
            if k == 0 || blueprint.drives.every_step {
                let scratch = &mut self.scratch;
                self.drive.apply(
                    blueprint,
                    &mut self.world,
                    &scratch.qpos,
                    &scratch.qvel,
                    &mut scratch.motions,
                    &self.origin.wrench,
                );
            }
            if k + 1 == decimation && blueprint.has_accelerometer {
                self.scratch.before.update(&blueprint.model, &self.scratch.qpos, &self.scratch.qvel);
            }
            self.physics_step(blueprint);
            self.drive.filter(&blueprint.model, blueprint.options.timestep);
            self.read_state(blueprint);
            if let Some(cause) = self.check(blueprint) {
                return Some(cause);
            }
            self.add_contacts(blueprint);
            let scratch = &mut self.scratch;
            self.drive.add_forces(blueprint, &scratch.qpos, &scratch.qvel, &mut scratch.actuator_force);
        }
        self.steps += decimation as u64;
        self.pushes.clear();
        self.publish(blueprint, true);
        None
    }

    fn physics_step(&mut self, blueprint: &Blueprint) {
        let hooks = PairHooks { table: &blueprint.pairs, friction_scale: self.origin.world.friction_scale };
        let hooks: &dyn rp::PhysicsHooks = if blueprint.needs_hooks { &hooks } else { &() };
        let world = &mut self.world;
        self.pipeline.step(
            Vec3::from_slice(&self.origin.gravity),
            &blueprint.parameters,
            &mut world.islands,
            &mut world.broad_phase,
            &mut world.narrow_phase,
            &mut world.bodies,
            &mut world.colliders,
            &mut world.impulse_joints,
            &mut world.multibodies,
            &mut self.soft_bodies,
            &mut self.ccd,
            hooks,
            &(),
        );
    }

    /// Puts the world at `scratch.qpos` and `scratch.qvel`; the world is at its reference configuration.
    fn write_state(&mut self, blueprint: &Blueprint) {
        let model = &*blueprint.model;
        for (index, link) in blueprint.links.links.iter().enumerate().skip(1) {
            let Some(joint) = link.joint.map(|j| &model.joints[j]) else { continue };
            if joint.kind == JointKind::Free {
                let q = &self.scratch.qpos[joint.qpos_index..joint.qpos_index + 7];
                let pose = Pose::new(vector(q), unit_quat(&q[3..]))
                    .compose(Pose::from_position(self.world.coms[index]));
                if let Some(body) = self.world.bodies.get_mut(blueprint.handles[index].body) {
                    body.set_position(to_rapier(pose), false);
                }
            }
        }
        for &(root, multibody_index) in &blueprint.trees {
            let displacement = &mut self.scratch.displacement;
            displacement.clear();
            for (index, link) in blueprint.links.links.iter().enumerate() {
                let (Some(joint), handle) = (link.joint.map(|j| &model.joints[j]), blueprint.handles[index])
                else {
                    continue;
                };
                if handle.multibody != Some(multibody_index) {
                    continue;
                }
                displacement.resize(displacement.len().max(handle.first_dof + joint.kind.num_dofs()), 0.0);
                let q = &self.scratch.qpos[joint.qpos_index..];
                let at = &mut displacement[handle.first_dof..];
                match joint.kind {
                    JointKind::Free => {}
                    JointKind::Revolute | JointKind::Prismatic => at[0] = q[0] - joint.reference as f32,
                    JointKind::Ball => {
                        let turn = unit_quat(&q[..4]).to_scaled_axis().as_vec3();
                        at[..3].copy_from_slice(&turn.to_array());
                    }
                }
            }
            let Some(multibody) = self.world.multibodies.get_multibody_mut(multibody_index) else { continue };
            // The root takes its pose from its body, before anything else of it is used.
            multibody.forward_kinematics(&self.world.bodies, root);
            multibody.apply_displacements(&self.scratch.displacement);
            multibody.forward_kinematics(&self.world.bodies, root);
            multibody.update_rigid_bodies(&mut self.world.bodies, true);
        }
        self.write_velocity(blueprint);
    }

    /// Writes `scratch.qvel`; positions are `scratch.qpos`.
    fn write_velocity(&mut self, blueprint: &Blueprint) {
        let model = &*blueprint.model;
        for (index, link) in blueprint.links.links.iter().enumerate().skip(1) {
            let Some(joint) = link.joint.map(|j| &model.joints[j]) else { continue };
            let handle = blueprint.handles[index];
            let v = &self.scratch.qvel[joint.dof_index..joint.dof_index + joint.kind.num_dofs()];
            let q = &self.scratch.qpos[joint.qpos_index..];
            let mut out = [0.0f32; 6];
            match joint.kind {
                JointKind::Free => {
                    let rotation = unit_quat(&q[3..7]);
                    let angular = rotation * vector(&v[3..]);
                    let linear = vector(v) + angular.cross(rotation * self.world.coms[index]);
                    out[..3].copy_from_slice(&linear.as_vec3().to_array());
                    out[3..].copy_from_slice(&angular.as_vec3().to_array());
                }
                JointKind::Ball => {
                    out[..3].copy_from_slice(&(unit_quat(&q[..4]) * vector(v)).as_vec3().to_array())
                }
                JointKind::Revolute | JointKind::Prismatic => out[0] = v[0],
            }
            match handle.multibody.and_then(|m| self.world.multibodies.get_multibody_mut_internal(m)) {
                Some(multibody) => {
                    let mut velocity = multibody.generalized_velocity_mut();
                    for (k, value) in out[..joint.kind.num_dofs()].iter().enumerate() {
                        velocity[handle.first_dof + k] = *value;
                    }
                }
                None => {
                    if let Some(body) = self.world.bodies.get_mut(handle.body) {
                        body.set_linvel(Vec3::from_slice(&out[..3]), false);
                        body.set_angvel(Vec3::from_slice(&out[3..]), false);
                    }
                }
            }
        }
    }

    /// Reads `scratch.qpos` and `scratch.qvel` back from the world.
    fn read_state(&mut self, blueprint: &Blueprint) {
        let model = &*blueprint.model;
        for (index, link) in blueprint.links.links.iter().enumerate().skip(1) {
            let Some(joint) = link.joint.map(|j| &model.joints[j]) else { continue };
            let handle = blueprint.handles[index];
            let q = &mut self.scratch.qpos[joint.qpos_index..joint.qpos_index + joint.kind.num_qpos()];
            let v = &mut self.scratch.qvel[joint.dof_index..joint.dof_index + joint.kind.num_dofs()];
            let multibody = handle.multibody.and_then(|m| self.world.multibodies.get_multibody(m));
            if let Some((multibody, part)) = multibody.and_then(|m| Some((m, m.link(handle.link_id)?))) {
                let rates = multibody.generalized_velocity();
                let rate = |k: usize| rates[handle.first_dof + k];
                let (coordinates, rotation) = (part.joint.coords(), part.joint.joint_rot());
                match joint.kind {
                    JointKind::Revolute | JointKind::Prismatic => {
                        let axis = scalar_axis(joint.kind).map_or(0, |a| a as usize);
                        q[0] = coordinates[axis] + joint.reference as f32;
                        v[0] = rate(0);
                    }
                    JointKind::Ball => {
                        let turn = rotation.as_dquat().normalize();
                        q.copy_from_slice(&turn.as_quat().to_array());
                        let spin = DVec3::new(rate(0) as f64, rate(1) as f64, rate(2) as f64);
                        v.copy_from_slice(&(turn.conjugate() * spin).as_vec3().to_array());
                    }
                    JointKind::Free => {
                        let center =
                            DVec3::new(coordinates[0] as f64, coordinates[1] as f64, coordinates[2] as f64);
                        let linear = DVec3::new(rate(0) as f64, rate(1) as f64, rate(2) as f64);
                        let angular = DVec3::new(rate(3) as f64, rate(4) as f64, rate(5) as f64);
                        let com = self.world.coms[index];
                        write_free(q, v, com, (center, rotation.as_dquat().normalize()), (linear, angular));
                    }
                }
            } else if let Some(body) = self.world.bodies.get(handle.body) {
                let pose = body.position();
                let place = (pose.translation.as_dvec3(), pose.rotation.as_dquat().normalize());
                let rates = (body.linvel().as_dvec3(), body.angvel().as_dvec3());
                write_free(q, v, self.world.coms[index], place, rates);
            }
        }
    }

    fn check(&self, blueprint: &Blueprint) -> Option<FaultCause> {
        let (qpos, qvel) = (&self.scratch.qpos, &self.scratch.qvel);
        if !self.pipeline.quarantine().is_empty() || !qpos.iter().chain(qvel).all(|v| v.is_finite()) {
            return Some(FaultCause::NonFinite);
        }
        qvel.iter().any(|v| v.abs() > blueprint.options.max_velocity).then_some(FaultCause::Diverged)
    }

    fn clear_sums(&mut self, blueprint: &Blueprint) {
        let (nb, nu) = (blueprint.model.bodies.len(), blueprint.model.actuators.len());
        let scratch = &mut self.scratch;
        scratch.contact.clear();
        scratch.contact.resize(nb, Vec3::ZERO);
        scratch.normal.clear();
        scratch.normal.resize(nb, 0.0);
        scratch.actuator_force.clear();
        scratch.actuator_force.resize(nu, 0.0);
    }

    /// Adds the contact impulses of the last physics step. Friction is that of the last substep: rapier does not
    /// keep the sum.
    fn add_contacts(&mut self, blueprint: &Blueprint) {
        let substeps = blueprint.parameters.num_solver_iterations as f32;
        for pair in self.world.narrow_phase.contact_pairs() {
            if !pair.has_any_active_contact() {
                continue;
            }
            let body_of = |handle| {
                let geom = self.world.colliders.get(handle).map(|c: &rp::Collider| c.user_data as usize)?;
                Some(blueprint.model.geoms[geom].body)
            };
            let (Some(a), Some(b)) = (body_of(pair.collider1), body_of(pair.collider2)) else { continue };
            let articulated =
                |body: usize| blueprint.handles[blueprint.links.of_body[body]].multibody.is_some();
            let per_contact = articulated(a) || articulated(b);
            let (mut impulse_on_b, mut normal) = (Vec3::ZERO, 0.0);
            for manifold in pair.solver_manifolds() {
                for (k, point) in manifold.points.iter().enumerate() {
                    impulse_on_b += manifold.data.normal * point.data.impulse;
                    normal += point.data.impulse;
                    // Two plain bodies share one friction impulse over the manifold, written to each point.
                    if per_contact || k == 0 {
                        impulse_on_b -= point.data.warmstart_tangent_world * substeps;
                    }
                }
            }
            self.scratch.contact[a] -= impulse_on_b;
            self.scratch.contact[b] += impulse_on_b;
            self.scratch.normal[a] += normal;
            self.scratch.normal[b] += normal;
        }
    }

    /// Writes the row from the scratch state; `stepped`: sums and accelerations are those of a control step.
    fn publish(&mut self, blueprint: &Blueprint, stepped: bool) {
        let model = &*blueprint.model;
        let (row, scratch) = (&mut self.row, &mut self.scratch);
        row.qpos.copy_from_slice(&scratch.qpos);
        row.qvel.copy_from_slice(&scratch.qvel);
        scratch.motions.update(model, &row.qpos, &row.qvel);
        for (b, motion) in scratch.motions.bodies.iter().enumerate() {
            let three = 3 * b..3 * b + 3;
            row.body_position[three.clone()].copy_from_slice(&motion.pose.position.as_vec3().to_array());
            row.body_rotation[4 * b..4 * b + 4].copy_from_slice(&motion.pose.rotation.as_quat().to_array());
            row.body_linear_velocity[three.clone()].copy_from_slice(&motion.linear.as_vec3().to_array());
            row.body_angular_velocity[three].copy_from_slice(&motion.angular.as_vec3().to_array());
        }
        let decimation = blueprint.options.decimation as f32;
        let per_step = 1.0 / (decimation * blueprint.options.timestep);
        row.actuator_force.iter_mut().zip(&scratch.actuator_force).for_each(|(f, sum)| *f = sum / decimation);
        for (b, impulse) in scratch.contact.iter().enumerate() {
            row.contact_force[3 * b..3 * b + 3].copy_from_slice(&(*impulse * per_step).to_array());
        }
        scratch.normal.iter_mut().for_each(|n| *n *= per_step);
        let readings = Readings {
            qpos: &row.qpos,
            qvel: &row.qvel,
            motions: &scratch.motions,
            before: stepped.then_some(&scratch.before),
            timestep: blueprint.options.timestep as f64,
            gravity: vector(&self.origin.gravity),
            actuator_force: &row.actuator_force,
            contact_force: &row.contact_force,
            normal_force: &scratch.normal,
            eyes: &blueprint.eyes,
            terrain: vector(&self.origin.world.terrain),
        };
        readings.sense(model, &mut row.sensors);
    }
}

/// A free joint's numbers from its centre of mass: rapier's bodies have their origin there.
fn write_free(q: &mut [f32], v: &mut [f32], com: DVec3, place: (DVec3, DQuat), rates: (DVec3, DVec3)) {
    let ((center, rotation), (linear, angular)) = (place, rates);
    let arm = rotation * com;
    q[..3].copy_from_slice(&(center - arm).as_vec3().to_array());
    q[3..].copy_from_slice(&rotation.as_quat().to_array());
    v[..3].copy_from_slice(&(linear - angular.cross(arm)).as_vec3().to_array());
    v[3..].copy_from_slice(&(rotation.conjugate() * angular).as_vec3().to_array());
}

/// Whether any sensor needs accelerations.
pub(crate) fn has_accelerometer(model: &keiko_model::RobotModel) -> bool {
    model.sensors.iter().any(|s| matches!(s.kind, SensorKind::Accelerometer(_)))
}
