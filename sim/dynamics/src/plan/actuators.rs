//! Tables of actuators.

use keiko_model::robot::{Actuator, JointKind, RobotModel, Transmission};

use super::links::Links;
use super::table::{Table, Tables};
use super::tree::UNLIMITED;

/// Fields of an actuator.
pub mod actuator {
    /// Integer: what it pulls on, see below.
    pub const KIND: usize = 0;
    /// Integer: first degree of freedom, tendon, or link of the site.
    pub const TARGET: usize = 1;
    /// Integer: number in qpos of a scalar joint.
    pub const QPOS: usize = 2;
    /// Integer: 1 + row among the filtered controls; 0 is none.
    pub const FILTER: usize = 3;
    /// Integer: degrees of freedom it pulls on.
    pub const NUM_DOFS: usize = 4;
    /// Number: gear, 6.
    pub const GEAR: usize = 0;
    /// Number: constant force.
    pub const BIAS: usize = 6;
    /// Number: least control.
    pub const CONTROL_LOW: usize = 7;
    /// Number: most control.
    pub const CONTROL_HIGH: usize = 8;
    /// Number: least force.
    pub const FORCE_LOW: usize = 9;
    /// Number: most force.
    pub const FORCE_HIGH: usize = 10;
    /// Number: share of the way to the control that the filter goes in a substep.
    pub const FILTER_SHARE: usize = 11;
    /// Number: place of the site in its link, 3.
    pub const SITE_POSITION: usize = 12;
    /// Number: rotation of the site in its link, 9.
    pub const SITE_ROTATION: usize = 15;

    /// A hinge or a slide.
    pub const SCALAR: usize = 0;
    /// A ball or free joint.
    pub const JOINT: usize = 1;
    /// A fixed tendon.
    pub const TENDON: usize = 2;
    /// A site.
    pub const SITE: usize = 3;

    /// Parameter: force per control.
    pub const P_GAIN: usize = 0;
    /// Parameter: force per length.
    pub const P_LENGTH: usize = 1;
    /// Parameter: force per velocity.
    pub const P_VELOCITY: usize = 2;
    /// Parameter: factor on the clamped force.
    pub const P_STRENGTH: usize = 3;
    /// Parameters of an actuator.
    pub const NUM_PARAMETERS: usize = 4;
}

/// Fields of a fixed tendon.
pub mod tendon {
    /// Integer: how many joints.
    pub const NUM_TERMS: usize = 0;
    /// Integer: list of degrees of freedom.
    pub const DOFS: usize = 1;
    /// Integer: list of places in qpos.
    pub const QPOS: usize = 2;
    /// Integer: where the coefficients start in [`Plan::reals`](super::super::Plan::reals).
    pub const COEFFICIENTS: usize = 3;
    /// Number: stiffness.
    pub const STIFFNESS: usize = 0;
    /// Number: damping.
    pub const DAMPING: usize = 1;
    /// Number: lower end of the spring's dead band.
    pub const SPRING_LOW: usize = 2;
    /// Number: upper end of the spring's dead band.
    pub const SPRING_HIGH: usize = 3;
}

/// Actuators, tendons, and the number of filtered controls.
pub(super) fn add(
    tables: &mut Tables,
    model: &RobotModel,
    links: &Links,
    substep: f64,
) -> (Table, Table, usize) {
    let mut filters = 0;
    let records: Vec<_> = model
        .actuators
        .iter()
        .map(|actuator| {
            let filter = if actuator.time_constant > 0.0 {
                filters += 1;
                filters
            } else {
                0
            };
            record(model, links, actuator, filter, substep)
        })
        .collect();
    let actuators = tables.add(&records);
    (actuators, add_tendons(tables, model), filters)
}

fn record(
    model: &RobotModel,
    links: &Links,
    actuator: &Actuator,
    filter: usize,
    substep: f64,
) -> ([usize; 5], [f64; 24]) {
    let mut site = ([0.0; 3], [0.0; 9]);
    let (kind, target, qpos, num_dofs) = match actuator.transmission {
        Transmission::Joint { joint } => {
            let joint = &model.joints[joint];
            let kind = match joint.kind {
                JointKind::Revolute | JointKind::Prismatic => actuator::SCALAR,
                JointKind::Ball | JointKind::Free => actuator::JOINT,
            };
            (kind, joint.dof_index, joint.qpos_index, joint.kind.num_dofs())
        }
        Transmission::Tendon { tendon } => (actuator::TENDON, tendon, 0, 0),
        Transmission::Site { site: index } => {
            let at = &model.sites[index];
            let pose = links.from_body[at.body].compose(at.pose);
            site = (pose.position.to_array(), super::tree::rows(glam::DMat3::from_quat(pose.rotation)));
            (actuator::SITE, links.of_body[at.body], 0, 0)
        }
    };
    let control = actuator.ctrl_range.unwrap_or([-UNLIMITED, UNLIMITED]);
    let force = actuator.force_range.unwrap_or([-UNLIMITED, UNLIMITED]);
    let share = if actuator.time_constant > 0.0 { (substep / actuator.time_constant).min(1.0) } else { 1.0 };
    let mut reals = [0.0; 24];
    reals[actuator::GEAR..6].copy_from_slice(&actuator.gear);
    reals[actuator::BIAS] = actuator.bias[0];
    reals[actuator::CONTROL_LOW..=actuator::FORCE_HIGH]
        .copy_from_slice(&[control[0], control[1], force[0], force[1]]);
    reals[actuator::FILTER_SHARE] = share;
    reals[actuator::SITE_POSITION..actuator::SITE_ROTATION].copy_from_slice(&site.0);
    reals[actuator::SITE_ROTATION..].copy_from_slice(&site.1);
    ([kind, target, qpos, filter, num_dofs], reals)
}

fn add_tendons(tables: &mut Tables, model: &RobotModel) -> Table {
    let mut records = Vec::new();
    for tendon in &model.tendons {
        let joint = |&(joint, _): &(usize, f64)| &model.joints[joint];
        let dofs = tables.add_list(tendon.terms.iter().map(|t| joint(t).dof_index));
        let qpos = tables.add_list(tendon.terms.iter().map(|t| joint(t).qpos_index));
        let coefficients = tables.reals.len();
        tables.reals.extend(tendon.terms.iter().map(|&(_, c)| c));
        let rest = tendon.spring_length;
        records.push((
            [tendon.terms.len(), dofs, qpos, coefficients],
            [tendon.stiffness, tendon.damping, rest[0], rest[1]],
        ));
    }
    tables.add(&records)
}

/// Gain, length and velocity gains, strength of an actuator under factors on its position gain, velocity gain and
/// force. The gain of a servo scales with its position gain, or with its velocity gain if it has no other.
pub fn actuator_parameters(
    actuator: &Actuator,
    stiffness: f64,
    damping: f64,
    strength: f64,
) -> [f64; actuator::NUM_PARAMETERS] {
    let gain = if actuator.bias[1] != 0.0 {
        stiffness
    } else if actuator.bias[2] != 0.0 {
        damping
    } else {
        1.0
    };
    [actuator.gain * gain, actuator.bias[1] * stiffness, actuator.bias[2] * damping, strength]
}
