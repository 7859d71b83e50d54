//! `<joint>` and `<freejoint>`.

use glam::DVec3;

use super::Reader;
use super::compiler::{Compiler, EPSILON};
use super::names::Target;
use crate::Pose;
use crate::error::{ErrorKind, Result};
use crate::import::xml::Element;
use crate::robot::{Joint, JointKind, Softness};

/// `true`, `false`, or by whether there is a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limited {
    /// Off.
    No,
    /// On.
    Yes,
    /// By the range.
    #[default]
    Auto,
}

impl Limited {
    /// Reads the attribute over the setting so far.
    pub fn apply(&mut self, e: &Element, attribute: &str) -> Result<()> {
        if let Some(choice) = e.keyword(attribute, &["false", "true", "auto"])? {
            *self = [Self::No, Self::Yes, Self::Auto][choice];
        }
        Ok(())
    }

    /// The range if it limits.
    ///
    /// # Errors
    /// If a range is given without saying whether it limits and the file wants that said, or if it is empty.
    pub fn resolve(
        self,
        range: [f64; 2],
        e: &Element,
        names: [&str; 2],
        c: &Compiler,
    ) -> Result<Option<[f64; 2]>> {
        let [limited, attribute] = names;
        let given = range != [0.0, 0.0];
        let on = match self {
            Self::No => false,
            Self::Yes => true,
            Self::Auto if given && !c.auto_limits => {
                let message = format!("{} has `{attribute}` but not `{limited}`", e.describe());
                return Err(e
                    .error_at(attribute, ErrorKind::Structure, message)
                    .allowed(format!("say `{limited}`, or set `autolimits=\"true\"` in `<compiler>`")));
            }
            Self::Auto => given,
        };
        if on && range[0] >= range[1] {
            let message = format!("{}: the range {} to {} is empty", e.describe(), range[0], range[1]);
            return Err(e
                .error_at(attribute, ErrorKind::Value, message)
                .allowed("the first number is the smaller"));
        }
        Ok(on.then_some(range))
    }
}

/// Reads `solref` and `solimp` over the values so far.
pub fn apply_softness(softness: &mut Softness, e: &Element, solref: &str, solimp: &str) -> Result<()> {
    e.overlay(solref, &mut softness.solref)?;
    e.overlay(solimp, &mut softness.solimp)?;
    Ok(())
}

/// The first coefficient of a polynomial attribute, if it is there; the others are reported.
pub fn first_coefficient(reader: &mut Reader<'_>, e: &Element, name: &str, target: &mut f64) -> Result<()> {
    let mut polynomial = [0.0; 3];
    if e.overlay(name, &mut polynomial)? > 0 {
        *target = polynomial[0];
        if polynomial[1..] != [0.0, 0.0] {
            reader.report.approximated(e, name, "only the linear term is kept");
        }
    }
    Ok(())
}

struct JointSpec {
    kind: JointKind,
    pos: DVec3,
    axis: DVec3,
    limited: Limited,
    range: [f64; 2],
    effort_limited: Limited,
    effort_range: [f64; 2],
    reference: f64,
    spring_reference: f64,
    stiffness: f64,
    damping: f64,
    armature: f64,
    friction_loss: f64,
    margin: f64,
    softness: Softness,
    spring_damper: [f64; 2],
}

impl JointSpec {
    fn new() -> Self {
        Self {
            kind: JointKind::Revolute,
            pos: DVec3::ZERO,
            axis: DVec3::Z,
            limited: Limited::Auto,
            range: [0.0; 2],
            effort_limited: Limited::Auto,
            effort_range: [0.0; 2],
            reference: 0.0,
            spring_reference: 0.0,
            stiffness: 0.0,
            damping: 0.0,
            armature: 0.0,
            friction_loss: 0.0,
            margin: 0.0,
            softness: Softness::default(),
            spring_damper: [0.0; 2],
        }
    }

