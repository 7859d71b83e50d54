//! `<joint>`: what moves, between which limits, and what drives it.

use std::collections::HashMap;

use glam::DVec3;

use super::Reader;
use super::link::origin;
use super::tree::{Tree, TreeJoint};
use crate::error::{ErrorKind, Result};
use crate::import::xml::Element;
use crate::robot::{
    Actuator, ActuatorKind, Body, Equality, EqualityKind, Joint, JointKind, Softness, Transmission,
};

const KINDS: [&str; 7] = ["fixed", "revolute", "continuous", "prismatic", "floating", "planar", "spherical"];

impl Reader<'_> {
    /// Hangs a body on its parent and gives it its joint, if it moves.
    pub(super) fn attach(
        &mut self,
        tree: &Tree<'_>,
        source: &TreeJoint<'_>,
        body: &mut Body,
        index: usize,
    ) -> Result<()> {
        let element = source.element;
        body.parent = self.body_of_link[source.parent];
        body.pose = origin(element)?;
        let type_name = element.require("type")?;
        let kind = match KINDS[type_name.keyword(&KINDS)?] {
            "revolute" | "continuous" => JointKind::Revolute,
            "prismatic" => JointKind::Prismatic,
            "spherical" => JointKind::Ball,
            "floating" => {
                self.reparent_to_world(tree, source, body)?;
                JointKind::Free
            }
            "planar" => {
                return Err(type_name
                    .error(ErrorKind::Unsupported, format!("{} is planar", element.describe()))
                    .allowed("two prismatic joints and a continuous one move in the same way"));
            }
            _ => {
                // Exporters write these for every joint; without motion nothing is lost with them.
                let idle = ["axis", "limit", "dynamics"].into_iter().filter_map(|name| element.child(name));
                idle.for_each(Element::visit_all);
                return Ok(());
            }
        };
        let mut joint = self.plain_joint(source.name, index, kind);
        if matches!(kind, JointKind::Revolute | JointKind::Prismatic) {
            joint.axis = axis(element)?;
            joint.mimic = element.child("mimic").is_some();
        }
        if kind != JointKind::Free {
            self.read_dynamics(element, &mut joint)?;
        }
        if matches!(kind, JointKind::Revolute | JointKind::Prismatic) {
            self.read_limit(element, &type_name.value, &mut joint)?;
        }
        self.model.joints.push(joint);
        self.add_motor(self.model.joints.len() - 1);
        Ok(())
    }

    /// A free joint for the base.
    pub(super) fn float(&mut self, link: &str, body: usize) {
        let joint = self.plain_joint(&format!("{link}_floating"), body, JointKind::Free);
        self.model.joints.push(joint);
    }

    fn plain_joint(&self, name: &str, body: usize, kind: JointKind) -> Joint {
        Joint {
            name: name.to_owned(),
            body,
            kind,
            axis: DVec3::X,
            anchor: DVec3::ZERO,
            range: None,
            reference: 0.0,
            stiffness: 0.0,
            spring_reference: 0.0,
            damping: 0.0,
            armature: 0.0,
            friction_loss: 0.0,
            limit_softness: Softness::default(),
            limit_margin: 0.0,
            effort_range: None,
            velocity_limit: None,
            mimic: false,
            qpos_index: self.model.joints.last().map_or(0, |j| j.qpos_index + j.kind.num_qpos()),
            dof_index: self.model.joints.last().map_or(0, |j| j.dof_index + j.kind.num_dofs()),
        }
    }

    /// A floating joint counts from the world, so all above it must stand still.
    fn reparent_to_world(&self, tree: &Tree<'_>, source: &TreeJoint<'_>, body: &mut Body) -> Result<()> {
        let mut ancestor = body.parent;
        while ancestor != 0 {
            let above = &self.model.bodies[ancestor];
            if !above.joints.is_empty() {
                let message = format!(
                    "{} floats in the moving link `{}`",
                    source.element.describe(),
                    tree.links[source.parent].name
                );
                return Err(source
                    .element
                    .error(ErrorKind::Unsupported, message)
                    .allowed("a floating joint's parent must be fixed to the base"));
            }
            body.pose = above.pose.compose(body.pose);
            ancestor = above.parent;
        }
        body.parent = 0;
        Ok(())
    }

    fn read_dynamics(&mut self, element: &Element, joint: &mut Joint) -> Result<()> {
        let Some(dynamics) = element.child("dynamics") else { return Ok(()) };
        dynamics.visit();
        joint.damping = at_least_zero(dynamics, "damping")?;
        joint.friction_loss = at_least_zero(dynamics, "friction")?;
        Ok(())
    }

    fn read_limit(&mut self, element: &Element, type_name: &str, joint: &mut Joint) -> Result<()> {
        let bounded = type_name != "continuous";
        let Some(limit) = element.child("limit") else {
            if bounded {
                self.report.approximated(
                    element,
                    "limit",
                    "there is none, so the joint moves without bounds",
                );
            }
            return Ok(());
        };
        limit.visit();
        let (lower, upper) = (limit.f64("lower")?, limit.f64("upper")?);
        match (bounded, lower, upper) {
            (false, None, None) => {}
            (false, ..) => {
                self.report.dropped(limit, "`lower` and `upper`", "a continuous joint has no bounds")
            }
            (true, None, None) => {
                self.report.approximated(
                    limit,
                    "",
                    "without `lower` and `upper` the joint moves without bounds",
                );
            }
            (true, ..) => {
                let range = [lower.unwrap_or(0.0), upper.unwrap_or(0.0)];
                if range[0] > range[1] {
                    let message =
                        format!("{} has the range {} to {}", element.describe(), range[0], range[1]);
                    return Err(limit
                        .error_at("lower", ErrorKind::Value, message)
                        .allowed("lower must not exceed upper"));
                }
                joint.range = Some(range);
            }
        }
        // A limit of 0 would lock the joint; files that have it mean that they do not know.
        let effort = at_least_zero(limit, "effort")?;
        let velocity = at_least_zero(limit, "velocity")?;
        joint.effort_range = (effort > 0.0).then_some([-effort, effort]);
        joint.velocity_limit = (velocity > 0.0).then_some(velocity);
        for (name, value) in [("effort", effort), ("velocity", velocity)] {
            if value == 0.0 && limit.has(name) {
                self.report.approximated(limit, format!("`{name}`"), "0 is read as no limit");
            }
        }
        Ok(())
    }

    fn add_motor(&mut self, index: usize) {
        let joint = &self.model.joints[index];
        if joint.mimic || joint.kind.num_dofs() != 1 {
            return;
        }
        self.model.actuators.push(Actuator {
            name: joint.name.clone(),
            kind: ActuatorKind::Motor,
            transmission: Transmission::Joint { joint: index },
            gear: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            gain: 1.0,
            bias: [0.0; 3],
            ctrl_range: joint.effort_range,
            force_range: joint.effort_range,
            time_constant: 0.0,
        });
    }

    /// Ties joints that mimic to those they follow; needs all joints.
    pub(super) fn add_mimics(&mut self, tree: &Tree<'_>) -> Result<()> {
        let scalar = self.model.joints.iter().enumerate().filter(|(_, j)| j.kind.num_dofs() == 1);
        let by_name: HashMap<String, usize> = scalar.map(|(index, j)| (j.name.clone(), index)).collect();
        let mut leader_of = vec![None; self.model.joints.len()];
        for source in &tree.joints {
            let Some(mimic) = source.element.child("mimic") else { continue };
            let Some(&joint) = by_name.get(source.name) else { continue };
            mimic.visit();
            let name = mimic.require("joint")?;
            let Some(&other) = by_name.get(&name.value) else {
                let message =
                    format!("there is no revolute, continuous or prismatic joint named `{}`", name.value);
                let known = by_name.keys().map(String::as_str);
                return Err(name.error(ErrorKind::Structure, message).nearest(&name.value, known));
            };
            leader_of[joint] = Some((other, name));
            let multiplier = mimic.f64("multiplier")?.unwrap_or(1.0);
            let offset = mimic.f64("offset")?.unwrap_or(0.0);
            self.model.equalities.push(Equality {
                name: format!("{}_mimic", source.name),
                kind: EqualityKind::Joint {
                    joint,
                    other: Some(other),
                    polynomial: [offset, multiplier, 0.0, 0.0, 0.0],
                },
                softness: Softness::default(),
                active: true,
            });
        }
        match cycle(&leader_of) {
            Some((joint, name)) => Err(name
                .error(
                    ErrorKind::Structure,
                    format!("joint `{}` follows itself", self.model.joints[joint].name),
                )
                .allowed("`mimic` must lead to a joint that follows no other")),
            None => Ok(()),
        }
    }
}

