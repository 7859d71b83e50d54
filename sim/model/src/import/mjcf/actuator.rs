//! `<actuator>`: every kind is a gain, a bias and a filter; what cannot be said so is left out with a loss.

use std::f64::consts::PI;

use super::Reader;
use super::compiler::Compiler;
use super::defaults::MAIN;
use super::joint::Limited;
use super::names::Target;
use super::option::unsupported;
use crate::error::{ErrorKind, Result};
use crate::import::xml::Element;
use crate::robot::{Actuator, ActuatorKind, JointKind, Transmission};

/// All actuator elements; their defaults are shared, as in MuJoCo.
const KINDS: [&str; 12] = [
    "general",
    "motor",
    "position",
    "velocity",
    "intvelocity",
    "orientation",
    "pid",
    "damper",
    "cylinder",
    "muscle",
    "adhesion",
    "dcmotor",
];

const DYNAMICS: [&str; 8] =
    ["none", "integrator", "filter", "filterexact", "muscle", "pid", "dcmotor", "user"];
const GAINS: [&str; 7] = ["fixed", "affine", "muscle", "so3", "pid", "dcmotor", "user"];
const BIASES: [&str; 6] = ["none", "affine", "muscle", "so3", "dcmotor", "user"];

/// MuJoCo's state of an actuator while defaults and attributes are applied in turn.
#[derive(Clone, Debug)]
struct ActuatorSpec {
    dynamics: &'static str,
    gain: &'static str,
    bias: &'static str,
    dynamics_prm: [f64; 10],
    gain_prm: [f64; 10],
    bias_prm: [f64; 10],
    gear: [f64; 6],
    ctrl_limited: Limited,
    ctrl_range: [f64; 2],
    force_limited: Limited,
    force_range: [f64; 2],
    inherit_range: f64,
}

impl ActuatorSpec {
    fn new() -> Self {
        let one = |n: usize| std::array::from_fn(|i| if i < n { 1.0 } else { 0.0 });
        Self {
            dynamics: "none",
            gain: "fixed",
            bias: "none",
            dynamics_prm: one(1),
            gain_prm: one(1),
            bias_prm: [0.0; 10],
            gear: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            ctrl_limited: Limited::Auto,
            ctrl_range: [0.0; 2],
            force_limited: Limited::Auto,
            force_range: [0.0; 2],
            inherit_range: 0.0,
        }
    }

