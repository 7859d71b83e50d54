//! Robot states as MuJoCo's users have them in files: rows of `qpos` and `qvel`, quaternions wxyz.

use std::path::Path;

use anyhow::{bail, ensure};
use keiko_model::RobotModel;
use keiko_model::import::{self, ImportOptions};
use keiko_model::robot::JointKind;

use crate::numpy::Array;

/// Which way quaternions are reordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuaternionOrder {
    /// From MuJoCo's files to keiko's memory.
    WxyzToXyzw,
    /// From keiko's memory to MuJoCo's files.
    XyzwToWxyz,
}

/// A robot or scene from a file.
///
/// # Errors
/// As [`import::load`].
pub fn load_model(file: &Path, root: Option<&Path>) -> keiko_model::Result<RobotModel> {
    let options = ImportOptions { root: root.map(Path::to_path_buf), ..ImportOptions::default() };
    Ok(import::load(file, &options)?.model)
}

/// First indices in `qpos` of all quaternions.
pub fn quaternions(model: &RobotModel) -> impl Iterator<Item = usize> {
    model.joints.iter().filter_map(|joint| match joint.kind {
        JointKind::Free => Some(joint.qpos_index + 3),
        JointKind::Ball => Some(joint.qpos_index),
        JointKind::Revolute | JointKind::Prismatic => None,
    })
}

/// Reorders all quaternions of `[.., nq]`.
pub fn reorder(model: &RobotModel, qpos: &mut Array, order: QuaternionOrder) {
    let starts: Vec<usize> = quaternions(model).collect();
    for row in qpos.data.chunks_exact_mut(model.num_qpos().max(1)) {
        for start in &starts {
            let quaternion = &mut row[*start..*start + 4];
            match order {
                QuaternionOrder::WxyzToXyzw => quaternion.rotate_left(1),
                QuaternionOrder::XyzwToWxyz => quaternion.rotate_right(1),
            }
        }
    }
}

/// Refuses an array that is not `[K, width]` with K > 0, or holds anything but finite numbers.
pub fn check_rows(array: &Array, name: &str, width: usize, model: &str) -> anyhow::Result<()> {
    match array.shape[..] {
        [rows, n] if n == width => ensure!(rows > 0, "`{name}` has no rows"),
        _ => bail!("`{name}` has shape {:?}; {model} needs [K, {width}]", array.shape),
    }
    array.check_finite(name)
}

/// Refuses quaternions (in whatever order) without a direction.
pub fn check_quaternions(qpos: &Array, model: &RobotModel) -> anyhow::Result<()> {
    for row in 0..qpos.shape[0] {
        for start in quaternions(model) {
            let length: f64 = qpos.row(row)[start..start + 4].iter().map(|x| x * x).sum();
            ensure!(length > 1e-20, "qpos[{row}, {start}..{}] is a quaternion of length zero", start + 4);
        }
    }
    Ok(())
}

/// A single row `times` over; an array of several rows as it is.
pub fn repeat(mut array: Array, times: usize) -> Array {
    if array.shape[0] == 1 {
        array.data = array.data.repeat(times);
        array.shape[0] = times;
    }
    array
}
