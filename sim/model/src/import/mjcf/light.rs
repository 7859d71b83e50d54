//! `<light>` and `<headlight>`: lamps that shine where a scene asks for those of its robot file.

use std::f64::consts::PI;

use glam::DVec3;

use super::Reader;
use super::geom::Scope;
use super::names::Target;
use crate::error::Result;
use crate::import::xml::{Attribute, Element};
use crate::kinematics::forward_kinematics;
use crate::light::Lamp;

/// MuJoCo's lights have no end; this one is beyond every scene \[m\].
const NO_END: f64 = 1e6;
/// A cone that ends at once: its inner angle as a part of the outer one.
const HARD_EDGE: f64 = 0.999;
const MODES: [&str; 5] = ["fixed", "track", "trackcom", "targetbody", "targetbodycom"];
const TYPES: [&str; 4] = ["spot", "directional", "point", "image"];

impl<'a> Reader<'a> {
    /// Numbers are taken as linear light; MuJoCo's first renderer adds them up as bytes that are shown.
    pub(super) fn read_light(&mut self, e: &'a Element, scope: Scope<'_>) -> Result<()> {
        e.visit();
        let (mut position, mut direction) = (DVec3::ZERO, DVec3::NEG_Z);
        let (mut diffuse, mut ambient) = (DVec3::splat(0.7), DVec3::ZERO);
        let (mut attenuation, mut cutoff, mut exponent) = ([1.0, 0.0, 0.0], 45.0, 10.0);
        let (mut active, mut shadow, mut kind, mut mode) = (true, true, 0, 0);
        let (mut specular, mut textured) = (false, false);
        for source in self.defaults.for_element(e, scope.class, &["light"])?.into_iter().chain([e]) {
            position = source.vec3("pos")?.unwrap_or(position);
            direction = source.vec3("dir")?.unwrap_or(direction);
            diffuse = source.vec3("diffuse")?.unwrap_or(diffuse);
            ambient = source.vec3("ambient")?.unwrap_or(ambient);
            attenuation = source.array("attenuation")?.unwrap_or(attenuation);
            // In degrees whatever the file's unit of angles.
            cutoff = source.f64("cutoff")?.unwrap_or(cutoff);
            exponent = source.f64("exponent")?.unwrap_or(exponent);
            active = source.bool("active")?.unwrap_or(active);
            shadow = source.bool("castshadow")?.unwrap_or(shadow);
            kind = source.keyword("type", &TYPES)?.unwrap_or(kind);
            kind = source.bool("directional")?.map_or(kind, usize::from);
            mode = source.keyword("mode", &MODES)?.unwrap_or(mode);
            specular |= source.vec3("specular")?.is_some();
            textured |= source.get("texture").is_some();
        }
        let target = e.get("target");
        let dropped = match () {
            () if !active => Some("it is off"),
            () if TYPES[kind] == "image" || textured => Some("lights do not throw pictures"),
            () => None,
        };
        if let Some(reason) = dropped {
            self.lights.claim(e, scope.suffix, Target::Dropped, self.limits)?;
            e.visit_all();
            self.report.dropped_visual(e, "", reason);
            return Ok(());
        }
        if specular {
            self.report.approximated_visual(e, "`specular`", "highlights have the light's own colour");
        }
        match (mode, target) {
            (0, _) => {}
            (3 | 4, Some(target)) => {
                self.aimed_lights.push((self.model.file_light.lamps.len(), target));
                self.report.approximated_visual(e, "`mode`", "it shines at where the body stands at first");
            }
            _ => self.report.approximated_visual(e, "`mode`", "the light turns with its body"),
        }
        let index = self.model.file_light.lamps.len();
        let name = self.lights.claim(e, scope.suffix, Target::Kept(index), self.limits)?;
        let angle = cutoff.to_radians().clamp(1e-3, PI);
        let is_spot = TYPES[kind] == "spot" && cutoff <= 90.0;
        self.model.file_light.ambient += ambient.max(DVec3::ZERO);
        self.model.file_light.lamps.push(Lamp {
            name,
            body: scope.body,
            position: scope.frame.transform_point(position),
            direction: scope.frame.rotation * direction.try_normalize().unwrap_or(DVec3::NEG_Z),
            color: diffuse.max(DVec3::ZERO),
            range: NO_END,
            cone: is_spot.then_some([HARD_EDGE * angle, angle]),
            exponent: if is_spot { exponent.max(0.0) } else { 0.0 },
            attenuation: attenuation.map(|a: f64| a.max(0.0)),
            parallel: TYPES[kind] == "directional",
            shadow,
        });
        Ok(())
    }

    /// Light that MuJoCo adds to that of lamps.
    pub(super) fn read_headlight(&mut self) -> Result<()> {
        let (mut headlight, mut ambient) = (DVec3::splat(0.4), DVec3::splat(0.1));
        for visual in self.root.children_named("visual") {
            let Some(e) = visual.child("headlight") else { continue };
            visual.visit();
            e.visit();
            e.get("specular");
            headlight = e.vec3("diffuse")?.unwrap_or(headlight);
            ambient = e.vec3("ambient")?.unwrap_or(ambient);
            if e.i32("active")? == Some(0) {
                (headlight, ambient) = (DVec3::ZERO, DVec3::ZERO);
            }
        }
        self.model.file_light.headlight = headlight.max(DVec3::ZERO);
        self.model.file_light.ambient += ambient.max(DVec3::ZERO);
        Ok(())
    }

    /// Turns the lights that follow a body towards where it is at the reference pose.
    pub(super) fn aim_lights(&mut self) -> Result<()> {
        if self.aimed_lights.is_empty() {
            return Ok(());
        }
        let poses = forward_kinematics(&self.model, &self.model.reference_qpos());
        for (light, target) in std::mem::take(&mut self.aimed_lights) {
            let Target::Kept(body) = self.bodies.find(target)? else { continue };
            let lamp = &mut self.model.file_light.lamps[light];
            let place = poses[lamp.body];
            let way = poses[body].position - place.transform_point(lamp.position);
            if let Some(way) = way.try_normalize() {
                lamp.direction = place.rotation.conjugate() * way;
            }
        }
        Ok(())
    }
}

/// A light that follows a body: its index, and the attribute that names the body.
pub(super) type AimedLight<'a> = (usize, &'a Attribute);
