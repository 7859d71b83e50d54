//! Randomisation: the state and the parameters that an episode starts with, and pushes.

use glam::{DQuat, DVec2, DVec3};
use keiko_model::error::ErrorKind;
use keiko_model::kinematics::forward_kinematics;
use keiko_model::robot::{HeightField, JointKind, Shape};
use keiko_model::task::{ActionTargets, Randomization};
use keiko_model::{Pose, Result};
use keiko_world::{EnvParameters, Field};

use crate::action::chain_joints;
use crate::bind::{Binder, ScalarJoint, dof_rows, qpos_rows, quaternion_row};
use crate::draw::{Draw, MAX_STREAMS, Purpose, Who};
use crate::looks::LooksRandomizer;

/// Draws of a prop's place before all are placed anew, and how often that is done.
const MAX_PLACES: usize = 64;

/// A randomisation term with its names resolved.
enum Bound {
    Mass { bodies: Vec<usize>, factor: [f64; 2] },
    Inertia { bodies: Vec<usize>, factor: [f64; 2] },
    CenterOfMass { bodies: Vec<usize>, ranges: [[f64; 2]; 3] },
    Armature { dofs: Vec<usize>, factor: [f64; 2] },
    Gravity { ranges: [[f64; 2]; 3] },
    Wrench { bodies: Vec<usize>, ranges: [[f64; 2]; 6] },
    Terrain { ranges: [[f64; 2]; 2], ground: Option<Ground> },
    Friction { factor: [f64; 2] },
    Stiffness { actuators: Vec<usize>, factor: [f64; 2] },
    Damping { actuators: Vec<usize>, factor: [f64; 2] },
    Strength { actuators: Vec<usize>, factor: [f64; 2] },
    Delay { steps: [u32; 2] },
    JointPosition { joints: Vec<ScalarJoint>, offset: [f64; 2] },
    JointVelocity { joints: Vec<ScalarJoint>, offset: [f64; 2] },
    Qpos { rows: Vec<usize>, quaternions: Vec<usize>, noise: Noise },
    Qvel { rows: Vec<usize>, noise: Noise },
    BasePose { q: usize, ranges: [[f64; 2]; 4] },
    Place { props: Vec<usize>, ranges: [[f64; 2]; 3], apart: f64 },
    BaseVelocity { v: usize, linear: [f64; 2], angular: [f64; 2] },
}

/// The sum of a uniform and a normal draw.
struct Noise {
    offset: [f64; 2],
    std: f64,
}

impl Noise {
    fn draw(&self, draw: &mut Draw) -> f64 {
        draw.range(self.offset) + self.std * draw.normal()
    }
}

/// Pushes of one term.
pub(crate) struct Push {
    interval: [f64; 2],
    pub kind: PushKind,
    control_dt: f64,
}

/// What a push does.
pub(crate) enum PushKind {
    /// Changes the speed of the base, whose first row in qvel is `v`.
    Speed { v: usize, speed: [f64; 2] },
    /// Pulls at a body for a while.
    Force { body: usize, duration: [f64; 2], force: [f64; 2] },
}

/// The height fields of the world: `world_from_field` and the field.
struct Ground(Vec<(Pose, HeightField)>);

impl Ground {
    /// Height of the highest field at a point of the world \[m\], 0 where there is none.
    fn height_at(&self, x: f64, y: f64) -> f64 {
        let heights = self.0.iter().filter_map(|(pose, field)| {
            let point = pose.inverse().transform_point(DVec3::new(x, y, pose.position.z));
            Some(pose.position.z + field.height_at(point.x, point.y)?)
        });
        heights.reduce(f64::max).unwrap_or(0.0)
    }
}

/// All randomisation of a task.
pub(crate) struct Randomizer {
    terms: Vec<Bound>,
    pub pushes: Vec<Push>,
    pub looks: LooksRandomizer,
    default_qpos: Vec<f64>,
    /// Parameters that change nothing, of one environment.
    identity: EnvParameters,
}

