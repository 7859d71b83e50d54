//! Tables of links, joints and degrees of freedom.

use glam::DMat3;
use keiko_model::robot::{Joint, JointKind, RobotModel};

use super::links::Links;
use super::table::{Table, Tables};

/// Fields of a link.
pub mod link {
    /// Integer: link that carries it.
    pub const PARENT: usize = 0;
    /// Integer: first joint.
    pub const JOINTS: usize = 1;
    /// Integer: one after the last joint.
    pub const JOINTS_END: usize = 2;
    /// Integer: first degree of freedom.
    pub const DOFS: usize = 3;
    /// Integer: one after the last degree of freedom.
    pub const DOFS_END: usize = 4;
    /// Integer: its tree.
    pub const TREE: usize = 5;
    /// Number: `parent_from_link` position, 3.
    pub const POSITION: usize = 0;
    /// Number: `parent_from_link` rotation, 9.
    pub const ROTATION: usize = 3;
    /// Number: compensated share of the weight, as a mass \[kg\].
    pub const COMPENSATED: usize = 12;
    /// Number: where it acts, 3.
    pub const COMPENSATED_AT: usize = 13;
}

/// Fields of a joint.
pub mod joint {
    /// Integer: see the kinds below.
    pub const KIND: usize = 0;
    /// Integer: first number in qpos.
    pub const QPOS: usize = 1;
    /// Integer: first degree of freedom.
    pub const DOF: usize = 2;
    /// Integer: whether the anchor is not the link's origin.
    pub const ANCHORED: usize = 3;
    /// Integer: what is left of a free joint's position, from [`Plan::remainder`](super::super::Plan::remainder) on.
    pub const REMAINDER: usize = 4;
    /// Number: axis in the link's frame, 3.
    pub const AXIS: usize = 0;
    /// Number: anchor in the link's frame, 3.
    pub const ANCHOR: usize = 3;
    /// Number: qpos at the reference.
    pub const REFERENCE: usize = 6;
    /// Number: 1 or -1, direction of a principal axis.
    pub const SIGN: usize = 7;

    /// Six degrees of freedom.
    pub const FREE: usize = 0;
    /// Three rotations.
    pub const BALL: usize = 1;
    /// A translation.
    pub const SLIDE: usize = 2;
    /// A rotation about any axis.
    pub const HINGE: usize = 3;
    /// A rotation about x, y (5) or z (6) of the link.
    pub const HINGE_X: usize = 4;
}

/// Fields of a degree of freedom.
pub mod dof {
    /// Integer: start of its row of the mass matrix.
    pub const ROW: usize = 0;
    /// Integer: how many degrees of freedom carry it.
    pub const NUM_ANCESTORS: usize = 1;
    /// Integer: where their list starts, ascending, in [`Plan::ints`](super::super::Plan::ints).
    pub const ANCESTORS: usize = 2;
    /// Integer: its number in qpos, if the joint has one number.
    pub const QPOS: usize = 3;
    /// Integer: whether it is a rotation.
    pub const ROTATES: usize = 4;
    /// Integer: the tree it belongs to.
    pub const TREE: usize = 5;
    /// Number: viscous damping.
    pub const DAMPING: usize = 0;
    /// Number: spring stiffness.
    pub const STIFFNESS: usize = 1;
    /// Number: qpos at which the spring rests.
    pub const SPRING_REFERENCE: usize = 2;
    /// Number: least summed actuator force.
    pub const EFFORT_LOW: usize = 3;
    /// Number: most summed actuator force.
    pub const EFFORT_HIGH: usize = 4;
}

/// No limit.
pub const UNLIMITED: f64 = 1e30;

/// Links, joints, degrees of freedom, and numbers of the packed mass matrix.
pub(super) fn add(tables: &mut Tables, model: &RobotModel, links: &Links) -> (Table, Table, Table, usize) {
    let mut free = 0;
    let records = model.joints.iter().map(|joint| {
        let remainder = 3 * free;
        free += usize::from(joint.kind == JointKind::Free);
        joint_record(joint, remainder)
    });
    let joints = tables.add(&records.collect::<Vec<_>>());
    let table = tables.add(&link_records(model, links));
    let (dofs, mass_len) = add_dofs(tables, model, links);
    (table, joints, dofs, mass_len)
}

