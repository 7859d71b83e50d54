//! Reward terms.

use glam::DVec3;
use keiko_dynamics::lane::Num;
use keiko_dynamics::machine::Machine;
use keiko_dynamics::space::V3;
use keiko_model::Result;
use keiko_model::error::ErrorKind;
use keiko_model::task::{Kernel, Reward};

use super::success::Succeeds;
use super::{
    STANDING_SPEED, TOUCH_FORCE, angular_velocity, constant, distance, flag, frame_position, frame_velocity,
    linear_velocity, projected_gravity, squared_xy, touched,
};
use crate::action::ActionMap;
use crate::bind::{Binder, Body, Frame, ScalarJoint};
use crate::language::Meant;
use crate::rules::Clock;

/// A reward term with its names resolved to rows.
#[derive(Clone, Debug)]
pub(crate) enum Pays {
    Alive,
    Termination,
    Upright(Body),
    ForwardVelocity {
        x: usize,
        limit: Option<f64>,
    },
    MeanVelocity {
        now: usize,
        before: usize,
        axis: [f64; 3],
    },
    TrackLinearVelocity {
        base: Body,
        command: usize,
        sigma: f64,
    },
    TrackAngularVelocity {
        base: Body,
        command: usize,
        sigma: f64,
    },
    VelocityError {
        base: Body,
        command: usize,
    },
    TurningError {
        base: Body,
        command: usize,
    },
    AngularVelocityXy(Body),
    Orientation(Body),
    BaseHeight {
        height: usize,
        target: f64,
    },
    /// Sum of squares of rows.
    Squares(Vec<usize>),
    /// Sum of squares of differences of two rows, each times a factor.
    SquaredChange {
        rows: Vec<(usize, usize)>,
        factor: f64,
    },
    /// Rows of force and speed, and the gear between them.
    Energy(Vec<(usize, usize, f64)>),
    /// Rows of positions, the middle of each range and half its allowed width.
    JointLimits(Vec<(usize, f64, f64)>),
    /// Rows of positions and the default pose.
    PoseDeviation(Vec<(usize, f64)>),
    StandStill {
        command: usize,
        joints: Vec<(usize, f64)>,
    },
    FeetAirTime {
        landed: Vec<usize>,
        threshold: f64,
        command: Option<usize>,
    },
    FeetSlip(Vec<Frame>),
    FeetClearance {
        feet: Vec<Frame>,
        target: f64,
    },
    ContactCost {
        contact_forces: Vec<usize>,
        clip: f64,
    },
    UndesiredContact {
        contact_forces: Vec<usize>,
        threshold: f64,
    },
    ReachDistance {
        point: usize,
        frame: Frame,
    },
    ReachFine {
        point: usize,
        frame: Frame,
        scale: f64,
        kernel: Kernel,
    },
    ObjectDistance {
        object: Meant,
        frame: Frame,
    },
    PlaceDistance {
        object: Meant,
        target: Meant,
    },
    Success(Option<Succeeds>),
}

