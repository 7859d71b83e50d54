//! From a model to a rapier world: everything that all environments share, and how to build one of them.
//!
//! A tree of links whose root hangs on the world is a multibody with a fixed root of its own (one root for all
//! would make one mass matrix of all robots); a tree whose root is free is a multibody with a dynamic root; a
//! free body without children is a plain rigid body. Every rapier body has its origin in its centre of mass:
//! rapier integrates the position of a free root with the velocity of its centre of mass.

use std::sync::Arc;

use glam::{DQuat, DVec3, Mat3, Vec3};
use keiko_dynamics::plan::InertialChange;
use keiko_model::Pose;
use keiko_model::robot::{EqualityKind, Joint, JointKind, RobotModel, Shape};
use rapier3d::prelude as rp;
use serde::{Deserialize, Serialize};

use super::drive::Drives;
use super::environment::has_accelerometer;
use super::eyes::Eyes;
use super::links::{Link, Links, link_mass};
use super::pairs::PairTable;
use super::shapes::collision_shape;
use super::support::check_support;
use super::ties::Tie;
use super::{BuildError, PhysicsOptions, Unsupported};
use crate::executor::EnvParameters;
use crate::field::Field;
use crate::kinematics::vector;

/// Where rapier keeps a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkHandle {
    pub body: rp::RigidBodyHandle,
    /// The multibody, unless the link is a lone free body or the world.
    pub multibody: Option<rp::MultibodyIndex>,
    /// Index of the link in its multibody.
    pub link_id: usize,
    /// Its first degree of freedom in the multibody.
    pub first_dof: usize,
}

/// A collision shape on a link.
#[derive(Clone, Debug)]
struct GeomShape {
    geom: usize,
    shape: rp::SharedShape,
    link_from_shape: Pose,
}

/// Parameters of an environment that its world is built with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorldParameters {
    pub mass_scale: Vec<f32>,
    pub inertia_scale: Vec<f32>,
    pub com_offset: Vec<f32>,
    pub armature_scale: Vec<f32>,
    pub friction_scale: f32,
    pub terrain: Vec<f32>,
}

impl WorldParameters {
    fn plain(model: &RobotModel) -> Self {
        Self::gather(0, &EnvParameters::identity(model, 1))
    }

    /// The columns of one environment.
    pub fn gather(env: usize, p: &EnvParameters) -> Self {
        let column = |f: &Field| f.column(env).collect();
        Self {
            mass_scale: column(&p.mass_scale),
            inertia_scale: column(&p.inertia_scale),
            com_offset: column(&p.com_offset),
            armature_scale: column(&p.armature_scale),
            friction_scale: p.friction_scale.get(0, env),
            terrain: column(&p.terrain),
        }
    }

    pub fn is_finite(&self) -> bool {
        let parts =
            [&self.mass_scale, &self.inertia_scale, &self.com_offset, &self.armature_scale, &self.terrain];
        parts.iter().all(|p| p.iter().all(|v| v.is_finite())) && self.friction_scale.is_finite()
    }

    fn of_body(&self, body: usize) -> InertialChange {
        InertialChange {
            mass_scale: f64::from(self.mass_scale[body]),
            inertia_scale: f64::from(self.inertia_scale[body]),
            com_offset: vector(&self.com_offset[3 * body..]),
        }
    }

    fn terrain(&self) -> DVec3 {
        vector(&self.terrain)
    }
}

/// All that the environments of a batch share.
pub(crate) struct Blueprint {
    pub model: Arc<RobotModel>,
    pub options: PhysicsOptions,
    pub parameters: rp::IntegrationParameters,
    pub links: Links,
    pub handles: Vec<LinkHandle>,
    pub pairs: PairTable,
    pub drives: Drives,
    pub unsupported: Vec<Unsupported>,
    /// Multibodies, and whether their root takes its pose from its body (it is free).
    pub trees: Vec<(bool, rp::MultibodyIndex)>,
    pub needs_hooks: bool,
    pub has_accelerometer: bool,
    pub eyes: Eyes,
    /// Parameters that change nothing.
    plain: WorldParameters,
    /// The world at the reference configuration with them.
    pub template: World,
    shapes: Vec<GeomShape>,
}