    fn apply(&mut self, e: &Element) -> Result<()> {
        self.ctrl_limited.apply(e, "ctrllimited")?;
        self.ctrl_range = e.array("ctrlrange")?.unwrap_or(self.ctrl_range);
        self.force_limited.apply(e, "forcelimited")?;
        self.force_range = e.array("forcerange")?.unwrap_or(self.force_range);
        e.overlay("gear", &mut self.gear)?;
        match e.name.as_str() {
            "general" => self.apply_general(e),
            "motor" => {
                self.gain_prm[0] = 1.0;
                self.shape("none", "fixed", "none");
                Ok(())
            }
            "position" | "intvelocity" => self.apply_position(e),
            "velocity" => {
                let kv = e.f64("kv")?.unwrap_or(self.gain_prm[0]);
                self.bias_prm = [0.0; 10];
                self.gain_prm[0] = kv;
                self.bias_prm[2] = -kv;
                self.shape("none", "fixed", "affine");
                Ok(())
            }
            "cylinder" => self.apply_cylinder(e),
            // Kinds that are left out: their own word stays as the mark of it.
            "muscle" => {
                self.shape("muscle", "muscle", "muscle");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn shape(&mut self, dynamics: &'static str, gain: &'static str, bias: &'static str) {
        (self.dynamics, self.gain, self.bias) = (dynamics, gain, bias);
    }

    fn apply_general(&mut self, e: &Element) -> Result<()> {
        if let Some(i) = e.keyword("dyntype", &DYNAMICS)? {
            self.dynamics = DYNAMICS[i];
        }
        if let Some(i) = e.keyword("gaintype", &GAINS)? {
            self.gain = GAINS[i];
        }
        if let Some(i) = e.keyword("biastype", &BIASES)? {
            self.bias = BIASES[i];
        }
        e.overlay("dynprm", &mut self.dynamics_prm)?;
        e.overlay("gainprm", &mut self.gain_prm)?;
        e.overlay("biasprm", &mut self.bias_prm)?;
        Ok(())
    }

    fn apply_position(&mut self, e: &Element) -> Result<()> {
        let kp = e.f64("kp")?.unwrap_or(self.gain_prm[0]);
        self.gain_prm[0] = kp;
        self.bias_prm[1] = -kp;
        let (kv, ratio) = (e.f64("kv")?, e.f64("dampratio")?);
        if kv.is_some() && ratio.is_some() {
            let message = format!("{} has both `kv` and `dampratio`", e.describe());
            return Err(e.error_at("dampratio", ErrorKind::Structure, message).allowed("one of them"));
        }
        let time_constant = e.f64("timeconst")?;
        for (value, name) in [(kv, "kv"), (ratio, "dampratio"), (time_constant, "timeconst")] {
            if let Some(value) = value.filter(|v| *v < 0.0) {
                let message = format!("{}: `{name}` is {value}", e.describe());
                return Err(e.error_at(name, ErrorKind::Value, message).allowed("0 or more"));
            }
        }
        // A positive third bias stands for a ratio until the inertia of the joint is known.
        if let Some(damping) = kv.map(|kv| -kv).or(ratio) {
            self.bias_prm[2] = damping;
        }
        if let Some(time_constant) = time_constant {
            self.dynamics_prm[0] = time_constant;
            self.dynamics = if time_constant == 0.0 { "none" } else { "filterexact" };
        }
        self.inherit_range = e.f64("inheritrange")?.unwrap_or(self.inherit_range);
        (self.gain, self.bias) = ("fixed", "affine");
        if e.name == "intvelocity" {
            self.dynamics = "integrator";
        }
        Ok(())
    }

    fn apply_cylinder(&mut self, e: &Element) -> Result<()> {
        self.dynamics_prm[0] = e.f64("timeconst")?.unwrap_or(self.dynamics_prm[0]);
        e.overlay("bias", &mut self.bias_prm[..3])?;
        self.gain_prm[0] = e.f64("area")?.unwrap_or(self.gain_prm[0]);
        if let Some(diameter) = e.f64("diameter")? {
            self.gain_prm[0] = PI / 4.0 * diameter * diameter;
        }
        self.shape("filter", "fixed", "affine");
        Ok(())
    }

    /// Why the model cannot hold it, if so.
    fn obstacle(&self, kind: &str) -> Option<String> {
        match kind {
            "muscle" => return Some("muscles are not supported".to_owned()),
            "adhesion" => return Some("adhesion is not supported".to_owned()),
            "intvelocity" => return Some("a servo on an integrated velocity is not supported".to_owned()),
            "orientation" | "pid" | "dcmotor" => {
                return Some(format!("`{kind}` actuators are not supported"));
            }
            "damper" => return Some("a damping set by the control is not supported".to_owned()),
            _ => {}
        }
        let affine_gain = self.gain == "affine" && self.gain_prm[1] == 0.0 && self.gain_prm[2] == 0.0;
        if self.gain != "fixed" && !affine_gain {
            return Some(format!("the gain type `{}` is not supported", self.gain));
        }
        if !matches!(self.bias, "none" | "affine") {
            return Some(format!("the bias type `{}` is not supported", self.bias));
        }
        if !matches!(self.dynamics, "none" | "filter" | "filterexact") {
            return Some(format!("the activation dynamics `{}` are not supported", self.dynamics));
        }
        None
    }
}

impl<'a> Reader<'a> {
    pub(super) fn read_actuators(&mut self) -> Result<()> {
        for e in self.items("actuator") {
            if e.name == "plugin" {
                return Err(unsupported(e, "an actuator made by a plugin"));
            }
            e.visit();
            let mut spec = ActuatorSpec::new();
            for source in self.defaults.for_element(e, MAIN, &KINDS)?.into_iter().chain([e]) {
                spec.apply(source)?;
            }
            let transmission = self.read_transmission(e)?;
            // The range over which a muscle shortens has a use only for muscles.
            e.get("lengthrange");
            let lowered = spec.obstacle(&e.name).map_or(transmission, Err);
            match lowered {
                Ok(transmission) => self.push_actuator(e, &spec, transmission)?,
                Err(reason) => {
                    self.actuators.claim(e, "", Target::Dropped, self.limits)?;
                    self.controls.extend(std::iter::repeat_n(None, num_controls(e)));
                    e.visit_all();
                    let element = format!("actuator {}", e.describe());
                    self.report.dropped_as(e, element, reason);
                }
            }
        }
        Ok(())
    }

    /// What it pulls on, or why that is not supported.
    fn read_transmission(&self, e: &Element) -> Result<std::result::Result<Transmission, String>> {
        const WAYS: [&str; 6] = ["joint", "jointinparent", "tendon", "cranksite", "site", "body"];
        let Some(attribute) = WAYS.into_iter().rev().find_map(|way| e.get(way)) else {
            let message = format!("{} pulls on nothing", e.describe());
            return Err(e
                .error(ErrorKind::Structure, message)
                .allowed("a `joint`, `tendon` or `site` is expected"));
        };
        let gone = || Err(format!("`{}`, which it pulls on, is not supported", attribute.value));
        Ok(match attribute.name.as_str() {
            "joint" | "jointinparent" => match self.joints.find(attribute)? {
                Target::Kept(joint) => {
                    let scalar =
                        matches!(self.model.joints[joint].kind, JointKind::Revolute | JointKind::Prismatic);
                    if attribute.name == "joint" || scalar {
                        Ok(Transmission::Joint { joint })
                    } else {
                        Err("a torque in the parent's frame is not supported".to_owned())
                    }
                }
                Target::Dropped => gone(),
            },
            "tendon" => match self.tendons.find(attribute)? {
                Target::Kept(tendon) => Ok(Transmission::Tendon { tendon }),
                Target::Dropped => gone(),
            },
            "site" => {
                let reference = e.get("refsite").map(|a| self.sites.find(a)).transpose()?;
                match (self.sites.find(attribute)?, reference) {
                    (_, Some(_)) => Err("a force relative to a `refsite` is not supported".to_owned()),
                    (Target::Kept(site), None) => Ok(Transmission::Site { site }),
                    (Target::Dropped, None) => gone(),
                }
            }
            "cranksite" => {
                self.sites.find(attribute)?;
                Err("slider-cranks are not supported".to_owned())
            }
            _ => {
                self.bodies.find(attribute)?;
                Err("adhesion is not supported".to_owned())
            }
        })
    }

    fn push_actuator(&mut self, e: &Element, spec: &ActuatorSpec, transmission: Transmission) -> Result<()> {
        let mut spec = spec.clone();
        if spec.inherit_range > 0.0 && spec.gain_prm[0] == -spec.bias_prm[1] {
            let range = match &transmission {
                Transmission::Joint { joint } => self.model.joints[*joint].range,
                Transmission::Tendon { tendon } => self.model.tendons[*tendon].range,
                Transmission::Site { .. } => None,
            };
            let Some([low, high]) = range else {
                let message = format!("{}: its joint or tendon has no range to inherit", e.describe());
                return Err(e.error_at("inheritrange", ErrorKind::Structure, message));
            };
            let (mean, radius) = ((low + high) / 2.0, (high - low) / 2.0 * spec.inherit_range);
            spec.ctrl_range = [mean - radius, mean + radius];
        }
        let compiler: &Compiler = &self.compiler;
        let ctrl_range =
            spec.ctrl_limited.resolve(spec.ctrl_range, e, ["ctrllimited", "ctrlrange"], compiler)?;
        let force_range =
            spec.force_limited.resolve(spec.force_range, e, ["forcelimited", "forcerange"], compiler)?;
        let index = self.model.actuators.len();
        self.controls.push(Some(index));
        self.model.actuators.push(Actuator {
            name: self.actuators.claim(e, "", Target::Kept(index), self.limits)?,
            kind: match e.name.as_str() {
                "motor" => ActuatorKind::Motor,
                "position" => ActuatorKind::Position,
                "velocity" => ActuatorKind::Velocity,
                _ => ActuatorKind::General,
            },
            transmission,
            gear: spec.gear,
            gain: spec.gain_prm[0],
            bias: match spec.bias {
                "affine" => [spec.bias_prm[0], spec.bias_prm[1], spec.bias_prm[2]],
                _ => [0.0; 3],
            },
            ctrl_range,
            force_range,
            time_constant: if spec.dynamics == "none" { 0.0 } else { spec.dynamics_prm[0] },
        });
        Ok(())
    }
}

/// Control inputs that the file counts for an actuator.
fn num_controls(e: &Element) -> usize {
    match e.name.as_str() {
        "orientation" => {
            if e.str("input") == Some("quat") {
                4
            } else {
                3
            }
        }
        "pid" => e.str("input").map_or(2, |inputs| inputs.split_ascii_whitespace().count()),
        _ => 1,
    }
}
