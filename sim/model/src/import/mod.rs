//! Files in, a [`RobotModel`] and a [`LossReport`] out.
//!
//! Reading has three guards that stand before any value is looked at: only regular files inside the root folder
//! are opened, their size is checked before they are read, and nesting is measured before they are parsed. Every
//! refusal is one [`Error`] with a place in a file.

pub mod files;
pub mod mjcf;
pub mod report;
pub mod urdf;
pub mod xml;

use std::path::{Path, PathBuf};

pub use files::AssetRoot;
pub use report::{Loss, LossReport, Verdict};

use crate::error::{Error, ErrorKind, Location, Result};
use crate::robot::RobotModel;
use crate::validate::validate;

/// How a file is to be read.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Bounds on what a file may ask for.
    pub limits: Limits,
    /// Folder that includes, meshes and height fields must lie in; without it, the folder of the file itself.
    pub root: Option<PathBuf>,
    /// URDF only: gives the base link a free joint instead of welding it to the world.
    pub floating_base: bool,
}

/// Bounds on what a file may ask for; a file over one of them is refused, not truncated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of one XML file \[byte\].
    pub xml_bytes: u64,
    /// Nesting of elements, includes expanded.
    pub depth: usize,
    /// Elements of all files together.
    pub nodes: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Included files.
    pub includes: usize,
    /// Includes within includes.
    pub include_depth: usize,
    /// Size of all XML files together \[byte\].
    pub include_bytes: u64,
    /// Bodies of the model.
    pub bodies: usize,
    /// Geoms of the model.
    pub geoms: usize,
    /// Product of the counts of nested `replicate` elements.
    pub replicate: usize,
    /// Size of one mesh file \[byte\].
    pub mesh_bytes: u64,
    /// Triangles of one mesh.
    pub mesh_triangles: usize,
    /// Rows and columns of one height field.
    pub hfield_side: usize,
    /// Sides of a texture that is drawn \[pixel\].
    pub texture_side: usize,
    /// Length of a name \[byte\].
    pub name_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            xml_bytes: 64 << 20,
            depth: 256,
            nodes: 1_000_000,
            attributes: 256,
            includes: 64,
            include_depth: 16,
            include_bytes: 64 << 20,
            bodies: 10_000,
            geoms: 50_000,
            replicate: 100_000,
            mesh_bytes: 64 << 20,
            mesh_triangles: 5_000_000,
            hfield_side: 4096,
            texture_side: 8192,
            name_bytes: 256,
        }
    }
}

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Import {
    /// The robot or scene.
    pub model: RobotModel,
    /// What of the file is not in it.
    pub report: LossReport,
}

/// Reads a robot file; its root element says which format it is.
///
/// # Errors
/// One [`Error`] at the first thing that is wrong: unreadable or oversized files, bad XML, names and attributes that
/// the format does not know, values out of range, references to nothing, features that keiko does not support.
pub fn load(path: &Path, options: &ImportOptions) -> Result<Import> {
    let root = AssetRoot::new(path, options)?;
    let document = xml::read(&root, path, &options.limits)?;
    let import = match document.name.as_str() {
        "mujoco" => mjcf::lower(document, &root, &options.limits),
        "robot" => urdf::lower(document, &root, options),
        other => Err(document
            .error(ErrorKind::Unknown, format!("the root element is `<{other}>`"))
            .allowed("expected `<mujoco>` (MJCF) or `<robot>` (URDF)")
            .nearest(other, ["mujoco", "robot"])),
    }?;
    // The last line: whatever a reader let through is found here, if without a place.
    match validate(&import.model).first() {
        Some(problem) => Err(problem.at(Location::file(path))),
        None => Ok(import),
    }
}

/// Refuses a name that is too long to be one.
pub(crate) fn check_name(name: &str, limits: &Limits, at: impl FnOnce() -> Error) -> Result<()> {
    if name.len() > limits.name_bytes {
        return Err(at().allowed(format!("a name has at most {} bytes", limits.name_bytes)));
    }
    Ok(())
}
