//! `<tendon>`, `<contact>` and `<equality>`.

use glam::{DQuat, DVec3};

use super::Reader;
use super::defaults::MAIN;
use super::joint::{Limited, apply_softness, first_coefficient};
use super::names::Target;
use super::option::unsupported;
use super::reflect::world_poses;
use crate::Pose;
use crate::error::{ErrorKind, Result};
use crate::import::xml::{Attribute, Element};
use crate::robot::{ContactPair, Equality, EqualityKind, FixedTendon, JointKind, Softness};

impl<'a> Reader<'a> {
    pub(super) fn read_tendons(&mut self) -> Result<()> {
        for e in self.items("tendon") {
            if e.name == "fixed" {
                self.read_fixed_tendon(e)?;
                continue;
            }
            self.tendons.claim(e, "", Target::Dropped, self.limits)?;
            // The names that it goes through are still checked.
            for via in &e.children {
                for attribute in ["site", "sidesite"].into_iter().filter_map(|name| via.get(name)) {
                    self.sites.find(attribute)?;
                }
                via.get("geom").map(|a| self.geoms.find(a)).transpose()?;
            }
            e.visit_all();
            self.report.dropped(
                e,
                "",
                "spatial tendons are not supported; what pulls on them is left out too",
            );
        }
        Ok(())
    }

    fn read_fixed_tendon(&mut self, e: &'a Element) -> Result<()> {
        e.visit();
        let mut tendon = FixedTendon {
            name: self.tendons.claim(e, "", Target::Kept(self.model.tendons.len()), self.limits)?,
            terms: vec![],
            range: None,
            stiffness: 0.0,
            damping: 0.0,
            friction_loss: 0.0,
            spring_length: [-1.0; 2],
        };
        let (mut limited, mut range) = (Limited::Auto, [0.0; 2]);
        for source in self.defaults.for_element(e, MAIN, &["tendon"])?.into_iter().chain([e]) {
            limited.apply(source, "limited")?;
            range = source.array("range")?.unwrap_or(range);
            first_coefficient(self, source, "stiffness", &mut tendon.stiffness)?;
            first_coefficient(self, source, "damping", &mut tendon.damping)?;
            tendon.friction_loss = source.f64("frictionloss")?.unwrap_or(tendon.friction_loss);
            if source.overlay("springlength", &mut tendon.spring_length)? == 1 {
                tendon.spring_length[1] = tendon.spring_length[0];
            }
        }
        tendon.range = limited.resolve(range, e, ["limited", "range"], &self.compiler)?;
        for term in &e.children {
            term.visit();
            let joint = term.require("joint")?;
            let Target::Kept(index) = self.joints.find(joint)? else { continue };
            if !matches!(self.model.joints[index].kind, JointKind::Revolute | JointKind::Prismatic) {
                let message = format!("the joint `{}` is no hinge or slide", joint.value);
                return Err(joint.error(ErrorKind::Structure, message));
            }
            let [coefficient] = term.require("coef")?.f64s(1, 1).map(|c| [c[0]])?;
            tendon.terms.push((index, coefficient));
        }
        if tendon.terms.is_empty() {
            return Err(e.error(ErrorKind::Structure, format!("{} has no joints", e.describe())));
        }
        if tendon.spring_length[0] < 0.0 {
            // The length at the reference configuration.
            let length = tendon.terms.iter().map(|(j, c)| c * self.model.joints[*j].reference).sum();
            tendon.spring_length = [length; 2];
        }
        self.model.tendons.push(tendon);
        Ok(())
    }

    pub(super) fn read_contacts(&mut self) -> Result<()> {
        for e in self.items("contact") {
            e.visit();
            match e.name.as_str() {
                "exclude" => {
                    e.get("name");
                    let (a, b) =
                        (self.bodies.find(e.require("body1")?)?, self.bodies.find(e.require("body2")?)?);
                    if let (Target::Kept(a), Target::Kept(b)) = (a, b) {
                        self.model.contact_excludes.push([a, b]);
                    }
                }
                _ => self.read_pair(e)?,
            }
        }
        Ok(())
    }

