//! `<option>` and its flags, and the sections that are refused as a whole.

use super::Reader;
use crate::error::{ErrorKind, Result};
use crate::import::xml::Element;
use crate::robot::Cone;

/// Time steps that are not slips of the keyboard \[s\].
const TIMESTEPS: std::ops::RangeInclusive<f64> = 1e-5..=0.1;

impl Reader<'_> {
    pub(super) fn read_options(&mut self) -> Result<()> {
        for e in self.root.children_named("option") {
            e.visit();
            self.read_option(e)?;
        }
        Ok(())
    }

    fn read_option(&mut self, e: &Element) -> Result<()> {
        let options = &mut self.model.options;
        if let Some(timestep) = e.f64("timestep")? {
            if !TIMESTEPS.contains(&timestep) {
                let message = format!("a time step of {timestep} s");
                return Err(e.error_at("timestep", ErrorKind::Value, message).allowed("0.00001 to 0.1 s"));
            }
            options.timestep = timestep;
        }
        if let Some(gravity) = e.vec3("gravity")? {
            options.gravity = gravity;
        }
        if let Some(impratio) = e.f64("impratio")? {
            if impratio <= 0.0 {
                let message = format!("`impratio` is {impratio}");
                return Err(e.error_at("impratio", ErrorKind::Value, message).allowed("a positive number"));
            }
            options.impratio = impratio;
        }
        if let Some(cone) = e.keyword("cone", &["pyramidal", "elliptic"])? {
            options.cone = [Cone::Pyramidal, Cone::Elliptic][cone];
        }
        // A medium of no density and no viscosity is the one that keiko has.
        for key in ["density", "viscosity"] {
            if let Some(value) = e.f64(key)?.filter(|v| *v != 0.0) {
                self.report.dropped(e, key, format!("{value}: there is no medium; bodies move in a vacuum"));
            }
        }
        if e.vec3("wind")?.is_some_and(|w| w.length() > 0.0) {
            self.report.dropped(e, "wind", "there is no medium; bodies move in a vacuum");
        }
        Ok(())
    }

    /// Flags that can be expressed as a change of the model; the others are left to the report.
    pub(super) fn apply_flags(&mut self) -> Result<()> {
        const STATES: [&str; 2] = ["enable", "disable"];
        for option in self.root.children_named("option") {
            for e in option.children_named("flag") {
                e.visit();
                if e.keyword("gravity", &STATES)? == Some(1) {
                    self.model.options.gravity = glam::DVec3::ZERO;
                }
                if e.keyword("contact", &STATES)? == Some(1) {
                    self.model.geoms.iter_mut().for_each(|g| (g.contype, g.conaffinity) = (0, 0));
                    self.model.contact_pairs.clear();
                }
                if e.keyword("equality", &STATES)? == Some(1) {
                    self.model.equalities.iter_mut().for_each(|x| x.active = false);
                }
                if e.keyword("spring", &STATES)? == Some(1) {
                    self.model.joints.iter_mut().for_each(|j| j.stiffness = 0.0);
                    self.model.tendons.iter_mut().for_each(|t| t.stiffness = 0.0);
                }
                if e.keyword("damper", &STATES)? == Some(1) {
                    self.model.joints.iter_mut().for_each(|j| j.damping = 0.0);
                    self.model.tendons.iter_mut().for_each(|t| t.damping = 0.0);
                }
                if e.keyword("frictionloss", &STATES)? == Some(1) {
                    self.model.joints.iter_mut().for_each(|j| j.friction_loss = 0.0);
                    self.model.tendons.iter_mut().for_each(|t| t.friction_loss = 0.0);
                }
                if e.keyword("limit", &STATES)? == Some(1) {
                    self.model.joints.iter_mut().for_each(|j| j.range = None);
                    self.model.tendons.iter_mut().for_each(|t| t.range = None);
                }
                if e.keyword("clampctrl", &STATES)? == Some(1) {
                    self.model.actuators.iter_mut().for_each(|a| a.ctrl_range = None);
                }
                // What is on unless said otherwise is no loss when it is said.
                for key in ["filterparent", "actuation", "constraint"] {
                    if e.keyword(key, &STATES)? == Some(1) {
                        self.report.dropped(e, key, "cannot be disabled");
                    }
                }
            }
        }
        Ok(())
    }

    /// Refuses what would be a different machine without it.
    pub(super) fn refuse_unsupported(&self) -> Result<()> {
        let flexible = self.items("deformable").into_iter().find(|e| e.name == "flex");
        if let Some(e) = flexible {
            return Err(unsupported(e, "deformable `flex`"));
        }
        if let Some(e) = self.items("extension").first() {
            return Err(unsupported(e, "a plugin"));
        }
        if let Some(e) = self.items("asset").into_iter().find(|e| e.name == "model") {
            return Err(unsupported(e, "`model` assets and `attach`"));
        }
        Ok(())
    }
}

/// The refusal of a feature that keiko does not have and that would change the motion.
pub(super) fn unsupported(e: &Element, feature: &str) -> crate::Error {
    e.error(ErrorKind::Unsupported, format!("{}: {feature} is not supported", e.describe()))
        .allowed("without it the model would move differently, so it is not left out")
}