/// The part of a rapier world that a snapshot holds.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct World {
    pub bodies: rp::RigidBodySet,
    pub colliders: rp::ColliderSet,
    pub impulse_joints: rp::ImpulseJointSet,
    pub multibodies: rp::MultibodyJointSet,
    pub islands: rp::IslandManager,
    pub broad_phase: rp::BroadPhaseBvh,
    pub narrow_phase: rp::NarrowPhase,
    /// Centre of mass of each link in its frame: the origin of its rapier body.
    pub coms: Vec<DVec3>,
}

/// `f32` pose for rapier.
pub(crate) fn to_rapier(pose: Pose) -> rp::Pose {
    rp::Pose::from_parts(pose.position.as_vec3(), pose.rotation.as_quat().normalize())
}

impl Blueprint {
    pub fn new(model: &RobotModel, options: &PhysicsOptions) -> Result<Self, BuildError> {
        options.check().map_err(|what| BuildError::new("physics options", what))?;
        let unsupported = check_support(model)?;
        let links = Links::new(model)?;
        let pairs = PairTable::new(model, &links);
        let shapes = geom_shapes(model, &links, &pairs)?;
        let drives = Drives::new(model)?;
        let mut blueprint = Self {
            model: Arc::new(model.clone()),
            options: options.clone(),
            parameters: integration_parameters(options),
            handles: Vec::new(),
            trees: Vec::new(),
            needs_hooks: pairs.needs_hooks(),
            has_accelerometer: has_accelerometer(model),
            eyes: Eyes::new(model, &links),
            links,
            pairs,
            drives,
            unsupported,
            plain: WorldParameters::plain(model),
            template: World::empty(),
            shapes,
        };
        let (template, handles) = blueprint.assemble(&blueprint.plain)?;
        blueprint.template = template;
        for (link, handle) in blueprint.links.links.iter().zip(&handles) {
            let free = link.joint.is_some_and(|j| model.joints[j].kind == JointKind::Free);
            let known = |m: &rp::MultibodyIndex| blueprint.trees.iter().any(|(_, known)| known == m);
            if let Some(multibody) = handle.multibody.filter(|m| link.parent == 0 && !known(m)) {
                blueprint.trees.push((free, multibody));
            }
        }
        blueprint.handles = handles;
        Ok(blueprint)
    }

    /// A world with the parameters of an environment.
    pub fn build(&self, parameters: &WorldParameters) -> World {
        if *parameters == self.plain {
            return self.template.clone();
        }
        match self.assemble(parameters) {
            Ok((world, _)) => world,
            Err(_) => self.template.clone(),
        }
    }

    fn assemble(&self, parameters: &WorldParameters) -> Result<(World, Vec<LinkHandle>), BuildError> {
        let mut world = World::empty();
        let mut handles = self.add_bodies(&mut world, parameters);
        self.add_colliders(&mut world, &handles, parameters);
        self.add_joints(&mut world, &handles)?;
        finish_handles(&mut world, &mut handles);
        self.write_joint_dynamics(&mut world, &handles, &parameters.armature_scale);
        self.add_equalities(&mut world, &handles)?;
        Ok((world, handles))
    }

    fn add_bodies(&self, world: &mut World, parameters: &WorldParameters) -> Vec<LinkHandle> {
        let mut handles = Vec::with_capacity(self.links.links.len());
        for (index, link) in self.links.links.iter().enumerate() {
            let mass = link_mass(&self.model, link, |b| parameters.of_body(b));
            let com = if index == 0 { DVec3::ZERO } else { mass.com };
            let builder =
                if index == 0 { rp::RigidBodyBuilder::fixed() } else { rp::RigidBodyBuilder::dynamic() };
            let pose = link.parent_from_link.compose(Pose::from_position(com));
            let properties = self.mass_properties(link, mass.mass, mass.inertia, parameters);
            let body = builder
                .pose(to_rapier(pose))
                .can_sleep(false)
                .allow_fast_rotation(true)
                .gyroscopic_forces_enabled(true)
                .linear_damping(0.0)
                .angular_damping(0.0)
                .gravity_scale(self.gravity_scale(link))
                .additional_mass_properties(properties)
                .user_data(index as u128);
            world.coms.push(com);
            let body = world.bodies.insert(body);
            handles.push(LinkHandle { body, multibody: None, link_id: 0, first_dof: 0 });
        }
        handles
    }

