//! Table of sensors.

use glam::{DMat3, DVec3};
use keiko_model::Pose;
use keiko_model::robot::{ContactSide, FrameRef, RobotModel, Sensor, SensorKind};

use super::links::Links;
use super::rays::RayTables;
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
    /// Integer: what is copied, the tendon, the place of the accelerometer's velocity, or the record of the rays.
    pub const SOURCE: usize = 3;
    /// Integer: link of its frame.
    pub const LINK: usize = 4;
    /// Integer: tree of its frame.
    pub const TREE: usize = 5;
    /// Integer: link of the frame that it is told in.
    pub const BASE_LINK: usize = 6;
    /// Integer: tree of the frame that it is told in.
    pub const BASE_TREE: usize = 7;
    /// Integer: list of the contacts and torsional frictions whose wrenches are summed, four each: the constraint, its
    /// contact, 1 where the sensor's side is the second, and the tree from whose origin the contact's place is told.
    pub const LIST: usize = 8;
    /// Integer: how many there are.
    pub const LIST_LEN: usize = 9;
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
    /// Force and torque of contacts.
    pub const WRENCH: usize = 12;
    /// Distances along rays.
    pub const RAYS: usize = 13;

    /// Integers of a record.
    pub const NUM_INTS: usize = 10;
    /// Numbers of a record.
    pub const NUM_REALS: usize = 29;
}

/// Where the numbers that sensors copy are in memory.
pub(super) struct Sources<'a> {
    pub qpos: usize,
    pub qvel: usize,
    pub actuator_force: usize,
    pub contact_force: usize,
    pub touch: usize,
    pub drive_sum: usize,
    pub strain: usize,
    pub wrench: usize,
    /// Length of a control step \[s\], and its substeps.
    pub time: f64,
    pub substeps: usize,
    /// Geoms of each contact, and the contact of each torsional friction behind them.
    pub contact_geoms: &'a [[usize; 2]],
    pub torsions: &'a [usize],
}

/// Whether any sensor feels touch.
pub(super) fn feels(model: &RobotModel) -> bool {
    model.sensors.iter().any(|s| matches!(s.kind, SensorKind::Touch(_)))
}

/// How many accelerometers a model has.
pub(super) fn num_accelerometers(model: &RobotModel) -> usize {
    model.sensors.iter().filter(|s| matches!(s.kind, SensorKind::Accelerometer(_))).count()
}

/// Whether any sensor asks for the force on a joint.
pub(super) fn strains(model: &RobotModel) -> bool {
    let of_joint =
        |s: &Sensor| matches!(s.kind, SensorKind::JointForce(_) | SensorKind::JointActuatorForce(_));
    model.sensors.iter().any(of_joint)
}

/// How many sensors sum the wrenches of contacts.
pub(super) fn num_wrenches(model: &RobotModel) -> usize {
    model.sensors.iter().filter(|s| matches!(s.kind, SensorKind::ContactWrench { .. })).count()
}

/// The sensors, in model order.
pub(super) fn add(
    tables: &mut Tables,
    model: &RobotModel,
    links: &Links,
    from: &Sources<'_>,
    rays: &RayTables,
) -> Table {
    let (mut out, mut accelerometers, mut wrenches, mut scanners) = (0, 0, 0, 0);
    let mut records = Vec::new();
    for of in &model.sensors {
        let mut record = record(model, links, from, &of.kind);
        record.0[sensor::OUT] = out;
        record.0[sensor::NUM_VALUES] = of.kind.size();
        if record.0[sensor::KIND] == sensor::ACCELEROMETER {
            record.0[sensor::SOURCE] = accelerometers;
            accelerometers += 1;
        }
        if let SensorKind::ContactWrench { on, with, .. } = of.kind {
            let list = contacts_of(model, links, from, on, with);
            record.0[sensor::SOURCE] = from.wrench + 6 * wrenches;
            record.0[sensor::LIST_LEN] = list.len();
            record.0[sensor::LIST] = tables.add_list(list.into_iter().flatten());
            wrenches += 1;
        }
        if record.0[sensor::KIND] == sensor::RAYS {
            record.0[sensor::SOURCE] = scanners;
            scanners += 1;
        }
        let unlimited = of.cutoff <= 0.0 || matches!(of.kind, SensorKind::FrameOrientation(..));
        record.1[sensor::CUTOFF] = if unlimited { UNLIMITED } else { of.cutoff };
        out += of.kind.size();
        records.push(record);
    }
    debug_assert_eq!(scanners, rays.scanners.len);
    tables.add(&records)
}

/// What a wrench is summed over; see [`sensor::LIST`].
fn contacts_of(
    model: &RobotModel,
    links: &Links,
    from: &Sources<'_>,
    on: ContactSide,
    with: Option<ContactSide>,
) -> Vec<[usize; 4]> {
    let tree = |geom: usize| links.links[links.of_body[model.geoms[geom].body]].tree;
    let mut out = Vec::new();
    let items = (0..from.contact_geoms.len()).chain(from.torsions.iter().copied());
    for (item, contact) in items.enumerate() {
        let geoms = from.contact_geoms[contact];
        let frame = if tree(geoms[0]) == 0 { tree(geoms[1]) } else { tree(geoms[0]) };
        for (place, (this, other)) in [(geoms[0], geoms[1]), (geoms[1], geoms[0])].into_iter().enumerate() {
            if on.holds(model, this) && with.is_none_or(|with| with.holds(model, other)) {
                out.push([item, contact, place, frame]);
            }
        }
    }
    out
}

type Record = ([usize; sensor::NUM_INTS], [f64; sensor::NUM_REALS]);

fn record(model: &RobotModel, links: &Links, from: &Sources<'_>, kind: &SensorKind) -> Record {
    use SensorKind as S;
    let frame = |kind, frame: FrameRef, base: Option<FrameRef>| framed(model, links, kind, frame, base);
    match *kind {
        S::JointPosition(j) => copied(sensor::COPY, from.qpos + model.joints[j].qpos_index, 1.0),
        S::JointVelocity(j) => copied(sensor::COPY, from.qvel + model.joints[j].dof_index, 1.0),
        S::TendonPosition(t) => copied(sensor::TENDON_LENGTH, t, 1.0),
        S::TendonVelocity(t) => copied(sensor::TENDON_SPEED, t, 1.0),
        S::ActuatorForce(a) => copied(sensor::COPY, from.actuator_force + a, 1.0),
        S::ContactForce(body) => copied(sensor::COPY3, from.contact_force + 3 * body, 1.0),
        S::JointActuatorForce(j) => {
            let scale = 1.0 / from.substeps as f64;
            copied(sensor::COPY, from.drive_sum + model.joints[j].dof_index, scale)
        }
        S::JointForce(j) => copied(sensor::COPY, from.strain + model.joints[j].dof_index, 1.0 / from.time),
        S::ContactWrench { frame: of, .. } => {
            let mut record = frame(sensor::WRENCH, of.unwrap_or(FrameRef::Body(0)), None);
            record.1[sensor::SCALE] = 1.0 / from.time;
            record
        }
        S::RayDistance { frame: of, axis, .. } => {
            let mut record = frame(sensor::RAYS, of, None);
            record.1[sensor::AXIS..sensor::AXIS + 3].copy_from_slice(&axis.to_array());
            record
        }
        S::HeightScan(scan) => frame(sensor::RAYS, FrameRef::Body(scan.body), None),
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