impl Pays {
    /// Resolves the names of a term; `commands` and `sums` are the first rows of the commands and of the sums of raw
    /// rewards.
    pub fn bind(
        binder: &Binder<'_>,
        term: &Reward,
        path: &str,
        actions: &ActionMap,
        commands: usize,
        sums: usize,
    ) -> Result<Self> {
        let at = |key: &str| format!("{path}.{key}");
        let rows = &binder.rows;
        let base = binder.base();
        let positions = |joints: Vec<ScalarJoint>| -> Vec<(usize, f64)> {
            joints.iter().map(|joint| (rows.qpos + joint.q, f64::from(joint.default))).collect()
        };
        let contact_forces = |bodies: Vec<usize>| -> Vec<usize> {
            bodies.iter().map(|body| binder.body_rows(*body).contact_force).collect()
        };
        let velocity = |name: &str| {
            Ok::<_, keiko_model::Error>(commands + 3 * binder.velocity_command(name, &at("command"))?)
        };
        let point = |name: &str| {
            Ok::<_, keiko_model::Error>(commands + 3 * binder.point_command(name, &at("command"))?)
        };
        let num_actions = actions.names().len();
        Ok(match term {
            Reward::Alive => Self::Alive,
            Reward::Termination => Self::Termination,
            Reward::Upright => Self::Upright(base),
            Reward::ForwardVelocity { limit } => Self::ForwardVelocity { x: base.linear, limit: *limit },
            Reward::MeanVelocity { body, axis } => {
                let now = binder.body_rows(binder.body(body.as_deref(), &at("body"))?).position;
                let axis = DVec3::from(*axis).try_normalize().ok_or_else(|| {
                    binder.error(ErrorKind::Value, &at("axis"), "the direction has no length")
                })?;
                Self::MeanVelocity { now, before: binder.before(now..now + 3), axis: axis.to_array() }
            }
            Reward::TrackLinearVelocity { command, sigma } => {
                Self::TrackLinearVelocity { base, command: velocity(command)?, sigma: *sigma }
            }
            Reward::TrackAngularVelocity { command, sigma } => {
                Self::TrackAngularVelocity { base, command: velocity(command)?, sigma: *sigma }
            }
            Reward::VelocityError { command } => Self::VelocityError { base, command: velocity(command)? },
            Reward::TurningError { command } => Self::TurningError { base, command: velocity(command)? },
            Reward::LinearVelocityZ => Self::Squares(vec![base.linear + 2]),
            Reward::AngularVelocityXy => Self::AngularVelocityXy(base),
            Reward::Orientation => Self::Orientation(base),
            Reward::BaseHeight { target } => Self::BaseHeight { height: base.position + 2, target: *target },
            Reward::Torque { actuators } => {
                let actuators = binder.actuators(actuators, &at("actuators"))?;
                Self::Squares(actuators.iter().map(|actuator| rows.actuator_force + actuator).collect())
            }
            Reward::JointVelocity { joints } => {
                let joints = binder.joints(joints, &at("joints"))?;
                Self::Squares(joints.iter().map(|joint| rows.qvel + joint.v).collect())
            }
            Reward::JointAcceleration { joints } => {
                let joints = binder.joints(joints, &at("joints"))?;
                let speeds = joints.iter().map(|joint| rows.qvel + joint.v);
                Self::SquaredChange {
                    rows: speeds.map(|row| (row, binder.before(row..row + 1))).collect(),
                    factor: 1.0 / control_dt(binder),
                }
            }
            Reward::Action => Self::Squares((actions.action..actions.action + num_actions).collect()),
            Reward::ActionRate => Self::SquaredChange {
                rows: (0..num_actions).map(|k| (actions.action + k, actions.previous + k)).collect(),
                factor: 1.0,
            },
            Reward::Energy => {
                let driven = binder.actuated_joints().into_iter();
                Self::Energy(
                    driven
                        .map(|(actuator, joint, gear)| {
                            (rows.actuator_force + actuator, rows.qvel + joint.v, f64::from(gear))
                        })
                        .collect(),
                )
            }
            Reward::JointLimits { joints, inner } => {
                let joints = binder.joints(joints, &at("joints"))?.into_iter();
                Self::JointLimits(
                    joints
                        .filter_map(|joint| {
                            let [low, high] = joint.range?.map(f64::from);
                            Some((rows.qpos + joint.q, 0.5 * (low + high), 0.5 * (high - low) * inner))
                        })
                        .collect(),
                )
            }
            Reward::PoseDeviation { joints } => {
                Self::PoseDeviation(positions(binder.joints(joints, &at("joints"))?))
            }
            Reward::StandStill { command, joints } => Self::StandStill {
                command: velocity(command)?,
                joints: positions(binder.joints(joints, &at("joints"))?),
            },
            Reward::FeetAirTime { bodies, threshold, command } => {
                let bodies = binder.bodies(bodies, &at("bodies"))?;
                Self::FeetAirTime {
                    landed: bodies.iter().map(|body| binder.air_time(*body).landed).collect(),
                    threshold: *threshold,
                    command: command.as_deref().map(velocity).transpose()?,
                }
            }
            Reward::FeetSlip { feet } => Self::FeetSlip(binder.frames(feet, &at("feet"))?),
            Reward::FeetClearance { feet, target } => {
                Self::FeetClearance { feet: binder.frames(feet, &at("feet"))?, target: *target }
            }
            Reward::ContactCost { bodies, clip } => Self::ContactCost {
                contact_forces: contact_forces(binder.bodies(bodies, &at("bodies"))?),
                clip: *clip,
            },
            Reward::UndesiredContact { bodies, force } => Self::UndesiredContact {
                contact_forces: contact_forces(binder.bodies(bodies, &at("bodies"))?),
                threshold: *force,
            },
            Reward::ReachDistance { command, frame } => Self::ReachDistance {
                point: point(command)?,
                frame: binder.frame(frame.as_deref(), &at("frame"))?,
            },
            Reward::ReachFine { command, frame, scale, kernel } => Self::ReachFine {
                point: point(command)?,
                frame: binder.frame(frame.as_deref(), &at("frame"))?,
                scale: *scale,
                kernel: *kernel,
            },
            Reward::ObjectDistance { frame } => Self::ObjectDistance {
                object: binder.named_object(&at("term"))?,
                frame: binder.frame(frame.as_deref(), &at("frame"))?,
            },
            Reward::PlaceDistance => Self::PlaceDistance {
                object: binder.named_object(&at("term"))?,
                target: binder.named_target(&at("term"))?,
            },
            Reward::Success => Self::Success(Succeeds::bind(binder, commands, sums)?),
        })
    }