    /// Mass about the centre of mass; a single body keeps its principal axes exactly.
    fn mass_properties(
        &self,
        link: &Link,
        mass: f64,
        inertia: glam::DMat3,
        parameters: &WorldParameters,
    ) -> rp::MassProperties {
        let heavy: Vec<_> =
            link.bodies.iter().filter(|(b, _)| self.model.bodies[*b].inertial.mass > 0.0).collect();
        if let [(body, link_from_body)] = heavy[..] {
            let inertial = &self.model.bodies[*body].inertial;
            let axes = (link_from_body.rotation * inertial.pose.rotation).normalize().as_quat();
            let change = parameters.of_body(*body);
            let factor = change.mass_scale as f32 * change.inertia_scale as f32;
            let moments = inertial.moments.as_vec3() * factor;
            return rp::MassProperties::with_principal_inertia_frame(Vec3::ZERO, mass as f32, moments, axes);
        }
        let inertia =
            Mat3::from_cols(inertia.x_axis.as_vec3(), inertia.y_axis.as_vec3(), inertia.z_axis.as_vec3());
        rp::MassProperties::with_inertia_matrix(Vec3::ZERO, mass as f32, inertia)
    }

    /// Share of gravity that acts, weighted by mass over the bodies of the link.
    fn gravity_scale(&self, link: &Link) -> f32 {
        let (mut mass, mut compensated) = (0.0, 0.0);
        for &(b, _) in &link.bodies {
            let body = &self.model.bodies[b];
            mass += body.inertial.mass;
            compensated += body.inertial.mass * body.gravity_compensation;
        }
        if mass > 0.0 { (1.0 - compensated / mass) as f32 } else { 1.0 }
    }

    fn add_colliders(&self, world: &mut World, handles: &[LinkHandle], parameters: &WorldParameters) {
        for part in &self.shapes {
            let geom = &self.model.geoms[part.geom];
            let link = self.links.of_body[geom.body];
            let terrain = link == 0 && matches!(geom.shape, Shape::HeightField { .. });
            let shift = if terrain { parameters.terrain() } else { DVec3::ZERO };
            let body_from_link = Pose::from_position(shift - world.coms[link]);
            let collider = rp::ColliderBuilder::new(part.shape.clone())
                .position(to_rapier(body_from_link.compose(part.link_from_shape)))
                .density(0.0)
                .friction(geom.friction.x as f32 * parameters.friction_scale)
                .friction_combine_rule(rp::CoefficientCombineRule::Max)
                .restitution(geom.restitution as f32)
                .restitution_combine_rule(rp::CoefficientCombineRule::Max)
                .collision_groups(self.pairs.groups[part.geom])
                .active_hooks(self.pairs.hooks[part.geom])
                .user_data(part.geom as u128);
            world.colliders.insert_with_parent(collider, handles[link].body, &mut world.bodies);
        }
    }

    fn add_joints(&self, world: &mut World, handles: &[LinkHandle]) -> Result<(), BuildError> {
        let mut roots: Vec<(usize, rp::RigidBodyHandle)> = Vec::new();
        for (index, link) in self.links.links.iter().enumerate().skip(1) {
            let Some(joint) = link.joint.map(|j| &self.model.joints[j]) else { continue };
            if joint.kind == JointKind::Free {
                continue;
            }
            let parent = if link.parent == 0 {
                let shared =
                    roots.iter().find(|(other, _)| self.share_root(index, *other)).map(|(_, root)| *root);
                let root = shared.unwrap_or_else(|| world.bodies.insert(rp::RigidBodyBuilder::fixed()));
                roots.push((index, root));
                root
            } else {
                handles[link.parent].body
            };
            let mut data = self.joint_data(world, index, joint);
            data.set_contacts_enabled(link.parent == 0 || self.pairs.touches_parent[index]);
            let inserted = world.multibodies.insert(parent, handles[index].body, data, false);
            inserted
                .ok_or_else(|| BuildError::new(&format!("joint `{}`", joint.name), "a kinematic loop"))?;
        }
        Ok(())
    }

    /// Whether two trees on the world must be one multibody: a coupling ties a joint of one to a joint of the other.
    fn share_root(&self, a: usize, b: usize) -> bool {
        self.model.equalities.iter().filter(|e| e.active).any(|equality| {
            let EqualityKind::Joint { joint, other: Some(other), .. } = equality.kind else { return false };
            let roots = [joint, other].map(|j| self.links.root(self.links.of_joint[j]));
            roots == [a, b] || roots == [b, a]
        })
    }