impl Randomizer {
    pub fn bind(binder: &Binder<'_>, control_dt: f64) -> Result<Self> {
        let mut this = Self {
            terms: Vec::new(),
            pushes: Vec::new(),
            looks: LooksRandomizer::new(&binder.scene.model),
            default_qpos: binder.scene.default_qpos.clone(),
            identity: EnvParameters::identity(&binder.scene.model, 1),
        };
        for (name, entry) in binder.spec.randomize.iter() {
            let path = format!("randomize.{name}");
            match &entry.term {
                Randomization::Push { interval, speed } => {
                    let (_, v) = floating_base(binder, &path)?;
                    let speed = binder.ordered(*speed, &format!("{path}.speed"))?;
                    let interval = positive_time(binder, *interval, &format!("{path}.interval"))?;
                    this.pushes.push(Push { interval, kind: PushKind::Speed { v, speed }, control_dt });
                }
                Randomization::ForcePush { body, interval, duration, force } => {
                    let kind = PushKind::Force {
                        body: binder.body(body.as_deref(), &format!("{path}.body"))?,
                        duration: positive_time(binder, *duration, &format!("{path}.duration"))?,
                        force: binder.ordered(*force, &format!("{path}.force"))?,
                    };
                    let interval = positive_time(binder, *interval, &format!("{path}.interval"))?;
                    this.pushes.push(Push { interval, kind, control_dt });
                }
                term if this.looks.bind(binder, term, &path)? => {}
                term => this.terms.push(bind_term(binder, term, &path)?),
            }
        }
        if this.terms.len() > MAX_STREAMS || 2 * this.pushes.len() > MAX_STREAMS {
            return Err(binder
                .error(ErrorKind::Limit, "randomize", "too many terms")
                .allowed("at most 64, and 32 pushes"));
        }
        Ok(this)
    }

    /// Draws the start of an episode into the columns of one environment.
    pub fn start(
        &self,
        who: Who,
        column: usize,
        qpos: &mut Field,
        qvel: &mut Field,
        parameters: &mut EnvParameters,
    ) {
        let mut q = self.default_qpos.clone();
        let mut v = vec![0.0; qvel.num_rows()];
        parameters.set_column(column, &self.identity, 0);
        for (index, term) in self.terms.iter().enumerate() {
            term.apply(&mut who.draw(Purpose::Reset, index, 0), column, &mut q, &mut v, parameters);
        }
        qpos.set_column(column, q.into_iter().map(|x| x as f32));
        qvel.set_column(column, v.into_iter().map(|x| x as f32));
    }
}

impl Push {
    /// Control step of the first push, or of the one after a push at `step`.
    pub fn next(&self, who: Who, index: usize, step: u32) -> u32 {
        let seconds = who.draw(Purpose::Push, 2 * index, step).range(self.interval);
        step.saturating_add(self.steps(seconds))
    }

    fn steps(&self, seconds: f64) -> u32 {
        ((seconds / self.control_dt).round() as u32).max(1)
    }

    /// The push of a control step: along x and y, of speed or force by its kind, and how many control steps it lasts.
    pub fn draw(&self, who: Who, index: usize, step: u32) -> ([f64; 2], u32) {
        let mut draw = who.draw(Purpose::Push, 2 * index + 1, step);
        let (PushKind::Speed { speed: size, .. } | PushKind::Force { force: size, .. }) = self.kind;
        let (size, angle) = (draw.range(size), draw.range([0.0, std::f64::consts::TAU]));
        let steps = match self.kind {
            PushKind::Speed { .. } => 0,
            PushKind::Force { duration, .. } => self.steps(draw.range(duration)),
        };
        ([size * angle.cos(), size * angle.sin()], steps)
    }
}

