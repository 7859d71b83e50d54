//! `<worldbody>`: bodies with their frames, replicas and masses.

use std::ops::Range;

use glam::{DMat3, DQuat, DVec3};

use super::Reader;
use super::compiler::{EPSILON, InertiaFromGeom};
use super::defaults::MAIN;
use super::geom::{GeomMass, Scope};
use super::inertia::{combine, is_possible};
use super::names::Target;
use super::option::unsupported;
use crate::Pose;
use crate::error::{ErrorKind, Result};
use crate::import::xml::Element;
use crate::mesh::principal_axes;
use crate::robot::{Body, Inertial, JointKind, Shape};

/// Less than this does not move, as in MuJoCo.
const MIN_MOVING: f64 = 1e-15;

/// Where the children of an element belong.
#[derive(Clone)]
struct Place<'a> {
    body: usize,
    /// `body_from_frame`: frames and replicas on the way.
    frame: Pose,
    class: &'a str,
    suffix: String,
    /// Copies that the replicas around make of one element.
    copies: usize,
}

/// A child body that is read after its parent's own elements.
struct Child<'a> {
    element: &'a Element,
    place: Place<'a>,
}

/// What a body gathered from its own elements.
#[derive(Default)]
struct Own<'a> {
    children: Vec<Child<'a>>,
    geoms: Vec<GeomMass>,
    align_free: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn read_bodies(&mut self) -> Result<()> {
        let place = Place { body: 0, frame: Pose::IDENTITY, class: MAIN, suffix: String::new(), copies: 1 };
        let mut own = Own::default();
        for section in self.root.children_named("worldbody") {
            section.visit();
            if let Some(inertial) = section.child("inertial") {
                return Err(inertial.error(ErrorKind::Structure, "the world cannot have inertia"));
            }
            self.gather(section, &place, false, &mut own)?;
        }
        for child in own.children {
            self.read_body(child)?;
        }
        self.check_moving_masses()?;
        self.check_planes()?;
        self.scale_total_mass();
        Ok(())
    }

    /// Reads a body and then its children; recursion is bounded by the nesting limit of the file.
    fn read_body(&mut self, child: Child<'a>) -> Result<()> {
        let Child { element: e, place: outer } = child;
        e.visit();
        let index = self.model.bodies.len();
        if index >= self.limits.bodies {
            return Err(
                e.error(ErrorKind::Limit, format!("the model has more than {} bodies", self.limits.bodies))
            );
        }
        let class = self.defaults.class_named(e, "childclass")?.unwrap_or(outer.class);
        let mocap = e.bool("mocap")?.unwrap_or(false);
        let local = Pose::new(
            e.vec3("pos")?.unwrap_or(DVec3::ZERO),
            self.compiler.orientation(e)?.unwrap_or(DQuat::IDENTITY),
        );
        let first_joint = self.model.joints.len();
        let (first_geom, first_site) = (self.model.geoms.len(), self.model.sites.len());
        let first_camera = self.model.cameras.len();
        self.model.bodies.push(Body {
            name: self.bodies.claim(e, &outer.suffix, Target::Kept(index), self.limits)?,
            parent: outer.body,
            pose: outer.frame.compose(local),
            inertial: Inertial::ZERO,
            joints: first_joint..first_joint,
            gravity_compensation: e.f64("gravcomp")?.unwrap_or(0.0),
            mocap,
        });
        self.body_elements.push(e);
        let explicit = self.read_inertial(e)?;
        let weighs = explicit.is_none() || self.compiler.inertia_from_geom == InertiaFromGeom::Yes;
        let place = Place { body: index, frame: Pose::IDENTITY, class, ..outer };
        let mut own = Own::default();
        self.gather(e, &place, weighs, &mut own)?;
        self.model.bodies[index].joints = first_joint..self.model.joints.len();
        self.check_joints(e, index)?;
        let inertial = self.weigh(e, explicit, &own.geoms, local)?;
        self.model.bodies[index].inertial = inertial;
        if own.align_free && own.children.is_empty() && self.model.bodies[index].joints.len() == 1 {
            self.align_to_inertia(
                index,
                first_geom..self.model.geoms.len(),
                first_site..self.model.sites.len(),
                first_camera..self.model.cameras.len(),
            );
        }
        own.children.into_iter().try_for_each(|child| self.read_body(child))
    }

    /// Reads the elements of a body, through frames and replicas; child bodies are put off.
    fn gather(&mut self, e: &'a Element, place: &Place<'a>, weighs: bool, own: &mut Own<'a>) -> Result<()> {
        let scope = Scope { body: place.body, frame: place.frame, class: place.class, suffix: &place.suffix };
        for child in &e.children {
            match child.name.as_str() {
                "body" => own.children.push(Child { element: child, place: place.clone() }),
                "geom" => own.geoms.extend(self.read_geom(child, scope, weighs)?),
                "site" => self.read_site(child, scope)?,
                "camera" => self.read_camera(child, scope)?,
                "light" => self.read_light(child, scope)?,
                "joint" | "freejoint" => {
                    self.read_joint(child, place.body, place.frame, place.class, &place.suffix)?;
                    own.align_free |= self.wants_alignment(child)?;
                }
                "frame" => self.gather_frame(child, place, weighs, own)?,
                "replicate" => self.gather_replicas(child, place, weighs, own)?,
                "composite" => return Err(unsupported(child, "`composite`")),
                "flexcomp" => return Err(unsupported(child, "`flexcomp`")),
                "attach" => return Err(unsupported(child, "`attach`")),
                "plugin" => return Err(unsupported(child, "a plugin")),
                // `inertial` is read with the body.
                _ => {}
            }
        }
        Ok(())
    }

    fn gather_frame(
        &mut self,
        e: &'a Element,
        place: &Place<'a>,
        weighs: bool,
        own: &mut Own<'a>,
    ) -> Result<()> {
        e.visit();
        e.get("name");
        let local = Pose::new(
            e.vec3("pos")?.unwrap_or(DVec3::ZERO),
            self.compiler.orientation(e)?.unwrap_or(DQuat::IDENTITY),
        );
        let class = self.defaults.class_named(e, "childclass")?.unwrap_or(place.class);
        let inner = Place { frame: place.frame.compose(local), class, ..place.clone() };
        self.gather(e, &inner, weighs, own)
    }

    fn gather_replicas(
        &mut self,
        e: &'a Element,
        place: &Place<'a>,
        weighs: bool,
        own: &mut Own<'a>,
    ) -> Result<()> {
        e.visit();
        let count = e.require("count")?;
        let copies = count.value.trim().parse::<usize>().map_err(|_| {
            count.bad("is not a whole number").allowed(format!("0 to {}", self.limits.replicate))
        })?;
        let product =
            place.copies.checked_mul(copies).filter(|n| *n <= self.limits.replicate).ok_or_else(|| {
                let message = format!("{copies} copies within {} of them", place.copies);
                count
                    .error(ErrorKind::Limit, message)
                    .allowed(format!("at most {} together", self.limits.replicate))
            })?;
        let offset = e.vec3("offset")?.unwrap_or(DVec3::ZERO);
        let euler = e.vec3("euler")?.unwrap_or(DVec3::ZERO);
        let separator = e.str("sep").unwrap_or_default().to_owned();
        let class = self.defaults.class_named(e, "childclass")?.unwrap_or(place.class);
        let digits = copies.to_string().len();
        let mut position = DVec3::ZERO;
        for i in 0..copies {
            let rotation = self.compiler.euler(euler * i as f64);
            let inner = Place {
                body: place.body,
                frame: place.frame.compose(Pose::new(position, rotation)),
                class,
                suffix: format!("{separator}{i:0digits$}{}", place.suffix),
                copies: product,
            };
            self.gather(e, &inner, weighs, own)?;
            position += rotation * offset;
        }
        Ok(())
    }

    fn wants_alignment(&self, e: &Element) -> Result<bool> {
        if e.name != "freejoint" {
            return Ok(self.compiler.align_free && e.str("type") == Some("free"));
        }
        Ok(match e.keyword("align", &["false", "true", "auto"])? {
            Some(0) => false,
            Some(1) => true,
            _ => self.compiler.align_free,
        })
    }

    /// Moves a free body's frame to its centre of mass and principal axes.
    fn align_to_inertia(
        &mut self,
        body: usize,
        geoms: Range<usize>,
        sites: Range<usize>,
        cameras: Range<usize>,
    ) {
        let b = &mut self.model.bodies[body];
        let inverse = b.inertial.pose.inverse();
        b.pose = b.pose.compose(b.inertial.pose);
        b.inertial.pose = Pose::IDENTITY;
        self.model.geoms[geoms].iter_mut().for_each(|g| g.pose = inverse.compose(g.pose));
        self.model.sites[sites].iter_mut().for_each(|s| s.pose = inverse.compose(s.pose));
        self.model.cameras[cameras].iter_mut().for_each(|c| c.pose = inverse.compose(c.pose));
        for lamp in self.model.file_light.lamps.iter_mut().filter(|lamp| lamp.body == body) {
            lamp.position = inverse.transform_point(lamp.position);
            lamp.direction = inverse.rotation * lamp.direction;
        }
    }

    fn read_inertial(&mut self, body: &'a Element) -> Result<Option<Inertial>> {
        let mut found = body.children_named("inertial");
        let Some(e) = found.next() else { return Ok(None) };
        if let Some(second) = found.next() {
            return Err(second.error(ErrorKind::Structure, "a body has one `<inertial>`"));
        }
        e.visit();
        let [mass] = e.require("mass")?.f64s(1, 1).map(|m| [m[0]])?;
        let value = |at: &str, message: String| e.error_at(at, ErrorKind::Value, message);
        if mass < 0.0 {
            return Err(value("mass", format!("the mass is {mass}")).allowed("0 or more"));
        }
        let position = e.vec3("pos")?.unwrap_or(DVec3::ZERO);
        let rotation = self.compiler.orientation(e)?;
        let (moments, rotation) = match (e.vec3("diaginertia")?, e.array::<6>("fullinertia")?) {
            (Some(_), Some(_)) => {
                let message = "both `diaginertia` and `fullinertia`";
                return Err(e.error_at("fullinertia", ErrorKind::Structure, message).allowed("one of them"));
            }
            (None, Some(_)) if rotation.is_some() => {
                let message = "both `fullinertia` and an orientation";
                return Err(e.error_at("fullinertia", ErrorKind::Structure, message).allowed("one of them"));
            }
            (None, Some([xx, yy, zz, xy, xz, yz])) => {
                principal_axes(DMat3::from_cols_array(&[xx, xy, xz, xy, yy, yz, xz, yz, zz]))
            }
            (moments, None) => (moments.unwrap_or(DVec3::ZERO), rotation.unwrap_or(DQuat::IDENTITY)),
        };
        if moments.min_element() < 0.0 {
            let at = if e.has("fullinertia") { "fullinertia" } else { "diaginertia" };
            let message = format!("a principal moment of inertia is {}", moments.min_element());
            return Err(value(at, message).allowed("0 or more"));
        }
        Ok(Some(Inertial { mass, pose: Pose::new(position, rotation), moments }))
    }

    fn weigh(
        &self,
        body: &Element,
        explicit: Option<Inertial>,
        geoms: &[GeomMass],
        local: Pose,
    ) -> Result<Inertial> {
        let compiler = &self.compiler;
        let [low, high] = compiler.inertia_group_range;
        let heavy = geoms.iter().filter(|g| (low..=high).contains(&g.group) && g.inertial.mass > EPSILON);
        let parts: Vec<Inertial> = heavy.map(|g| g.inertial).collect();
        let from_geoms = || if parts.is_empty() { None } else { Some(combine(&parts)) };
        let chosen = match compiler.inertia_from_geom {
            InertiaFromGeom::Yes => from_geoms().or(explicit),
            InertiaFromGeom::Auto => explicit.or_else(from_geoms),
            InertiaFromGeom::No => explicit,
        };
        // MuJoCo places the mass that `boundmass` gives to an empty body as far from it as the body from its parent.
        let mut inertial = chosen.unwrap_or(Inertial { pose: local, ..Inertial::ZERO });
        inertial.mass = inertial.mass.max(compiler.bound_mass);
        inertial.moments = inertial.moments.max(DVec3::splat(compiler.bound_inertia));
        if inertial.mass == 0.0 && inertial.moments == DVec3::ZERO {
            return Ok(Inertial::ZERO);
        }
        if !is_possible(inertial.moments) {
            if !compiler.balance_inertia {
                let at = body.child("inertial").unwrap_or(body);
                let DVec3 { x, y, z } = inertial.moments;
                let message = format!("no body has the principal moments of inertia {x}, {y}, {z}");
                return Err(at.error(ErrorKind::Value, message).allowed(
                    "each is at most the sum of the others; `balanceinertia` in `<compiler>` evens them out",
                ));
            }
            inertial.moments = DVec3::splat(inertial.moments.element_sum() / 3.0);
        }
        Ok(inertial)
    }

    fn check_joints(&self, e: &Element, body: usize) -> Result<()> {
        let b = &self.model.bodies[body];
        let joints = &self.model.joints[b.joints.clone()];
        let structure =
            |message: &str| Err(e.error(ErrorKind::Structure, format!("{}: {message}", e.describe())));
        if joints.iter().map(|j| j.kind.num_dofs()).sum::<usize>() > 6 {
            return structure("more than 6 degrees of freedom in one body");
        }
        if joints.iter().any(|j| j.kind == JointKind::Free) && (joints.len() > 1 || b.parent != 0) {
            return structure("a free joint must be the only one of a child of the world");
        }
        let turning = joints.iter().filter(|j| matches!(j.kind, JointKind::Ball | JointKind::Revolute));
        if turning.skip_while(|j| j.kind != JointKind::Ball).count() > 1 {
            return structure("a ball joint followed by another rotation");
        }
        if b.mocap && (!joints.is_empty() || b.parent != 0) {
            return structure("a mocap body must be a child of the world without joints");
        }
        Ok(())
    }

    /// A body with joints needs mass, its own or of what is welded to it.
    fn check_moving_masses(&self) -> Result<()> {
        let bodies = &self.model.bodies;
        let mut moves: Vec<bool> = bodies
            .iter()
            .map(|b| b.inertial.mass >= MIN_MOVING && b.inertial.moments.min_element() >= MIN_MOVING)
            .collect();
        // Children come after their parents, so a backward pass carries masses up through the welds.
        for i in (1..bodies.len()).rev() {
            if bodies[i].joints.is_empty() && moves[i] {
                moves[bodies[i].parent] = true;
            }
        }
        let Some(i) = (1..bodies.len()).find(|&i| !bodies[i].joints.is_empty() && !moves[i]) else {
            return Ok(());
        };
        let e = self.body_elements[i];
        let at = e.child("inertial").unwrap_or(e);
        Err(at
            .error(ErrorKind::Value, format!("{} has joints but no mass or no inertia", e.describe()))
            .allowed("give it an `<inertial>`, or geoms with volume and density"))
    }

    fn check_planes(&self) -> Result<()> {
        let mut movable = vec![false; self.model.bodies.len()];
        for (i, b) in self.model.bodies.iter().enumerate().skip(1) {
            movable[i] = !b.joints.is_empty() || movable[b.parent];
        }
        let plane =
            self.model.geoms.iter().find(|g| movable[g.body] && matches!(g.shape, Shape::Plane { .. }));
        let Some(geom) = plane else { return Ok(()) };
        let e = self.body_elements[geom.body];
        Err(e
            .error(ErrorKind::Structure, format!("{} moves and has a plane", e.describe()))
            .allowed("planes belong to the world and to bodies that do not move"))
    }

    fn scale_total_mass(&mut self) {
        let (wanted, total) = (self.compiler.total_mass, self.model.total_mass());
        if wanted > 0.0 && total > 0.0 {
            for body in &mut self.model.bodies {
                body.inertial.mass *= wanted / total;
                body.inertial.moments *= wanted / total;
            }
        }
    }
}
