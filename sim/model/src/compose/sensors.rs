//! Sensors that the robot file does not have and observation terms read.

use std::collections::BTreeMap;

use glam::DVec3;

use crate::TaskSpec;
use crate::error::{ErrorKind, Result};
use crate::robot::{ContactSide, FrameRef, HeightScan, JointKind, RobotModel, Sensor, SensorKind};
use crate::task::{Observation, matches_pattern};

/// Appends the sensors that the observation terms of a task need, and tells which each reads, by its dotted path. Terms
/// that want the same share a sensor.
pub(super) fn append(
    model: &mut RobotModel,
    spec: &TaskSpec,
    base: usize,
    num_robot_joints: usize,
) -> Result<BTreeMap<String, Vec<usize>>> {
    let mut of_terms = BTreeMap::new();
    for (group, terms) in spec.observe.iter() {
        for (name, entry) in terms.iter() {
            let path = format!("observe.{group}.{name}");
            let find = Find { model, spec, path: &path };
            let Some(kinds) = find.kinds(&entry.term, base, num_robot_joints)? else { continue };
            let sensors = kinds.into_iter().map(|kind| sensor(model, &path, kind)).collect();
            of_terms.insert(path, sensors);
        }
    }
    Ok(of_terms)
}

/// The sensor of a kind, which is made if there is none.
fn sensor(model: &mut RobotModel, path: &str, kind: SensorKind) -> usize {
    let same = |sensor: &Sensor| sensor.kind == kind && sensor.cutoff == 0.0;
    if let Some(index) = model.sensors.iter().position(same) {
        return index;
    }
    let mut name = path.to_owned();
    while model.sensors.iter().any(|sensor| sensor.name == name) {
        name.push('+');
    }
    model.sensors.push(Sensor { name, kind, noise: 0.0, cutoff: 0.0 });
    model.sensors.len() - 1
}

/// Looks up the names of one term.
struct Find<'a> {
    model: &'a RobotModel,
    spec: &'a TaskSpec,
    path: &'a str,
}