/// A joint whose chain of leaders comes back to it. Each joint is climbed from once.
fn cycle<T: Copy>(leader_of: &[Option<(usize, T)>]) -> Option<(usize, T)> {
    // The start from which each joint was first climbed over.
    let mut climbed_from = vec![None; leader_of.len()];
    for start in 0..leader_of.len() {
        let mut joint = start;
        while let Some((leader, source)) = leader_of[joint] {
            match climbed_from[joint] {
                Some(from) if from == start => return Some((joint, source)),
                Some(_) => break,
                None => climbed_from[joint] = Some(start),
            }
            joint = leader;
        }
    }
    None
}

fn axis(element: &Element) -> Result<DVec3> {
    let Some(axis) = element.child("axis") else { return Ok(DVec3::X) };
    axis.visit();
    let Some(attribute) = axis.get("xyz") else { return Ok(DVec3::X) };
    let vector = axis.vec3("xyz")?.unwrap_or(DVec3::X);
    // Scaled first, so that no finite axis is lost to overflow or underflow.
    let size = vector.abs().max_element();
    if size == 0.0 {
        return Err(attribute.bad("has no direction").allowed("a vector other than 0 is expected"));
    }
    Ok((vector / size).normalize())
}

/// A number of at least 0, or 0 if it is missing.
fn at_least_zero(element: &Element, name: &str) -> Result<f64> {
    match element.f64(name)? {
        Some(value) if value < 0.0 => {
            let message = format!("`{name}` is {value}");
            Err(element
                .error_at(name, ErrorKind::Value, message)
                .allowed("a number of at least 0 is expected"))
        }
        value => Ok(value.unwrap_or(0.0)),
    }
}
