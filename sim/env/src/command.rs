//! Commands: what the policy is to follow.

use glam::DVec3;
use keiko_model::Result;
use keiko_model::compose::Scene;
use keiko_model::error::ErrorKind;
use keiko_model::kinematics::forward_kinematics;
use keiko_model::task::Command;

use crate::action::chain_joints;
use crate::bind::{Binder, ScalarJoint};
use crate::draw::{Draw, Purpose, Who};
use crate::language::Named;

/// Draws of joint angles before the default pose's point is taken.
const MAX_TRIES: usize = 64;

/// A command with its names resolved.
pub(crate) struct BoundCommand {
    source: SourceOf,
    /// Control steps after which a new one is drawn; 0 is never.
    pub period: u32,
}

enum SourceOf {
    Velocity { ranges: [[f64; 2]; 3], standing: f64 },
    Box { low: DVec3, high: DVec3 },
    Shell { center: DVec3, radius: [f64; 2], min_height: f64 },
    Reachable(Box<Reachable>),
    NamedObject { offset: DVec3 },
    NamedTarget { offset: DVec3 },
}

/// Draws points that the end effector can take.
struct Reachable {
    scene: Scene,
    joints: Vec<(ScalarJoint, [f64; 2])>,
    chain: Vec<usize>,
    floor: Vec<f64>,
    min_height: f64,
    min_radius: f64,
}

impl BoundCommand {
    pub fn bind(binder: &Binder<'_>, name: &str, command: &Command, control_dt: f64) -> Result<Self> {
        let at = |key: &str| format!("command.{name}.{key}");
        let mut period = 0;
        let source = match command {
            Command::Velocity { x, y, yaw, standing, resample_seconds } => {
                if let Some(seconds) = resample_seconds {
                    period = ((seconds / control_dt).round() as u32).max(1);
                }
                let ranges = [
                    binder.ordered(*x, &at("x"))?,
                    binder.ordered(*y, &at("y"))?,
                    binder.ordered(*yaw, &at("yaw"))?,
                ];
                SourceOf::Velocity { ranges, standing: *standing }
            }
            Command::PointInBox { low, high } => {
                let (low, high) = (DVec3::from(*low), DVec3::from(*high));
                if low.cmpgt(high).any() {
                    return Err(binder.error(
                        ErrorKind::Value,
                        &at("low"),
                        "a coordinate of `low` is over that of `high`",
                    ));
                }
                SourceOf::Box { low, high }
            }
            Command::PointInShell { center, radius, min_height } => {
                let radius = binder.ordered(*radius, &at("radius"))?;
                if radius[0] < 0.0 || center[2] + radius[1] <= *min_height {
                    return Err(binder.error(ErrorKind::Value, &at("radius"), "the shell is empty"));
                }
                SourceOf::Shell { center: DVec3::from(*center), radius, min_height: *min_height }
            }
            Command::ReachablePoint { max_offset, min_height, min_radius } => SourceOf::Reachable(Box::new(
                Reachable::bind(binder, name, *max_offset, *min_height, *min_radius)?,
            )),
            Command::NamedObject { offset } => {
                if binder.spec.language.is_none() {
                    let message = "no instruction names a thing: the scene has no table `[language]`";
                    return Err(binder.error(ErrorKind::Structure, &at("kind"), message));
                }
                SourceOf::NamedObject { offset: DVec3::from(*offset) }
            }
            Command::NamedTarget { offset } => {
                if binder.spec.language.as_ref().is_none_or(|language| language.targets.is_empty()) {
                    let message = "no instruction names a target: the scene has no `[[language.targets]]`";
                    return Err(binder.error(ErrorKind::Structure, &at("kind"), message));
                }
                SourceOf::NamedTarget { offset: DVec3::from(*offset) }
            }
        };
        Ok(Self { source, period })
    }

    /// A new command; `named` is where the thing and the target stand that the episode's instruction names.
    pub fn sample(&self, draw: &mut Draw, named: Named) -> [f32; 3] {
        let value = match &self.source {
            SourceOf::Velocity { ranges, standing } => {
                let stand = draw.unit() < *standing;
                let value = DVec3::from(ranges.map(|range| draw.range(range)));
                if stand { DVec3::ZERO } else { value }
            }
            SourceOf::Box { low, high } => DVec3::from([0, 1, 2].map(|k| draw.range([low[k], high[k]]))),
            SourceOf::Shell { center, radius, min_height } => in_shell(draw, *center, *radius, *min_height),
            SourceOf::Reachable(reachable) => reachable.sample(draw),
            SourceOf::NamedObject { offset } => named.object + *offset,
            SourceOf::NamedTarget { offset } => named.target + *offset,
        };
        value.as_vec3().to_array()
    }
}