fn link_records(model: &RobotModel, links: &Links) -> Vec<([usize; 6], [f64; 16])> {
    let compensated: Vec<(f64, glam::DVec3)> = compensation(model, links);
    let record = |(index, link): (usize, &super::links::Link)| {
        let joints = model.bodies[link.body].joints.clone();
        let (first, last) = (joints.clone().next(), joints.clone().next_back());
        let dofs = first.map_or(0, |j| model.joints[j].dof_index);
        let dofs_end = last.map_or(0, |j| model.joints[j].dof_index + model.joints[j].kind.num_dofs());
        let pose = link.parent_from_link;
        let mut reals = [0.0; 16];
        reals[link::POSITION..3].copy_from_slice(&pose.position.to_array());
        reals[link::ROTATION..12].copy_from_slice(&rows(DMat3::from_quat(pose.rotation)));
        reals[link::COMPENSATED] = compensated[index].0;
        reals[link::COMPENSATED_AT..].copy_from_slice(&compensated[index].1.to_array());
        ([link.parent, joints.start, joints.end, dofs, dofs_end, link.tree], reals)
    };
    links.links.iter().enumerate().map(record).collect()
}

fn compensation(model: &RobotModel, links: &Links) -> Vec<(f64, glam::DVec3)> {
    let mut out = vec![(0.0, glam::DVec3::ZERO); links.links.len()];
    for (b, body) in model.bodies.iter().enumerate() {
        let (mass, at) = &mut out[links.of_body[b]];
        let share = body.gravity_compensation * body.inertial.mass;
        let point = links.from_body[b].transform_point(body.inertial.pose.position);
        if share != 0.0 {
            *at = (*at * *mass + point * share) / (*mass + share);
            *mass += share;
        }
    }
    out
}

fn joint_record(joint: &Joint, remainder: usize) -> ([usize; 5], [f64; 8]) {
    let axis = joint.axis.to_array();
    let principal = (0..3).find(|&k| (axis[k].abs() - 1.0).abs() < 1e-12);
    let (kind, sign) = match (joint.kind, principal) {
        (JointKind::Free, _) => (joint::FREE, 1.0),
        (JointKind::Ball, _) => (joint::BALL, 1.0),
        (JointKind::Prismatic, _) => (joint::SLIDE, 1.0),
        (JointKind::Revolute, Some(k)) => (joint::HINGE_X + k, axis[k].signum()),
        (JointKind::Revolute, None) => (joint::HINGE, 1.0),
    };
    let anchored = usize::from(joint.anchor != glam::DVec3::ZERO);
    let a = joint.anchor;
    (
        [kind, joint.qpos_index, joint.dof_index, anchored, remainder],
        [axis[0], axis[1], axis[2], a.x, a.y, a.z, joint.reference, sign],
    )
}

fn add_dofs(tables: &mut Tables, model: &RobotModel, links: &Links) -> (Table, usize) {
    let ancestors = ancestors(model, links);
    let mut records = Vec::new();
    let mut row = 0;
    for joint in &model.joints {
        let scalar = joint.kind.num_dofs() == 1;
        for k in 0..joint.kind.num_dofs() {
            let list = &ancestors[joint.dof_index + k];
            let start = tables.add_list(list.iter().copied());
            let rotates = match joint.kind {
                JointKind::Free => k >= 3,
                JointKind::Ball | JointKind::Revolute => true,
                JointKind::Prismatic => false,
            };
            let effort = joint.effort_range.unwrap_or([-UNLIMITED, UNLIMITED]);
            let stiffness = if scalar { joint.stiffness } else { 0.0 };
            records.push((
                [
                    row,
                    list.len(),
                    start,
                    if scalar { joint.qpos_index } else { 0 },
                    usize::from(rotates),
                    links.links[links.of_body[joint.body]].tree,
                ],
                [joint.damping, stiffness, joint.spring_reference, effort[0], effort[1]],
            ));
            row += list.len() + 1;
        }
    }
    (tables.add(&records), row)
}

/// The degrees of freedom that carry each one, ascending.
pub(super) fn ancestors(model: &RobotModel, links: &Links) -> Vec<Vec<usize>> {
    let mut out: Vec<Vec<usize>> = Vec::with_capacity(model.num_dofs());
    for joint in &model.joints {
        let mut list = chain(model, links, links.links[links.of_body[joint.body]].parent);
        let first = model.joints[model.bodies[joint.body].joints.start].dof_index;
        list.extend(first..joint.dof_index);
        for k in 0..joint.kind.num_dofs() {
            let mut own = list.clone();
            own.extend(joint.dof_index..joint.dof_index + k);
            out.push(own);
        }
    }
    out
}

/// All degrees of freedom that move a link, ascending.
pub(super) fn chain(model: &RobotModel, links: &Links, mut link: usize) -> Vec<usize> {
    let mut out = Vec::new();
    while link != 0 {
        for j in model.bodies[links.links[link].body].joints.clone() {
            let joint = &model.joints[j];
            out.extend(joint.dof_index..joint.dof_index + joint.kind.num_dofs());
        }
        link = links.links[link].parent;
    }
    out.sort_unstable();
    out
}

/// A matrix row by row.
pub(super) fn rows(m: DMat3) -> [f64; 9] {
    m.transpose().to_cols_array()
}