impl Bound {
    fn apply(
        &self,
        draw: &mut Draw,
        column: usize,
        qpos: &mut [f64],
        qvel: &mut [f64],
        parameters: &mut EnvParameters,
    ) {
        let mut scale = |field: &mut Field, rows: &[usize], factor: [f64; 2]| {
            for row in rows {
                let value = field.get(*row, column) * draw.range(factor) as f32;
                field.set(*row, column, value);
            }
        };
        match self {
            Self::Mass { bodies, factor } => scale(&mut parameters.mass_scale, bodies, *factor),
            Self::Inertia { bodies, factor } => scale(&mut parameters.inertia_scale, bodies, *factor),
            Self::Armature { dofs, factor } => scale(&mut parameters.armature_scale, dofs, *factor),
            Self::CenterOfMass { bodies, ranges } => {
                for body in bodies {
                    shift(&mut parameters.com_offset, 3 * body, column, ranges, draw);
                }
            }
            Self::Gravity { ranges } => shift(&mut parameters.gravity, 0, column, ranges, draw),
            Self::Wrench { bodies, ranges } => {
                for body in bodies {
                    shift(&mut parameters.wrench, 6 * body, column, ranges, draw);
                }
            }
            Self::Terrain { ranges, ground } => {
                let [x, y] = ranges.map(|range| draw.range(range));
                let z = ground.as_ref().map_or(0.0, |ground| ground.height_at(x, y));
                parameters.terrain.set_column(column, [x, y, z].map(|p| -p as f32));
            }
            Self::Friction { factor } => scale(&mut parameters.friction_scale, &[0], *factor),
            Self::Stiffness { actuators, factor } => {
                scale(&mut parameters.stiffness_scale, actuators, *factor)
            }
            Self::Damping { actuators, factor } => scale(&mut parameters.damping_scale, actuators, *factor),
            Self::Strength { actuators, factor } => scale(&mut parameters.strength_scale, actuators, *factor),
            Self::Delay { steps } => {
                let delay = draw.whole(*steps) as f32;
                for row in 0..parameters.delay.num_rows() {
                    parameters.delay.set(row, column, delay);
                }
            }
            Self::JointPosition { joints, offset } => {
                for joint in joints {
                    let q = qpos[joint.q] + draw.range(*offset);
                    let [low, high] =
                        joint.range.map_or([f64::NEG_INFINITY, f64::INFINITY], |r| r.map(f64::from));
                    qpos[joint.q] = q.max(low).min(high);
                }
            }
            Self::JointVelocity { joints, offset } => {
                for joint in joints {
                    qvel[joint.v] += draw.range(*offset);
                }
            }
            Self::Qpos { rows, quaternions, noise } => {
                for row in rows {
                    qpos[*row] += noise.draw(draw);
                }
                for first in quaternions {
                    let quat = &mut qpos[*first..*first + 4];
                    // Noise that leaves no direction leaves no rotation.
                    let length = DQuat::from_slice(quat).length();
                    let unit = if length > 1e-9 { DQuat::from_slice(quat) / length } else { DQuat::IDENTITY };
                    quat.copy_from_slice(&unit.to_array());
                }
            }
            Self::Qvel { rows, noise } => {
                for row in rows {
                    qvel[*row] += noise.draw(draw);
                }
            }
            Self::BasePose { q, ranges } => {
                for k in 0..3 {
                    qpos[q + k] += draw.range(ranges[k]);
                }
                let turn = DQuat::from_axis_angle(DVec3::Z, draw.range(ranges[3]));
                let rotation = turn * DQuat::from_slice(&qpos[q + 3..q + 7]);
                qpos[q + 3..q + 7].copy_from_slice(&rotation.normalize().to_array());
            }
            Self::Place { props, ranges, apart } => {
                place(draw, props, ranges, *apart, qpos);
            }
            Self::BaseVelocity { v, linear, angular } => {
                for (k, range) in [linear, linear, linear, angular, angular, angular].into_iter().enumerate()
                {
                    qvel[v + k] += draw.range(*range);
                }
            }
        }
    }
}

/// Draws where props stand, none too near to another; whether that came about.
fn place(
    draw: &mut Draw,
    props: &[usize],
    [x, y, yaw]: &[[f64; 2]; 3],
    apart: f64,
    qpos: &mut [f64],
) -> bool {
    // Those that are placed may leave no room for the next: then all are placed anew.
    let placed = (0..MAX_PLACES).any(|_| {
        (0..props.len()).all(|at| {
            (0..MAX_PLACES).any(|_| {
                let q = props[at];
                qpos[q] = draw.range(*x);
                qpos[q + 1] = draw.range(*y);
                let here = DVec2::from_slice(&qpos[q..q + 2]);
                props[..at]
                    .iter()
                    .all(|taken| here.distance(DVec2::from_slice(&qpos[*taken..*taken + 2])) >= apart)
            })
        })
    });
    for q in props {
        let rotation = DQuat::from_rotation_z(draw.range(*yaw)) * DQuat::from_slice(&qpos[q + 3..q + 7]);
        qpos[q + 3..q + 7].copy_from_slice(&rotation.normalize().to_array());
    }
    placed
}