    fn read_pair(&mut self, e: &'a Element) -> Result<()> {
        e.get("name");
        let (mut condim, mut friction) = (3, [1.0, 1.0, 0.005, 0.0001, 0.0001]);
        let (mut softness, mut margin, mut gap) = (Softness::default(), 0.0, 0.0);
        for source in self.defaults.for_element(e, MAIN, &["pair"])?.into_iter().chain([e]) {
            condim = source.i32("condim")?.unwrap_or(condim);
            source.overlay("friction", &mut friction)?;
            apply_softness(&mut softness, source, "solref", "solimp")?;
            margin = source.f64("margin")?.unwrap_or(margin);
            gap = source.f64("gap")?.unwrap_or(gap);
        }
        if ![1, 3, 4, 6].contains(&condim) {
            let message = format!("{}: `condim` is {condim}", e.describe());
            return Err(e.error_at("condim", ErrorKind::Value, message).allowed("1, 3, 4 or 6"));
        }
        let (a, b) = (self.geoms.find(e.require("geom1")?)?, self.geoms.find(e.require("geom2")?)?);
        if let (Target::Kept(a), Target::Kept(b)) = (a, b) {
            self.model.contact_pairs.push(ContactPair {
                geoms: [a, b],
                condim: Some(condim as u8),
                friction: Some(friction),
                softness: Some(softness),
                margin: Some(margin),
                gap: Some(gap),
            });
        }
        Ok(())
    }

    pub(super) fn read_equalities(&mut self) -> Result<()> {
        let poses = world_poses(&self.model);
        for e in self.items("equality") {
            e.visit();
            let target = Target::Kept(self.model.equalities.len());
            let (mut softness, mut active) = (Softness::default(), true);
            for source in self.defaults.for_element(e, MAIN, &["equality"])?.into_iter().chain([e]) {
                active = source.bool("active")?.unwrap_or(active);
                apply_softness(&mut softness, source, "solref", "solimp")?;
            }
            let kind = match e.name.as_str() {
                "connect" => Some(self.read_connect(e, &poses)?),
                "weld" => Some(self.read_weld(e, &poses)?),
                "joint" => Some(self.read_coupling(e)?),
                "tendon" => self.read_tendon_coupling(e)?,
                _ => return Err(unsupported(e, "a constraint of a flex")),
            };
            let Some(kind) = kind else {
                self.equalities.claim(e, "", Target::Dropped, self.limits)?;
                self.report.dropped(e, "", "it ties a spatial tendon, which is not supported");
                continue;
            };
            let name = self.equalities.claim(e, "", target, self.limits)?;
            self.model.equalities.push(Equality { name, kind, softness, active });
        }
        Ok(())
    }

    fn body_index(&self, attribute: &Attribute) -> Result<usize> {
        match self.bodies.find(attribute)? {
            Target::Kept(index) => Ok(index),
            Target::Dropped => Err(attribute.error(ErrorKind::Unsupported, "this body was left out")),
        }
    }

    /// Bodies and poses of the two sites, if the constraint is written with sites.
    fn site_ends(&self, e: &Element) -> Result<Option<[(usize, Pose); 2]>> {
        if !e.has("site1") && !e.has("site2") {
            return Ok(None);
        }
        if let Some(body) = ["body1", "body2", "anchor", "relpose"].into_iter().find(|name| e.has(name)) {
            let message = format!("{} has sites and also `{body}`", e.describe());
            return Err(e.error_at(body, ErrorKind::Structure, message));
        }
        let end = |name: &str| -> Result<(usize, Pose)> {
            let attribute = e.require(name)?;
            let Target::Kept(index) = self.sites.find(attribute)? else {
                return Err(attribute.error(ErrorKind::Unsupported, "this site was left out"));
            };
            let site = &self.model.sites[index];
            Ok((site.body, site.pose))
        };
        Ok(Some([end("site1")?, end("site2")?]))
    }

    fn body_ends(&self, e: &Element) -> Result<[usize; 2]> {
        let a = self.body_index(e.require("body1")?)?;
        let b = e.get("body2").map(|x| self.body_index(x)).transpose()?.unwrap_or(0);
        if a == b {
            let message = format!("{} ties a body to itself", e.describe());
            return Err(e.error_at("body2", ErrorKind::Structure, message));
        }
        Ok([a, b])
    }