    /// A joint in rapier's terms: its free axis is x, or all rotations.
    fn joint_data(&self, world: &World, link: usize, joint: &Joint) -> rp::GenericJoint {
        let this = &self.links.links[link];
        let (locked, axis_frame) = match joint.kind {
            JointKind::Revolute => (rp::JointAxesMask::LOCKED_REVOLUTE_AXES, x_to(joint.axis)),
            JointKind::Prismatic => (rp::JointAxesMask::LOCKED_PRISMATIC_AXES, x_to(joint.axis)),
            JointKind::Ball | JointKind::Free => (rp::JointAxesMask::LOCKED_SPHERICAL_AXES, DQuat::IDENTITY),
        };
        let link_from_axis = Pose::new(joint.anchor, axis_frame);
        let parent_com = if this.parent == 0 { DVec3::ZERO } else { world.coms[this.parent] };
        let frame1 = Pose::from_position(-parent_com).compose(this.parent_from_link.compose(link_from_axis));
        let frame2 = Pose::from_position(-world.coms[link]).compose(link_from_axis);
        let mut data = rp::GenericJoint::new(locked);
        data.set_local_frame1(to_rapier(frame1)).set_local_frame2(to_rapier(frame2));
        if let (Some(axis), Some([low, high])) = (scalar_axis(joint.kind), joint.range) {
            data.set_limits(axis, [(low - joint.reference) as f32, (high - joint.reference) as f32]);
        }
        data
    }

    /// Damping, armature, dry friction and springs. rapier puts 0.1 N·m·s/rad on angular joints unless told otherwise.
    fn write_joint_dynamics(&self, world: &mut World, handles: &[LinkHandle], armature_scale: &[f32]) {
        for handle in handles {
            if let Some(multibody) = handle.multibody.and_then(|m| world.multibodies.get_multibody_mut(m)) {
                multibody.damping_mut().fill(0.0);
            }
        }
        for (index, link) in self.links.links.iter().enumerate().skip(1) {
            let (Some(joint), handle) = (link.joint.map(|j| &self.model.joints[j]), handles[index]) else {
                continue;
            };
            let Some(multibody) = handle.multibody.and_then(|m| world.multibodies.get_multibody_mut(m))
            else {
                continue;
            };
            for (k, scale) in armature_scale[joint.dof_index..][..joint.kind.num_dofs()].iter().enumerate() {
                let dof = handle.first_dof + k;
                multibody.damping_mut()[dof] = joint.damping as f32;
                multibody.armature_mut()[dof] = joint.armature as f32 * scale;
                multibody.frictions_mut()[dof] = joint.friction_loss as f32;
            }
            if let (Some(axis), Some(part)) = (scalar_axis(joint.kind), multibody.link_mut(handle.link_id)) {
                let rest = joint.spring_reference - joint.reference;
                part.joint.set_spring(axis as usize, joint.stiffness as f32, rest as f32);
            }
        }
    }

    fn add_equalities(&self, world: &mut World, handles: &[LinkHandle]) -> Result<(), BuildError> {
        for equality in self.model.equalities.iter().filter(|e| e.active) {
            match &equality.kind {
                EqualityKind::Connect { body_a, body_b, anchor_in_a, anchor_in_b } => {
                    let frames = [*anchor_in_a, *anchor_in_b].map(Pose::from_position);
                    self.tie(world, handles, &Tie { bodies: [*body_a, *body_b], frames, rotation: false });
                }
                EqualityKind::Weld { body_a, body_b, a_from_b, anchor_in_b } => {
                    let frame_b = Pose::from_position(*anchor_in_b);
                    let frames = [a_from_b.compose(frame_b), frame_b];
                    self.tie(world, handles, &Tie { bodies: [*body_a, *body_b], frames, rotation: true });
                }
                EqualityKind::Joint { joint, other, polynomial } => {
                    self.couple(world, handles, *joint, *other, polynomial).ok_or_else(|| {
                        let what = "a joint coupling between separate trees, or with a joint that has no scalar position";
                        BuildError::new(&format!("equality `{}`", equality.name), what)
                    })?;
                }
                EqualityKind::Tendon { .. } => {
                    return Err(BuildError::new(
                        &format!("equality `{}`", equality.name),
                        "a tendon equality",
                    ));
                }
            }
        }
        Ok(())
    }

