//! `<sensor>`.

use glam::DVec3;

use super::Reader;
use super::names::{Names, Target};
use super::option::unsupported;
use crate::error::Result;
use crate::import::xml::Element;
use crate::robot::{FrameRef, JointKind, Sensor, SensorKind};

/// A sensor of the model, or why there is none.
type Lowered<T> = Result<std::result::Result<T, String>>;

impl<'a> Reader<'a> {
    pub(super) fn read_sensors(&mut self) -> Result<()> {
        for e in self.items("sensor") {
            if e.name == "plugin" {
                return Err(unsupported(e, "a sensor made by a plugin"));
            }
            e.visit();
            match self.read_sensor(e)? {
                Ok(kind) => {
                    let index = self.model.sensors.len();
                    self.model.sensors.push(Sensor {
                        name: self.sensors.claim(e, "", Target::Kept(index), self.limits)?,
                        kind,
                        noise: e.f64("noise")?.unwrap_or(0.0),
                        cutoff: e.f64("cutoff")?.unwrap_or(0.0),
                    });
                }
                Err(reason) => {
                    self.check_references(e)?;
                    self.sensors.claim(e, "", Target::Dropped, self.limits)?;
                    e.visit_all();
                    self.report.dropped_as(e, format!("sensor {}", e.describe()), reason);
                }
            }
        }
        Ok(())
    }

    fn read_sensor(&self, e: &Element) -> Lowered<SensorKind> {
        let joint = || self.scalar_joint(e);
        let tendon = || named(e, "tendon", &self.tendons);
        let site = || named(e, "site", &self.sites);
        Ok(match e.name.as_str() {
            "jointpos" => joint()?.map(SensorKind::JointPosition),
            "jointvel" => joint()?.map(SensorKind::JointVelocity),
            "tendonpos" => tendon()?.map(SensorKind::TendonPosition),
            "tendonvel" => tendon()?.map(SensorKind::TendonVelocity),
            "actuatorfrc" => named(e, "actuator", &self.actuators)?.map(SensorKind::ActuatorForce),
            "jointactuatorfrc" => joint()?.map(SensorKind::JointActuatorForce),
            "rangefinder" => self.rangefinder(e)?,
            "touch" => site()?.map(SensorKind::Touch),
            "accelerometer" => site()?.map(SensorKind::Accelerometer),
            "velocimeter" => site()?.map(SensorKind::Velocimeter),
            "gyro" => site()?.map(SensorKind::Gyro),
            "framepos" => self.frames(e)?.map(|(of, r)| SensorKind::FramePosition(of, r)),
            "framequat" => self.frames(e)?.map(|(of, r)| SensorKind::FrameOrientation(of, r)),
            "framexaxis" => self.frames(e)?.map(|(of, r)| SensorKind::FrameAxis(of, 0, r)),
            "frameyaxis" => self.frames(e)?.map(|(of, r)| SensorKind::FrameAxis(of, 1, r)),
            "framezaxis" => self.frames(e)?.map(|(of, r)| SensorKind::FrameAxis(of, 2, r)),
            "framelinvel" => self.frames(e)?.map(|(of, r)| SensorKind::FrameLinearVelocity(of, r)),
            "frameangvel" => self.frames(e)?.map(|(of, r)| SensorKind::FrameAngularVelocity(of, r)),
            other => Err(format!("`{other}` sensors are not supported")),
        })
    }

    /// A ray along the z axis of a site. Other than the distance a rangefinder may give what keiko has no sensor for.
    fn rangefinder(&self, e: &Element) -> Lowered<SensorKind> {
        if e.has("camera") {
            return Ok(Err("a rangefinder for each pixel of a camera is not supported".to_owned()));
        }
        if let Some(data) = e.get("data").filter(|data| data.value.split_whitespace().ne(["dist"])) {
            return Ok(Err(format!(
                "the data `{}` of a rangefinder is not supported, `dist` is",
                data.value
            )));
        }
        let ray = |site| SensorKind::RayDistance { frame: FrameRef::Site(site), axis: DVec3::Z, reach: None };
        Ok(named(e, "site", &self.sites)?.map(ray))
    }

    /// What a sensor that is left out refers to must exist all the same.
    fn check_references(&self, e: &Element) -> Result<()> {
        for (attribute, names) in [
            ("site", &self.sites),
            ("joint", &self.joints),
            ("tendon", &self.tendons),
            ("actuator", &self.actuators),
            ("body", &self.bodies),
            ("body1", &self.bodies),
            ("body2", &self.bodies),
            ("subtree1", &self.bodies),
            ("subtree2", &self.bodies),
            ("geom", &self.geoms),
            ("geom1", &self.geoms),
            ("geom2", &self.geoms),
        ] {
            e.get(attribute).map(|a| names.find(a)).transpose()?;
        }
        Ok(())
    }

    fn scalar_joint(&self, e: &Element) -> Lowered<usize> {
        Ok(named(e, "joint", &self.joints)?.and_then(|joint| {
            let scalar = matches!(self.model.joints[joint].kind, JointKind::Revolute | JointKind::Prismatic);
            if scalar { Ok(joint) } else { Err("its joint has no scalar position".to_owned()) }
        }))
    }

    /// The frame that is measured and the one that it is measured in.
    fn frames(&self, e: &Element) -> Lowered<(FrameRef, Option<FrameRef>)> {
        e.require("objtype")?;
        let of = self.frame(e, "objtype", "objname")?;
        if !e.has("reftype") && !e.has("refname") {
            return Ok(of.map(|of| (of, None)));
        }
        e.require("reftype")?;
        let reference = self.frame(e, "reftype", "refname")?;
        Ok(of.and_then(|of| Ok((of, Some(reference?)))))
    }

    fn frame(&self, e: &Element, kind: &str, name: &str) -> Lowered<FrameRef> {
        const KINDS: [&str; 5] = ["body", "xbody", "geom", "site", "camera"];
        e.require(name)?;
        Ok(match e.keyword(kind, &KINDS)?.map(|i| KINDS[i]) {
            Some("body") => named(e, name, &self.bodies)?.map(FrameRef::BodyCom),
            Some("xbody") => named(e, name, &self.bodies)?.map(FrameRef::Body),
            Some("geom") => named(e, name, &self.geoms)?.map(FrameRef::Geom),
            Some("site") => named(e, name, &self.sites)?.map(FrameRef::Site),
            _ => Err("frames of cameras are not supported".to_owned()),
        })
    }
}

fn named(e: &Element, attribute: &str, names: &Names) -> Lowered<usize> {
    let attribute = e.require(attribute)?;
    Ok(match names.find(attribute)? {
        Target::Kept(index) => Ok(index),
        Target::Dropped => Err(format!("`{}`, which it measures, was left out", attribute.value)),
    })
}
