//! Table of sensors.

use glam::{DMat3, DVec3};
use keiko_model::Pose;
use keiko_model::robot::{FrameRef, RobotModel, SensorKind};

use super::links::Links;
use super::table::{Table, Tables};
use super::tree::{UNLIMITED, rows};

/// Fields of a sensor.
pub mod sensor {
    /// Integer: see the kinds below.
    pub const KIND: usize = 0;
    /// Integer: where its first value goes, counted from the sensors' rows.
    pub const OUT: usize = 1;
    /// Integer: how many values it has.
    pub const NUM_VALUES: usize = 2;
    /// Integer: what is copied, the tendon, or the place of the accelerometer's velocity.
    pub const SOURCE: usize = 3;
    /// Integer: link of its frame.
    pub const LINK: usize = 4;
    /// Integer: tree of its frame.
    pub const TREE: usize = 5;
    /// Integer: link of the frame that it is told in.
    pub const BASE_LINK: usize = 6;
    /// Integer: tree of the frame that it is told in.
    pub const BASE_TREE: usize = 7;
    /// Number: `link_from_frame` position, 3.
    pub const POSITION: usize = 0;
    /// Number: `link_from_frame` rotation, 9.
    pub const ROTATION: usize = 3;
    /// Number: `link_from_base` position, 3.
    pub const BASE_POSITION: usize = 12;
    /// Number: `link_from_base` rotation, 9.
    pub const BASE_ROTATION: usize = 15;
    /// Number: axis in its frame, 3.
    pub const AXIS: usize = 24;
    /// Number: factor on what is copied.
    pub const SCALE: usize = 27;
    /// Number: most magnitude of a value.
    pub const CUTOFF: usize = 28;

    /// A copy of the number at `SOURCE`.
    pub const COPY: usize = 0;
    /// A copy of three numbers.
    pub const COPY3: usize = 1;
    /// Length of a tendon.
    pub const TENDON_LENGTH: usize = 2;
    /// Speed of a tendon.
    pub const TENDON_SPEED: usize = 3;
    /// Position in the base frame.
    pub const PLACE: usize = 4;
    /// Orientation in the base frame.
    pub const ORIENTATION: usize = 5;
    /// An axis in the base frame.
    pub const DIRECTION: usize = 6;
    /// Velocity against the base frame, in its axes.
    pub const VELOCITY: usize = 7;
    /// Angular velocity against the base frame, in its axes.
    pub const SPIN: usize = 8;
    /// Angular velocity in its own axes.
    pub const GYRO: usize = 9;
    /// Velocity in its own axes.
    pub const VELOCIMETER: usize = 10;
    /// Acceleration less gravity in its own axes.
    pub const ACCELEROMETER: usize = 11;

    /// Integers of a record.
    pub const NUM_INTS: usize = 8;
    /// Numbers of a record.
    pub const NUM_REALS: usize = 29;
}

/// Where the numbers that sensors copy are in memory.
pub(super) struct Sources {
    pub qpos: usize,
    pub qvel: usize,
    pub actuator_force: usize,
    pub contact_force: usize,
    pub touch: usize,
    /// Length of a control step \[s\].
    pub time: f64,
}

/// Whether any sensor feels touch.
pub(super) fn feels(model: &RobotModel) -> bool {
    model.sensors.iter().any(|s| matches!(s.kind, SensorKind::Touch(_)))
}

/// How many accelerometers a model has.
pub(super) fn num_accelerometers(model: &RobotModel) -> usize {
    model.sensors.iter().filter(|s| matches!(s.kind, SensorKind::Accelerometer(_))).count()
}

pub(super) fn add(tables: &mut Tables, model: &RobotModel, links: &Links, from: &Sources) -> Table {
    let (mut out, mut accelerometers) = (0, 0);
    let mut records = Vec::new();
    for of in &model.sensors {
        let mut record = record(model, links, from, &of.kind);
        record.0[sensor::OUT] = out;
        record.0[sensor::NUM_VALUES] = of.kind.size();
        if record.0[sensor::KIND] == sensor::ACCELEROMETER {
            record.0[sensor::SOURCE] = accelerometers;
            accelerometers += 1;
        }
        let unlimited = of.cutoff <= 0.0 || matches!(of.kind, SensorKind::FrameOrientation(..));
        record.1[sensor::CUTOFF] = if unlimited { UNLIMITED } else { of.cutoff };
        out += of.kind.size();
        records.push(record);
    }
    tables.add(&records)
}

