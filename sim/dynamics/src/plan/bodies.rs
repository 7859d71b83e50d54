//! Table of bodies: where each is in its link.

use glam::DMat3;
use keiko_model::robot::RobotModel;

use super::links::Links;
use super::tree::rows;

/// Fields of a body.
pub mod body {
    /// Integer: its link.
    pub const LINK: usize = 0;
    /// Integer: its tree.
    pub const TREE: usize = 1;
    /// Number: `link_from_body` position, 3.
    pub const POSITION: usize = 0;
    /// Number: `link_from_body` rotation, 9.
    pub const ROTATION: usize = 3;
}

pub(super) fn records(model: &RobotModel, links: &Links) -> Vec<([usize; 2], [f64; 12])> {
    (0..model.bodies.len())
        .map(|b| {
            let (link, pose) = (links.of_body[b], links.from_body[b]);
            let mut reals = [0.0; 12];
            reals[..3].copy_from_slice(&pose.position.to_array());
            reals[body::ROTATION..].copy_from_slice(&rows(DMat3::from_quat(pose.rotation)));
            ([link, links.links[link].tree], reals)
        })
        .collect()
}