    fn tie(&self, world: &mut World, handles: &[LinkHandle], tie: &Tie) {
        let (frames, locked) = tie.rows(&self.model);
        let local = |k: usize, world: &World| {
            let link = self.links.of_body[tie.bodies[k]];
            let frame = self.links.from_body[tie.bodies[k]].compose(frames[k]);
            to_rapier(Pose::from_position(-world.coms[link]).compose(frame))
        };
        let mut data = rp::GenericJoint::new(locked);
        data.set_local_frame1(local(0, world)).set_local_frame2(local(1, world));
        let [a, b] = tie.bodies.map(|body| handles[self.links.of_body[body]].body);
        world.impulse_joints.insert(a, b, data, false);
    }

    /// `q(joint) = p0 + p1·q(other)`, or a constant, both counted from the references.
    fn couple(
        &self,
        world: &mut World,
        handles: &[LinkHandle],
        joint: usize,
        other: Option<usize>,
        p: &[f64; 5],
    ) -> Option<()> {
        let follower = handles[self.links.of_joint[joint]];
        let axis = scalar_axis(self.model.joints[joint].kind)?;
        let multibody = world.multibodies.get_multibody_mut(follower.multibody?)?;
        let Some(other) = other else {
            let data = &mut multibody.link_mut(follower.link_id)?.joint.data;
            data.set_limits(axis, [p[0] as f32, p[0] as f32]);
            return Some(());
        };
        let leader = handles[self.links.of_joint[other]];
        let leader_axis = scalar_axis(self.model.joints[other].kind)?;
        if leader.multibody != follower.multibody {
            return None;
        }
        multibody.add_dof_coupling(rp::MultibodyDofCoupling {
            link1: leader.link_id,
            dof1: 0,
            axis1: leader_axis as usize,
            link2: follower.link_id,
            dof2: 0,
            axis2: axis as usize,
            coeff: p[1] as f32,
            offset: p[0] as f32,
        });
        Some(())
    }
}

impl World {
    pub fn empty() -> Self {
        Self {
            bodies: rp::RigidBodySet::new(),
            colliders: rp::ColliderSet::new(),
            impulse_joints: rp::ImpulseJointSet::new(),
            multibodies: rp::MultibodyJointSet::new(),
            islands: rp::IslandManager::new(),
            broad_phase: rp::BroadPhaseBvh::new(),
            narrow_phase: rp::NarrowPhase::new(),
            coms: Vec::new(),
        }
    }
}

/// The axis of a scalar joint in rapier's numbering.
pub(crate) fn scalar_axis(kind: JointKind) -> Option<rp::JointAxis> {
    match kind {
        JointKind::Revolute => Some(rp::JointAxis::AngX),
        JointKind::Prismatic => Some(rp::JointAxis::LinX),
        JointKind::Free | JointKind::Ball => None,
    }
}

fn x_to(axis: DVec3) -> DQuat {
    DQuat::from_rotation_arc(DVec3::X, axis.normalize_or(DVec3::X))
}

fn geom_shapes(model: &RobotModel, links: &Links, pairs: &PairTable) -> Result<Vec<GeomShape>, BuildError> {
    let mut shapes = Vec::new();
    for (index, geom) in model.geoms.iter().enumerate().filter(|(g, _)| pairs.collides[*g]) {
        let (shape, geom_from_shape) = collision_shape(model, geom)?;
        let link_from_shape = links.from_body[geom.body].compose(geom.pose).compose(geom_from_shape);
        shapes.push(GeomShape { geom: index, shape, link_from_shape });
    }
    Ok(shapes)
}

/// Fills in where the links ended up, after the roots have found their type.
fn finish_handles(world: &mut World, handles: &mut [LinkHandle]) {
    for handle in handles.iter_mut() {
        let Some(id) = world.multibodies.rigid_body_link(handle.body).copied() else { continue };
        let Some(multibody) = world.multibodies.get_multibody_mut(id.multibody) else { continue };
        multibody.forward_kinematics(&world.bodies, true);
        multibody.update_rigid_bodies(&mut world.bodies, true);
        handle.multibody = Some(id.multibody);
        handle.link_id = id.id;
        handle.first_dof = multibody.link(id.id).map_or(0, |l| l.assembly_id());
    }
}

fn integration_parameters(options: &PhysicsOptions) -> rp::IntegrationParameters {
    let softness = rp::SpringCoefficients::new(options.contact_frequency, options.contact_damping_ratio);
    rp::IntegrationParameters {
        dt: options.timestep,
        contact_softness: softness,
        static_contact_softness: softness,
        num_solver_iterations: options.solver_iterations,
        normalized_max_linear_velocity: f32::MAX,
        max_ccd_substeps: 0,
        friction_model: rp::FrictionModel::Simplified,
        ..Default::default()
    }
}