type Record = ([usize; sensor::NUM_INTS], [f64; sensor::NUM_REALS]);

fn record(model: &RobotModel, links: &Links, from: &Sources, kind: &SensorKind) -> Record {
    use SensorKind as S;
    let frame = |kind, frame: FrameRef, base: Option<FrameRef>| framed(model, links, kind, frame, base);
    match *kind {
        S::JointPosition(j) => copied(sensor::COPY, from.qpos + model.joints[j].qpos_index, 1.0),
        S::JointVelocity(j) => copied(sensor::COPY, from.qvel + model.joints[j].dof_index, 1.0),
        S::TendonPosition(t) => copied(sensor::TENDON_LENGTH, t, 1.0),
        S::TendonVelocity(t) => copied(sensor::TENDON_SPEED, t, 1.0),
        S::ActuatorForce(a) => copied(sensor::COPY, from.actuator_force + a, 1.0),
        S::ContactForce(body) => copied(sensor::COPY3, from.contact_force + 3 * body, 1.0),
        S::Touch(site) => copied(sensor::COPY, from.touch + model.sites[site].body, 1.0 / from.time),
        S::FramePosition(f, base) => frame(sensor::PLACE, f, base),
        S::FrameOrientation(f, base) => frame(sensor::ORIENTATION, f, base),
        S::FrameAxis(f, axis, base) => {
            let mut record = frame(sensor::DIRECTION, f, base);
            record.1[sensor::AXIS + usize::from(axis.min(2))] = 1.0;
            record
        }
        S::FrameLinearVelocity(f, base) => frame(sensor::VELOCITY, f, base),
        S::FrameAngularVelocity(f, base) => frame(sensor::SPIN, f, base),
        S::Gyro(site) => frame(sensor::GYRO, FrameRef::Site(site), None),
        S::Velocimeter(site) => frame(sensor::VELOCIMETER, FrameRef::Site(site), None),
        S::Accelerometer(site) => frame(sensor::ACCELEROMETER, FrameRef::Site(site), None),
    }
}

fn copied(kind: usize, source: usize, scale: f64) -> Record {
    let (mut ints, mut reals) = ([0; sensor::NUM_INTS], [0.0; sensor::NUM_REALS]);
    (ints[sensor::KIND], ints[sensor::SOURCE]) = (kind, source);
    reals[sensor::SCALE] = scale;
    (ints, reals)
}

fn framed(model: &RobotModel, links: &Links, kind: usize, frame: FrameRef, base: Option<FrameRef>) -> Record {
    let (mut ints, mut reals) = copied(kind, 0, 1.0);
    let (body, pose) = place(model, frame);
    // The world's frame is that of body 0.
    let (base_body, base_pose) = base.map_or((0, Pose::IDENTITY), |base| place(model, base));
    for (link, tree, position, rotation, body, pose) in [
        (sensor::LINK, sensor::TREE, sensor::POSITION, sensor::ROTATION, body, pose),
        (
            sensor::BASE_LINK,
            sensor::BASE_TREE,
            sensor::BASE_POSITION,
            sensor::BASE_ROTATION,
            base_body,
            base_pose,
        ),
    ] {
        let pose = links.from_body[body].compose(pose);
        ints[link] = links.of_body[body];
        ints[tree] = links.links[ints[link]].tree;
        reals[position..position + 3].copy_from_slice(&DVec3::to_array(&pose.position));
        reals[rotation..rotation + 9].copy_from_slice(&rows(DMat3::from_quat(pose.rotation)));
    }
    (ints, reals)
}

/// The body that carries a frame, and `body_from_frame`.
fn place(model: &RobotModel, frame: FrameRef) -> (usize, Pose) {
    match frame {
        FrameRef::Body(b) => (b, Pose::IDENTITY),
        FrameRef::BodyCom(b) => (b, model.bodies[b].inertial.pose),
        FrameRef::Geom(g) => (model.geoms[g].body, model.geoms[g].pose),
        FrameRef::Site(s) => (model.sites[s].body, model.sites[s].pose),
    }
}