fn bind_term(binder: &Binder<'_>, term: &Randomization, path: &str) -> Result<Bound> {
    let at = |key: &str| format!("{path}.{key}");
    let actuators = |patterns: &[String]| binder.actuators(patterns, &at("actuators"));
    let positive = |range: [f64; 2]| {
        let range = binder.ordered(range, &at("factor"))?;
        if range[0] > 0.0 {
            Ok(range)
        } else {
            Err(binder.error(ErrorKind::Value, &at("factor"), "a factor is not over 0"))
        }
    };
    Ok(match term {
        Randomization::Mass { bodies, factor } => {
            Bound::Mass { bodies: binder.bodies(bodies, &at("bodies"))?, factor: positive(*factor)? }
        }
        Randomization::Inertia { bodies, factor } => {
            Bound::Inertia { bodies: binder.bodies(bodies, &at("bodies"))?, factor: positive(*factor)? }
        }
        Randomization::CenterOfMass { bodies, x, y, z } => Bound::CenterOfMass {
            bodies: binder.bodies(bodies, &at("bodies"))?,
            ranges: components(binder, [x, y, z], path)?,
        },
        Randomization::Armature { joints, factor } => Bound::Armature {
            dofs: binder.joints(joints, &at("joints"))?.iter().map(|joint| joint.v).collect(),
            factor: positive(*factor)?,
        },
        Randomization::Gravity { x, y, z } => Bound::Gravity { ranges: components(binder, [x, y, z], path)? },
        Randomization::Wrench { bodies, force, torque } => {
            let force = binder.ordered(*force, &at("force"))?;
            let torque = binder.ordered(*torque, &at("torque"))?;
            Bound::Wrench {
                bodies: binder.bodies(bodies, &at("bodies"))?,
                ranges: [force, force, force, torque, torque, torque],
            }
        }
        Randomization::Terrain { x, y, level } => {
            let fields = ground(binder, path)?;
            Bound::Terrain {
                ranges: [binder.ordered(*x, &at("x"))?, binder.ordered(*y, &at("y"))?],
                ground: level.then_some(fields),
            }
        }
        Randomization::Friction { factor } => Bound::Friction { factor: positive(*factor)? },
        Randomization::Stiffness { actuators: names, factor } => {
            Bound::Stiffness { actuators: actuators(names)?, factor: positive(*factor)? }
        }
        Randomization::Damping { actuators: names, factor } => {
            Bound::Damping { actuators: actuators(names)?, factor: positive(*factor)? }
        }
        Randomization::Strength { actuators: names, factor } => {
            Bound::Strength { actuators: actuators(names)?, factor: positive(*factor)? }
        }
        Randomization::Delay { steps } => {
            binder.ordered(steps.map(f64::from), &at("steps"))?;
            if steps[1] > 100 {
                return Err(binder.error(
                    ErrorKind::Value,
                    &at("steps"),
                    "a delay of over 100 control steps",
                ));
            }
            Bound::Delay { steps: *steps }
        }
        Randomization::JointPosition { joints, targets, offset } => {
            let mut joints = binder.joints(joints, &at("joints"))?;
            if *targets == ActionTargets::Chain {
                let chain = chain_joints(binder.scene);
                joints.retain(|joint| chain.contains(&joint.joint));
            }
            Bound::JointPosition { joints, offset: binder.ordered(*offset, &at("offset"))? }
        }
        Randomization::JointVelocity { joints, offset } => Bound::JointVelocity {
            joints: binder.joints(joints, &at("joints"))?,
            offset: binder.ordered(*offset, &at("offset"))?,
        },
        Randomization::Qpos { joints, offset, std } => {
            let joints = binder.any_joints(joints, &at("joints"))?;
            Bound::Qpos {
                rows: joints.iter().copied().flat_map(qpos_rows).collect(),
                quaternions: joints.iter().copied().filter_map(quaternion_row).collect(),
                noise: Noise { offset: binder.ordered(*offset, &at("offset"))?, std: *std },
            }
        }
        Randomization::Qvel { joints, offset, std } => {
            let joints = binder.any_joints(joints, &at("joints"))?;
            Bound::Qvel {
                rows: joints.into_iter().flat_map(dof_rows).collect(),
                noise: Noise { offset: binder.ordered(*offset, &at("offset"))?, std: *std },
            }
        }
        Randomization::BasePose { x, y, z, yaw } => Bound::BasePose {
            q: floating_base(binder, path)?.0,
            ranges: [
                binder.ordered(*x, &at("x"))?,
                binder.ordered(*y, &at("y"))?,
                binder.ordered(*z, &at("z"))?,
                binder.ordered(*yaw, &at("yaw"))?,
            ],
        },
        Randomization::Place { props, x, y, yaw, apart } => {
            let props = binder.loose_props(props, &at("props"))?;
            let ranges = [
                binder.ordered(*x, &at("x"))?,
                binder.ordered(*y, &at("y"))?,
                binder.ordered(*yaw, &at("yaw"))?,
            ];
            let mut draw = Who { seed: 0, env: 0, episode: 0 }.draw(Purpose::Reset, 0, 0);
            if !place(&mut draw, &props, &ranges, *apart, &mut binder.scene.default_qpos.clone()) {
                let message = format!("there is no room for {} things {apart} m apart", props.len());
                return Err(binder.error(ErrorKind::Value, &at("apart"), &message));
            }
            Bound::Place { props, ranges, apart: *apart }
        }
        Randomization::BaseVelocity { linear, angular } => Bound::BaseVelocity {
            v: floating_base(binder, path)?.1,
            linear: binder.ordered(*linear, &at("linear"))?,
            angular: binder.ordered(*angular, &at("angular"))?,
        },
        Randomization::Push { .. }
        | Randomization::ForcePush { .. }
        | Randomization::CameraPose { .. }
        | Randomization::FocalLength { .. }
        | Randomization::Sun { .. }
        | Randomization::Sky { .. }
        | Randomization::Color { .. }
        | Randomization::Lamp { .. }
        | Randomization::Material { .. }
        | Randomization::Finish { .. }
        | Randomization::Exposure { .. } => unreachable!("pushes and looks are bound apart"),
    })
}

