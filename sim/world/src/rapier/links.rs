//! Which bodies move together: the model's bodies grouped into links, one joint a link.
//!
//! Bodies without joints belong to the link of their parent. A body with several joints becomes a chain of
//! links, all but the last without bodies and so without mass. Link 0 is the world and all that is welded to it.

use glam::{DMat3, DVec3};
use keiko_dynamics::plan::InertialChange;
use keiko_model::Pose;
use keiko_model::robot::{Body, JointKind, RobotModel};

use super::BuildError;

/// Bodies that never move against each other, and the joint that moves them.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Link that carries this one; the world is its own parent.
    pub parent: usize,
    /// The joint that moves it against its parent.
    pub joint: Option<usize>,
    /// `parent_from_link` with the joint at its reference; the link's frame is that of its first body.
    pub parent_from_link: Pose,
    /// Its bodies with `link_from_body`.
    pub bodies: Vec<(usize, Pose)>,
}

/// All links, parents before children.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    pub links: Vec<Link>,
    /// Link of each body.
    pub of_body: Vec<usize>,
    /// `link_from_body` of each body.
    pub from_body: Vec<Pose>,
    /// Link of each joint.
    pub of_joint: Vec<usize>,
}

impl Links {
    /// Groups the bodies of a model.
    pub fn new(model: &RobotModel) -> Result<Self, BuildError> {
        let world = Link {
            parent: 0,
            joint: None,
            parent_from_link: Pose::IDENTITY,
            bodies: vec![(0, Pose::IDENTITY)],
        };
        let mut out = Self {
            links: vec![world],
            of_body: vec![0],
            from_body: vec![Pose::IDENTITY],
            of_joint: vec![0; model.joints.len()],
        };
        for (index, body) in model.bodies.iter().enumerate().skip(1) {
            out.add_body(model, index, body)?;
        }
        Ok(out)
    }

    fn add_body(&mut self, model: &RobotModel, index: usize, body: &Body) -> Result<(), BuildError> {
        let mut link = self.of_body[body.parent];
        let mut link_from_body = self.from_body[body.parent].compose(body.pose);
        let joints = &model.joints[body.joints.clone()];
        let free = joints.iter().any(|j| j.kind == JointKind::Free);
        if free && (joints.len() > 1 || link != 0) {
            return Err(BuildError::new(
                &format!("body `{}`", body.name),
                "a free joint beside other joints or below a moving body",
            ));
        }
        for (k, _) in joints.iter().enumerate() {
            let joint = body.joints.start + k;
            self.links.push(Link {
                parent: link,
                joint: Some(joint),
                parent_from_link: link_from_body,
                bodies: Vec::new(),
            });
            link = self.links.len() - 1;
            link_from_body = Pose::IDENTITY;
            self.of_joint[joint] = link;
        }
        self.links[link].bodies.push((index, link_from_body));
        self.of_body.push(link);
        self.from_body.push(link_from_body);
        Ok(())
    }

    /// The link on the world that carries this one.
    pub fn root(&self, mut link: usize) -> usize {
        while self.links[link].parent != 0 {
            link = self.links[link].parent;
        }
        link
    }

    /// The nearest link towards the world that has bodies.
    pub fn parent_with_bodies(&self, link: usize) -> usize {
        let mut parent = self.links[link].parent;
        while self.links[parent].bodies.is_empty() {
            parent = self.links[parent].parent;
        }
        parent
    }
}

/// Mass distribution of a link about its own frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LinkMass {
    pub mass: f64,
    /// Centre of mass in the link's frame.
    pub com: DVec3,
    /// Inertia about the centre of mass, axes of the link's frame.
    pub inertia: DMat3,
}

/// The summed mass of a link's bodies, each with what its environment changes.
pub(crate) fn link_mass(
    model: &RobotModel,
    link: &Link,
    change: impl Fn(usize) -> InertialChange,
) -> LinkMass {
    let mut mass = 0.0;
    let mut moment = DVec3::ZERO;
    for &(body, pose) in &link.bodies {
        let change = change(body);
        let m = model.bodies[body].inertial.mass * change.mass_scale;
        mass += m;
        moment += m * pose.transform_point(model.bodies[body].inertial.pose.position + change.com_offset);
    }
    let com = if mass > 0.0 { moment / mass } else { DVec3::ZERO };
    let mut inertia = DMat3::ZERO;
    for &(body, pose) in &link.bodies {
        let inertial = &model.bodies[body].inertial;
        let change = change(body);
        let factor = change.mass_scale;
        let frame = Pose::from_position(change.com_offset).compose(inertial.pose);
        let frame = pose.compose(frame);
        let axes = DMat3::from_quat(frame.rotation);
        inertia += axes
            * DMat3::from_diagonal(inertial.moments * (factor * change.inertia_scale))
            * axes.transpose();
        let d = frame.position - com;
        let outer = DMat3::from_cols(d * d.x, d * d.y, d * d.z);
        inertia +=
            (DMat3::from_diagonal(DVec3::splat(d.length_squared())) - outer) * (inertial.mass * factor);
    }
    LinkMass { mass, com, inertia }
}