/// Uniform in volume; what is too low is drawn again, and at last turned up.
fn in_shell(draw: &mut Draw, center: DVec3, [inner, outer]: [f64; 2], min_height: f64) -> DVec3 {
    let mut point = center;
    for _ in 0..MAX_TRIES {
        let z = draw.range([-1.0, 1.0]);
        let angle = draw.range([0.0, std::f64::consts::TAU]);
        let radius = draw.range([inner.powi(3), outer.powi(3)]).cbrt();
        let across = (1.0 - z * z).max(0.0).sqrt();
        point = center + radius * DVec3::new(across * angle.cos(), across * angle.sin(), z);
        if point.z >= min_height {
            return point;
        }
    }
    point.with_z(min_height)
}

impl Reachable {
    fn bind(
        binder: &Binder<'_>,
        name: &str,
        max_offset: Option<f64>,
        min_height: f64,
        min_radius: f64,
    ) -> Result<Self> {
        let scene = binder.scene;
        let path = format!("command.{name}");
        let joints: Vec<_> = chain_joints(scene)
            .into_iter()
            .filter(|joint| scene.model.joints[*joint].kind.num_dofs() == 1)
            .map(|joint| {
                let joint = binder.scalar_joint(joint);
                let default = f64::from(joint.default);
                let [low, high] =
                    joint.range.map_or([-std::f64::consts::PI, std::f64::consts::PI], |r| r.map(f64::from));
                let offset = max_offset.unwrap_or(f64::INFINITY);
                (joint, [low.max(default - offset).min(high), high.min(default + offset).max(low)])
            })
            .collect();
        if joints.is_empty() {
            return Err(binder.error(ErrorKind::Structure, &path, "no joint moves the end effector"));
        }
        let mut chain = Vec::new();
        let mut body = scene.end_effector.body;
        while body != 0 {
            chain.push(body);
            body = scene.model.bodies[body].parent;
        }
        // A link that is low in the default pose may stay as low.
        let poses = forward_kinematics(&scene.model, &scene.default_qpos);
        let floor = chain.iter().map(|body| min_height.min(poses[*body].position.z) - 1e-6).collect();
        let reachable = Self { scene: scene.clone(), joints, chain, floor, min_height, min_radius };
        let mut draw = Who { seed: 0, env: 0, episode: 0 }.draw(Purpose::Command, 0, 0);
        if (0..16 * MAX_TRIES).all(|_| reachable.attempt(&mut draw).is_none()) {
            let message = format!(
                "no pose near the default puts the end effector over {min_height} m and {min_radius} m from the axis"
            );
            return Err(binder.error(ErrorKind::Value, &path, &message));
        }
        Ok(reachable)
    }

    fn sample(&self, draw: &mut Draw) -> DVec3 {
        (0..MAX_TRIES)
            .find_map(|_| self.attempt(draw))
            .unwrap_or_else(|| self.point(&self.scene.default_qpos).0)
    }

    fn attempt(&self, draw: &mut Draw) -> Option<DVec3> {
        let mut qpos = self.scene.default_qpos.clone();
        for (joint, range) in &self.joints {
            qpos[joint.q] = draw.range(*range);
        }
        let (point, heights) = self.point(&qpos);
        let clear =
            heights.iter().zip(&self.floor).all(|(z, floor)| z >= floor) && point.z >= self.min_height;
        let base = self.scene.model.bodies[self.scene.base].pose.position;
        let away = (point - base).truncate().length() >= self.min_radius;
        (clear && away).then_some(point)
    }

    /// Place of the end effector, and heights of the bodies that carry it.
    fn point(&self, qpos: &[f64]) -> (DVec3, Vec<f64>) {
        let poses = forward_kinematics(&self.scene.model, qpos);
        let frame = self.scene.end_effector;
        (
            poses[frame.body].transform_point(frame.point),
            self.chain.iter().map(|body| poses[*body].position.z).collect(),
        )
    }
}