impl Find<'_> {
    /// The kinds of the sensors that a term reads; `None` if it reads none of its own.
    fn kinds(
        &self,
        term: &Observation,
        base: usize,
        num_robot_joints: usize,
    ) -> Result<Option<Vec<SensorKind>>> {
        Ok(Some(match term {
            Observation::JointTorque { joints } => {
                let candidates: Vec<(usize, &str)> = self.model.joints[..num_robot_joints]
                    .iter()
                    .enumerate()
                    .filter(|(_, joint)| matches!(joint.kind, JointKind::Revolute | JointKind::Prismatic))
                    .map(|(index, joint)| (index, joint.name.as_str()))
                    .collect();
                let chosen = self.matching(&candidates, joints, "joint", "joints")?;
                chosen.into_iter().map(SensorKind::JointForce).collect()
            }
            Observation::ContactWrench { on, with, frame } => {
                let on_side = self.side(on, "on")?;
                let with = with.as_deref().map(|name| self.side(name, "with")).transpose()?;
                let frame = match frame.as_deref() {
                    Some("world") => None,
                    Some(name) => Some(self.frame(name, "frame")?),
                    None => Some(FrameRef::Body(match on_side {
                        ContactSide::Body(body) => body,
                        ContactSide::Geom(geom) => self.model.geoms[geom].body,
                    })),
                };
                vec![SensorKind::ContactWrench { on: on_side, with, frame }]
            }
            Observation::HeightScan { body, counts, spacing, offset, above, reach } => {
                let body = match body.as_deref() {
                    Some(name) => self.body(name, "body")?,
                    None => base,
                };
                let counts = counts.map(|count| count as usize);
                vec![SensorKind::HeightScan(HeightScan {
                    body,
                    counts,
                    spacing: *spacing,
                    offset: *offset,
                    above: *above,
                    reach: *reach,
                })]
            }
            Observation::RayDistance { frames, axis, reach } => {
                let direction = DVec3::from(*axis);
                if direction.length() < 1e-9 {
                    let path = format!("{}.axis", self.path);
                    return Err(self.spec.source.error(ErrorKind::Value, &path, "the axis has no length"));
                }
                let ray = |frame| SensorKind::RayDistance {
                    frame,
                    axis: direction.normalize(),
                    reach: Some(*reach),
                };
                self.frames(frames)?.into_iter().map(ray).collect()
            }
            _ => return Ok(None),
        }))
    }

    fn unknown<'b>(
        &self,
        key: &str,
        what: &str,
        name: &str,
        names: impl Iterator<Item = &'b str>,
    ) -> crate::Error {
        self.spec.source.unknown(&format!("{}.{key}", self.path), what, name, names)
    }

    fn body(&self, name: &str, key: &str) -> Result<usize> {
        let names = || self.model.bodies.iter().skip(1).map(|body| body.name.as_str());
        let index = names().position(|known| known == name);
        index.map(|index| index + 1).ok_or_else(|| self.unknown(key, "body", name, names()))
    }

    fn side(&self, name: &str, key: &str) -> Result<ContactSide> {
        if let Ok(body) = self.body(name, key) {
            return Ok(ContactSide::Body(body));
        }
        let geoms = || self.model.geoms.iter().map(|geom| geom.name.as_str());
        if let Some(geom) = geoms().position(|known| known == name) {
            return Ok(ContactSide::Geom(geom));
        }
        let bodies = self.model.bodies.iter().skip(1).map(|body| body.name.as_str());
        Err(self.unknown(key, "body or geom", name, bodies.chain(geoms())))
    }

    fn frame(&self, name: &str, key: &str) -> Result<FrameRef> {
        let sites = || self.model.sites.iter().map(|site| site.name.as_str());
        if let Some(site) = sites().position(|known| known == name) {
            return Ok(FrameRef::Site(site));
        }
        let bodies = self.model.bodies.iter().skip(1).map(|body| body.name.as_str());
        self.body(name, key)
            .map(FrameRef::Body)
            .map_err(|_| self.unknown(key, "site or body", name, sites().chain(bodies)))
    }

    /// Sites, or without any match bodies, that match each pattern.
    fn frames(&self, patterns: &[String]) -> Result<Vec<FrameRef>> {
        let sites = || self.model.sites.iter().map(|site| site.name.as_str()).enumerate();
        let bodies = || self.model.bodies.iter().map(|body| body.name.as_str()).enumerate().skip(1);
        let mut out = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let matches = |(_, name): &(usize, &str)| matches_pattern(pattern, name);
            let mut found: Vec<FrameRef> = sites().filter(matches).map(|(k, _)| FrameRef::Site(k)).collect();
            if found.is_empty() {
                found = bodies().filter(matches).map(|(k, _)| FrameRef::Body(k)).collect();
            }
            if found.is_empty() {
                let names = sites().chain(bodies()).map(|(_, name)| name);
                return Err(self.unknown(&format!("frames.{index}"), "site or body", pattern, names));
            }
            out.extend(found);
        }
        Ok(out)
    }

    fn matching(
        &self,
        candidates: &[(usize, &str)],
        patterns: &[String],
        what: &str,
        key: &str,
    ) -> Result<Vec<usize>> {
        for (index, pattern) in patterns.iter().enumerate() {
            let found = candidates.iter().any(|(_, name)| matches_pattern(pattern, name));
            // `*` may match nothing: a robot without that kind of thing.
            if pattern != "*" && !found {
                let names = candidates.iter().map(|(_, name)| *name);
                return Err(self.unknown(&format!("{key}.{index}"), what, pattern, names));
            }
        }
        let matching = |name: &str| patterns.iter().any(|pattern| matches_pattern(pattern, name));
        Ok(candidates.iter().filter(|(_, name)| matching(name)).map(|(index, _)| *index).collect())
    }
}