/// First rows of the floating base in qpos and qvel.
fn floating_base(binder: &Binder<'_>, path: &str) -> Result<(usize, usize)> {
    let model = &binder.scene.model;
    let joint = model.bodies[binder.scene.base]
        .joints
        .clone()
        .map(|index| &model.joints[index])
        .find(|joint| joint.kind == JointKind::Free);
    joint
        .map(|joint| (joint.qpos_index, joint.dof_index))
        .ok_or_else(|| binder.error(ErrorKind::Value, path, "the robot's base does not float"))
}

/// Adds a draw to each of some consecutive rows of one environment.
fn shift(field: &mut Field, first: usize, column: usize, ranges: &[[f64; 2]], draw: &mut Draw) {
    for (row, range) in (first..).zip(ranges) {
        field.set(row, column, field.get(row, column) + draw.range(*range) as f32);
    }
}

/// Ranges along x, y and z.
fn components(binder: &Binder<'_>, ranges: [&[f64; 2]; 3], path: &str) -> Result<[[f64; 2]; 3]> {
    let [x, y, z] = ranges;
    Ok([
        binder.ordered(*x, &format!("{path}.x"))?,
        binder.ordered(*y, &format!("{path}.y"))?,
        binder.ordered(*z, &format!("{path}.z"))?,
    ])
}

fn positive_time(binder: &Binder<'_>, range: [f64; 2], path: &str) -> Result<[f64; 2]> {
    let range = binder.ordered(range, path)?;
    match range[0] > 0.0 {
        true => Ok(range),
        false => Err(binder.error(ErrorKind::Value, path, "the time is not over 0")),
    }
}

/// The height fields that are fixed to the world.
fn ground(binder: &Binder<'_>, path: &str) -> Result<Ground> {
    let model = &binder.scene.model;
    let poses = forward_kinematics(model, &model.reference_qpos());
    let fixed = |mut body: usize| {
        while body != 0 && model.bodies[body].joints.is_empty() {
            body = model.bodies[body].parent;
        }
        body == 0
    };
    let mut fields = Vec::new();
    for geom in model.geoms.iter().filter(|geom| fixed(geom.body)) {
        let Shape::HeightField { height_field } = geom.shape else { continue };
        let pose = poses[geom.body].compose(geom.pose);
        if (pose.rotation * DVec3::Z).z < 1.0 - 1e-9 {
            let message = format!("the height field `{}` is tilted", geom.name);
            return Err(binder.error(ErrorKind::Value, path, &message));
        }
        fields.push((pose, model.height_fields[height_field].clone()));
    }
    match fields.is_empty() {
        true => Err(binder.error(ErrorKind::Value, path, "the world has no height field")),
        false => Ok(Ground(fields)),
    }
}