    fn apply(&mut self, e: &Element, reader: &mut Reader<'_>) -> Result<()> {
        if let Some(kind) = e.keyword("type", &["free", "ball", "slide", "hinge"])? {
            self.kind = [JointKind::Free, JointKind::Ball, JointKind::Prismatic, JointKind::Revolute][kind];
        }
        self.pos = e.vec3("pos")?.unwrap_or(self.pos);
        self.axis = e.vec3("axis")?.unwrap_or(self.axis);
        self.limited.apply(e, "limited")?;
        self.range = e.array("range")?.unwrap_or(self.range);
        self.effort_limited.apply(e, "actuatorfrclimited")?;
        self.effort_range = e.array("actuatorfrcrange")?.unwrap_or(self.effort_range);
        for (target, name) in [
            (&mut self.reference, "ref"),
            (&mut self.spring_reference, "springref"),
            (&mut self.armature, "armature"),
            (&mut self.friction_loss, "frictionloss"),
            (&mut self.margin, "margin"),
        ] {
            *target = e.f64(name)?.unwrap_or(*target);
        }
        if let Some(pair) = e.array::<2>("springdamper")? {
            if pair != [0.0; 2] && pair.iter().any(|x| *x <= 0.0) {
                let message = format!("{}: `springdamper` is {} {}", e.describe(), pair[0], pair[1]);
                return Err(e
                    .error_at("springdamper", ErrorKind::Value, message)
                    .allowed("two positive numbers"));
            }
            self.spring_damper = pair;
        }
        first_coefficient(reader, e, "stiffness", &mut self.stiffness)?;
        first_coefficient(reader, e, "damping", &mut self.damping)?;
        for (value, name) in [
            (self.stiffness, "stiffness"),
            (self.damping, "damping"),
            (self.armature, "armature"),
            (self.friction_loss, "frictionloss"),
        ] {
            if value < 0.0 {
                let message = format!("{}: `{name}` is {value}", e.describe());
                return Err(e.error_at(name, ErrorKind::Value, message).allowed("0 or more"));
            }
        }
        apply_softness(&mut self.softness, e, "solreflimit", "solimplimit")
    }
}

impl<'a> Reader<'a> {
    pub(super) fn read_joint(
        &mut self,
        e: &'a Element,
        body: usize,
        frame: Pose,
        class: &str,
        suffix: &str,
    ) -> Result<()> {
        e.visit();
        let mut spec = JointSpec::new();
        if e.name == "freejoint" {
            spec.kind = JointKind::Free;
        } else {
            for source in self.defaults.for_element(e, class, &["joint"])? {
                spec.apply(source, self)?;
            }
            spec.apply(e, self)?;
        }
        if body == 0 {
            return Err(e.error(ErrorKind::Structure, "the world cannot have joints"));
        }
        let angular = matches!(spec.kind, JointKind::Revolute | JointKind::Ball);
        let scalar = matches!(spec.kind, JointKind::Revolute | JointKind::Prismatic);
        let mut range = match spec.kind {
            JointKind::Free => None,
            _ => spec.limited.resolve(spec.range, e, ["limited", "range"], &self.compiler)?,
        };
        if spec.kind == JointKind::Ball && range.is_some_and(|r| r[0] != 0.0) {
            let message = format!("{}: the range of a ball joint starts at {}", e.describe(), spec.range[0]);
            return Err(e.error_at("range", ErrorKind::Value, message).allowed("0 and the largest angle"));
        }
        if angular {
            range = range.map(|r| r.map(|x| self.compiler.radians(x)));
        }
        let names = ["actuatorfrclimited", "actuatorfrcrange"];
        let effort_range = match scalar {
            true => spec.effort_limited.resolve(spec.effort_range, e, names, &self.compiler)?,
            false => None,
        };
        let axis = frame.rotation * spec.axis;
        if scalar && axis.length() < EPSILON {
            let message = format!("{}: the axis has no length", e.describe());
            return Err(e.error_at("axis", ErrorKind::Value, message).allowed("a vector of positive length"));
        }
        let hinge = |x: f64| if spec.kind == JointKind::Revolute { self.compiler.radians(x) } else { x };
        let index = self.model.joints.len();
        if spec.spring_damper[0] > 0.0 {
            self.spring_dampers.push((index, spec.spring_damper));
        }
        self.model.joints.push(Joint {
            name: self.joints.claim(e, suffix, Target::Kept(index), self.limits)?,
            body,
            kind: spec.kind,
            axis: if scalar { axis.normalize() } else { DVec3::Z },
            anchor: if spec.kind == JointKind::Free { DVec3::ZERO } else { frame.transform_point(spec.pos) },
            range,
            reference: if scalar { hinge(spec.reference) } else { 0.0 },
            stiffness: spec.stiffness,
            spring_reference: hinge(spec.spring_reference),
            damping: spec.damping,
            armature: spec.armature,
            friction_loss: spec.friction_loss,
            limit_softness: spec.softness,
            limit_margin: spec.margin,
            effort_range,
            velocity_limit: None,
            mimic: false,
            qpos_index: self.model.joints.last().map_or(0, |j| j.qpos_index + j.kind.num_qpos()),
            dof_index: self.model.joints.last().map_or(0, |j| j.dof_index + j.kind.num_dofs()),
        });
        Ok(())
    }
}