    /// Its value, before its weight.
    #[inline(always)]
    pub fn value<M: Machine>(&self, m: &M, clock: &Clock) -> M::Num {
        match self {
            Self::Alive => m.num(1.0) - m.get(clock.terminated),
            Self::Termination => m.get(clock.terminated),
            Self::Upright(base) => -projected_gravity(m, *base).z,
            Self::ForwardVelocity { x, limit: None } => m.get(*x),
            Self::ForwardVelocity { x, limit: Some(limit) } => m.num(*limit).min(m.get(*x)),
            Self::MeanVelocity { now, before, axis } => {
                let way = m.get3(*now) - m.get3(*before);
                way.dot(constant(m, *axis)) * m.num(1.0 / clock.dt)
            }
            Self::TrackLinearVelocity { base, command, sigma } => {
                (velocity_error(m, *base, *command) * m.num(-1.0 / sigma)).exp()
            }
            Self::TrackAngularVelocity { base, command, sigma } => {
                (turning_error(m, *base, *command).square() * m.num(-1.0 / sigma)).exp()
            }
            Self::VelocityError { base, command } => velocity_error(m, *base, *command).sqrt(),
            Self::TurningError { base, command } => turning_error(m, *base, *command).abs(),
            Self::AngularVelocityXy(base) => squared_xy(angular_velocity(m, *base)),
            Self::Orientation(base) => squared_xy(projected_gravity(m, *base)),
            Self::BaseHeight { height, target } => (m.get(*height) - m.num(*target)).square(),
            Self::Squares(rows) => squares(m, rows),
            Self::SquaredChange { rows, factor } => squared_change(m, rows, *factor),
            Self::Energy(driven) => energy(m, driven),
            Self::JointLimits(joints) => beyond_limits(m, joints),
            Self::PoseDeviation(joints) => pose_deviation(m, joints),
            Self::StandStill { command, joints } => stand_still(m, *command, joints),
            Self::FeetAirTime { landed, threshold, command } => {
                feet_air_time(m, landed, *threshold, *command)
            }
            Self::FeetSlip(feet) => feet_slip(m, feet),
            Self::FeetClearance { feet, target } => feet_clearance(m, feet, *target),
            Self::ContactCost { contact_forces, clip } => contact_cost(m, contact_forces, *clip),
            Self::UndesiredContact { contact_forces, threshold } => {
                num_touched(m, contact_forces, *threshold)
            }
            Self::ReachDistance { point, frame } => distance(m, frame, *point),
            Self::ReachFine { point, frame, scale, kernel } => {
                reach_fine(distance(m, frame, *point) * m.num(1.0 / scale), *kernel)
            }
            Self::ObjectDistance { object, frame } => {
                (object.position(m) - frame_position(m, frame)).length()
            }
            Self::PlaceDistance { object, target } => (object.position(m) - target.position(m)).length(),
            Self::Success(None) => m.num(0.0),
            Self::Success(Some(success)) => flag(m, success.holds(m, clock)),
        }
    }
}

/// Time of a control step \[s\].
fn control_dt(binder: &Binder<'_>) -> f64 {
    binder.spec.physics.timestep * f64::from(binder.spec.physics.decimation)
}

/// Square of the commanded less the actual velocity, x and y in the base frame \[m²/s²\].
#[inline(always)]
fn velocity_error<M: Machine>(m: &M, base: Body, command: usize) -> M::Num {
    squared_xy(m.get3(command) - linear_velocity(m, base))
}

/// Commanded less actual turning speed about the base's z axis \[rad/s\].
#[inline(always)]
fn turning_error<M: Machine>(m: &M, base: Body, command: usize) -> M::Num {
    m.get(command + 2) - angular_velocity(m, base).z
}

/// Sum of squares of rows.
#[inline(always)]
fn squares<M: Machine>(m: &M, rows: &[usize]) -> M::Num {
    let mut sum = m.num(0.0);
    for row in rows {
        let value = m.get(*row);
        sum = value.mul_add(value, sum);
    }
    sum
}

/// Sum of squares of what rows have gained, times a factor each.
#[inline(always)]
fn squared_change<M: Machine>(m: &M, rows: &[(usize, usize)], factor: f64) -> M::Num {
    let mut sum = m.num(0.0);
    for (now, before) in rows {
        let change = (m.get(*now) - m.get(*before)) * m.num(factor);
        sum = change.mul_add(change, sum);
    }
    sum
}