    fn read_connect(&self, e: &Element, poses: &[Pose]) -> Result<EqualityKind> {
        if let Some([(body_a, a), (body_b, b)]) = self.site_ends(e)? {
            return Ok(EqualityKind::Connect {
                body_a,
                body_b,
                anchor_in_a: a.position,
                anchor_in_b: b.position,
            });
        }
        let [body_a, body_b] = self.body_ends(e)?;
        let anchor = e.require("anchor")?.f64s(3, 3)?;
        let anchor_in_a = DVec3::from_slice(&anchor);
        let anchor_in_b = poses[body_b].inverse().compose(poses[body_a]).transform_point(anchor_in_a);
        Ok(EqualityKind::Connect { body_a, body_b, anchor_in_a, anchor_in_b })
    }

    fn read_weld(&mut self, e: &Element, poses: &[Pose]) -> Result<EqualityKind> {
        if e.f64("torquescale")?.is_some_and(|s| s != 1.0) {
            self.report.approximated(e, "torquescale", "taken as 1");
        }
        if let Some([(body_a, a), (body_b, b)]) = self.site_ends(e)? {
            let a_from_b = a.compose(b.inverse());
            return Ok(EqualityKind::Weld { body_a, body_b, a_from_b, anchor_in_b: b.position });
        }
        let [body_a, body_b] = self.body_ends(e)?;
        let anchor_in_b = e.vec3("anchor")?.unwrap_or(DVec3::ZERO);
        let mut a_from_b = poses[body_a].inverse().compose(poses[body_b]);
        // A quaternion of zeros, and none at all, stand for the reference configuration.
        if let Some([px, py, pz, w, x, y, z]) = e.array("relpose")? {
            let rotation = DQuat::from_xyzw(x, y, z, w);
            if rotation.length() > 0.0 {
                a_from_b = Pose::new(DVec3::new(px, py, pz), rotation.normalize());
            }
        }
        Ok(EqualityKind::Weld { body_a, body_b, a_from_b, anchor_in_b })
    }

    fn read_coupling(&self, e: &Element) -> Result<EqualityKind> {
        let scalar = |name: &str| -> Result<Option<usize>> {
            let Some(attribute) = e.get(name) else { return Ok(None) };
            let Target::Kept(index) = self.joints.find(attribute)? else { return Ok(None) };
            if !matches!(self.model.joints[index].kind, JointKind::Revolute | JointKind::Prismatic) {
                let message = format!("the joint `{}` is no hinge or slide", attribute.value);
                return Err(attribute.error(ErrorKind::Structure, message));
            }
            Ok(Some(index))
        };
        e.require("joint1")?;
        let other = scalar("joint2")?;
        let Some(joint) = scalar("joint1")?.filter(|joint| Some(*joint) != other) else {
            let message = format!("{} ties a joint to itself", e.describe());
            return Err(e.error_at("joint2", ErrorKind::Structure, message));
        };
        Ok(EqualityKind::Joint { joint, other, polynomial: polynomial(e)? })
    }

    fn read_tendon_coupling(&self, e: &Element) -> Result<Option<EqualityKind>> {
        let first = self.tendons.find(e.require("tendon1")?)?;
        let second = e.get("tendon2").map(|a| self.tendons.find(a)).transpose()?;
        let polynomial = polynomial(e)?;
        Ok(match (first, second) {
            (Target::Kept(tendon), None) => Some(EqualityKind::Tendon { tendon, other: None, polynomial }),
            (Target::Kept(tendon), Some(Target::Kept(other))) => {
                Some(EqualityKind::Tendon { tendon, other: Some(other), polynomial })
            }
            _ => None,
        })
    }
}

fn polynomial(e: &Element) -> Result<[f64; 5]> {
    let mut coefficients = [0.0, 1.0, 0.0, 0.0, 0.0];
    e.overlay("polycoef", &mut coefficients)?;
    Ok(coefficients)
}