/// Sum of the magnitudes of mechanical power \[W\].
#[inline(always)]
fn energy<M: Machine>(m: &M, driven: &[(usize, usize, f64)]) -> M::Num {
    let mut sum = m.num(0.0);
    for (force, speed, gear) in driven {
        sum = sum + (m.get(*force) * m.num(*gear) * m.get(*speed)).abs();
    }
    sum
}

/// Sum of what positions are beyond the inner part of their ranges \[rad or m\].
#[inline(always)]
fn beyond_limits<M: Machine>(m: &M, joints: &[(usize, f64, f64)]) -> M::Num {
    let mut sum = m.num(0.0);
    for (position, centre, half) in joints {
        let away = (m.get(*position) - m.num(*centre)).abs();
        sum = sum + (away - m.num(*half)).max(m.num(0.0));
    }
    sum
}

/// Sum of squared distances from the default pose.
#[inline(always)]
fn pose_deviation<M: Machine>(m: &M, joints: &[(usize, f64)]) -> M::Num {
    let mut sum = m.num(0.0);
    for (position, default) in joints {
        let error = m.get(*position) - m.num(*default);
        sum = error.mul_add(error, sum);
    }
    sum
}

/// Sum of distances from the default pose where the command is to stand, else 0.
#[inline(always)]
fn stand_still<M: Machine>(m: &M, command: usize, joints: &[(usize, f64)]) -> M::Num {
    let mut sum = m.num(0.0);
    for (position, default) in joints {
        sum = sum + (m.get(*position) - m.num(*default)).abs();
    }
    M::Num::select(stands(m, command), sum, m.num(0.0))
}

/// Whether a velocity command asks to stand.
#[inline(always)]
fn stands<M: Machine>(m: &M, command: usize) -> <M::Num as Num>::Mask {
    m.get3(command).length().lt(m.num(STANDING_SPEED))
}

/// Sum over the feet that landed of their time in the air beyond a threshold \[s\]; 0 where the command is to stand.
#[inline(always)]
fn feet_air_time<M: Machine>(m: &M, landed: &[usize], threshold: f64, command: Option<usize>) -> M::Num {
    let mut sum = m.num(0.0);
    for row in landed {
        let time = m.get(*row);
        let beyond = time - m.num(threshold);
        sum = sum + M::Num::select(m.num(0.0).lt(time), beyond, m.num(0.0));
    }
    match command {
        Some(command) => M::Num::select(stands(m, command), m.num(0.0), sum),
        None => sum,
    }
}

/// Sum of squared horizontal speeds of the feet that touch \[m²/s²\].
#[inline(always)]
fn feet_slip<M: Machine>(m: &M, feet: &[Frame]) -> M::Num {
    let mut sum = m.num(0.0);
    for foot in feet {
        let speed = squared_xy(frame_velocity(m, foot));
        let touches = touched(m, foot.body.contact_force, TOUCH_FORCE);
        sum = sum + M::Num::select(touches, speed, m.num(0.0));
    }
    sum
}

/// Sum over feet of the squared height error, weighted by the root of the horizontal speed.
#[inline(always)]
fn feet_clearance<M: Machine>(m: &M, feet: &[Frame], target: f64) -> M::Num {
    let mut sum = m.num(0.0);
    for foot in feet {
        let error = frame_position(m, foot).z - m.num(target);
        let speed = squared_xy(frame_velocity(m, foot)).sqrt();
        sum = (error.square()).mul_add(speed.sqrt(), sum);
    }
    sum
}

/// Sum of squares of contact forces, each component clipped \[N²\].
#[inline(always)]
fn contact_cost<M: Machine>(m: &M, contact_forces: &[usize], clip: f64) -> M::Num {
    let (low, high) = (m.num(-clip), m.num(clip));
    let mut sum = m.num(0.0);
    for row in contact_forces {
        let force = m.get3(*row);
        let clipped = V3::new(force.x.clamp(low, high), force.y.clamp(low, high), force.z.clamp(low, high));
        sum = sum + clipped.length_squared();
    }
    sum
}

/// How many bodies are touched.
#[inline(always)]
fn num_touched<M: Machine>(m: &M, contact_forces: &[usize], threshold: f64) -> M::Num {
    let mut sum = m.num(0.0);
    for row in contact_forces {
        sum = sum + flag(m, touched(m, *row, threshold));
    }
    sum
}

/// 1 at the point and less away from it; `d` is the distance in its scale.
#[inline(always)]
fn reach_fine<N: Num>(d: N, kernel: Kernel) -> N {
    match kernel {
        // 1 - tanh d, without cancellation.
        Kernel::Tanh => N::of(2.0) / ((d + d).exp() + N::one()),
        Kernel::Exp => (-(d * d)).exp(),
    }
}
