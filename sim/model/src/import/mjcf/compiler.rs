//! `<compiler>`: how the rest of the file is to be read, and the ways to write an orientation.

use glam::{DMat3, DQuat, DVec3};

use crate::error::{ErrorKind, Result};
use crate::import::xml::Element;

/// Lengths under this are zero, as in MuJoCo.
pub const EPSILON: f64 = 1e-14;

/// When a body's mass comes from its geoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InertiaFromGeom {
    /// Never.
    No,
    /// Always, whatever `<inertial>` says.
    Yes,
    /// For bodies without `<inertial>`.
    Auto,
}

/// The settings of all `<compiler>` elements, the last one winning.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// Angles in the file are degrees.
    pub degree: bool,
    /// Axes of Euler angles: lower case moves along, upper case is fixed.
    pub euler_sequence: [u8; 3],
    /// Folder of meshes and height fields.
    pub mesh_dir: String,
    /// Folder of textures.
    pub texture_dir: String,
    /// File names are cut to their last part.
    pub strip_path: bool,
    /// A range implies a limit.
    pub auto_limits: bool,
    /// See [`InertiaFromGeom`].
    pub inertia_from_geom: InertiaFromGeom,
    /// Geom groups that weigh, inclusive.
    pub inertia_group_range: [i32; 2],
    /// Least mass of a body \[kg\].
    pub bound_mass: f64,
    /// Least principal moment of a body \[kg·m²\].
    pub bound_inertia: f64,
    /// Impossible inertias become balls instead of errors.
    pub balance_inertia: bool,
    /// Total mass that all bodies are scaled to \[kg\], if positive.
    pub total_mass: f64,
    /// Primitive geoms take a mesh's bounding box instead of its inertia box.
    pub fit_aabb: bool,
    /// Free bodies without children get their frame moved to the centre of mass.
    pub align_free: bool,
}

impl Default for Compiler {
    fn default() -> Self {
        Self {
            degree: true,
            euler_sequence: *b"xyz",
            mesh_dir: String::new(),
            texture_dir: String::new(),
            strip_path: false,
            auto_limits: true,
            inertia_from_geom: InertiaFromGeom::Auto,
            inertia_group_range: [0, 5],
            bound_mass: 0.0,
            bound_inertia: 0.0,
            balance_inertia: false,
            total_mass: -1.0,
            fit_aabb: false,
            align_free: false,
        }
    }
}

impl Compiler {
    /// Reads one `<compiler>` over the settings so far.
    ///
    /// # Errors
    /// If a value is not what its attribute takes.
    pub fn apply(&mut self, e: &Element) -> Result<()> {
        e.visit();
        if let Some(angle) = e.keyword("angle", &["radian", "degree"])? {
            self.degree = angle == 1;
        }
        if e.keyword("coordinate", &["local", "global"])? == Some(1) {
            return Err(e
                .error_at("coordinate", ErrorKind::Unsupported, "global coordinates")
                .allowed("convert the file with MuJoCo 2.3.3 or older"));
        }
        if let Some(sequence) = e.get("eulerseq") {
            let axes: Vec<u8> = sequence.value.bytes().collect();
            let valid = axes.iter().all(|a| b"xyzXYZ".contains(a));
            self.euler_sequence = axes.try_into().ok().filter(|_| valid).ok_or_else(|| {
                sequence
                    .bad("is no sequence of axes")
                    .allowed("three of x, y, z (moving) and X, Y, Z (fixed)")
            })?;
        }
        for (key, is_for_all) in [("assetdir", true), ("meshdir", false)] {
            if let Some(folder) = e.str(key) {
                self.mesh_dir = folder.to_owned();
                if is_for_all {
                    self.texture_dir = folder.to_owned();
                }
            }
        }
        if let Some(folder) = e.str("texturedir") {
            self.texture_dir = folder.to_owned();
        }
        // A file's own order of work has no meaning here.
        for harmless in ["usethread", "saveinertial", "conflict"] {
            e.get(harmless);
        }
        set(&mut self.strip_path, e.bool("strippath")?);
        set(&mut self.auto_limits, e.bool("autolimits")?);
        if let Some(choice) = e.keyword("inertiafromgeom", &["false", "true", "auto"])? {
            self.inertia_from_geom =
                [InertiaFromGeom::No, InertiaFromGeom::Yes, InertiaFromGeom::Auto][choice];
        }
        if let Some(range) = e.array::<2>("inertiagrouprange")? {
            self.inertia_group_range = range.map(|x| x as i32);
        }
        set(&mut self.bound_mass, e.f64("boundmass")?);
        set(&mut self.bound_inertia, e.f64("boundinertia")?);
        for (key, value) in [("boundmass", self.bound_mass), ("boundinertia", self.bound_inertia)] {
            if value < 0.0 {
                return Err(e
                    .error_at(key, ErrorKind::Value, format!("`{key}` is {value}"))
                    .allowed("0 or more"));
            }
        }
        set(&mut self.balance_inertia, e.bool("balanceinertia")?);
        set(&mut self.total_mass, e.f64("settotalmass")?);
        set(&mut self.fit_aabb, e.bool("fitaabb")?);
        set(&mut self.align_free, e.bool("alignfree")?);
        Ok(())
    }

    /// An angle of the file in radians.
    pub fn radians(&self, angle: f64) -> f64 {
        if self.degree { angle.to_radians() } else { angle }
    }

    /// Path of an asset of a folder, relative to the main file's.
    pub fn asset_path(&self, folder: &str, file: &str) -> String {
        let file = file.replace('\\', "/");
        let file = if self.strip_path { file.rsplit('/').next().unwrap_or_default() } else { &file };
        std::path::Path::new(&folder.replace('\\', "/")).join(file).to_string_lossy().into_owned()
    }

    /// The orientation that an element gives in one of five ways, if any.
    ///
    /// # Errors
    /// If it gives several, or one whose length is zero.
    pub fn orientation(&self, e: &Element) -> Result<Option<DQuat>> {
        const FORMS: [&str; 5] = ["quat", "axisangle", "xyaxes", "zaxis", "euler"];
        let given: Vec<&str> = FORMS.into_iter().filter(|form| e.has(form)).collect();
        let Some(&form) = given.first() else { return Ok(None) };
        if given.len() > 1 {
            let message = format!("{} has both `{}` and `{}`", e.describe(), given[0], given[1]);
            return Err(e
                .error_at(given[1], ErrorKind::Structure, message)
                .allowed("one orientation is expected"));
        }
        let too_small = |what: &str| {
            let message = format!("{what} of attribute `{form}` has no length");
            e.error_at(form, ErrorKind::Value, message).allowed("a vector of positive length is expected")
        };
        let unit = |v: DVec3, what: &str| {
            if v.length() < EPSILON { Err(too_small(what)) } else { Ok(v.normalize()) }
        };
        match form {
            "quat" => {
                let Some([w, x, y, z]) = e.array("quat")? else { return Ok(None) };
                let quat = DQuat::from_xyzw(x, y, z, w);
                if quat.length() < EPSILON {
                    return Err(too_small("the quaternion"));
                }
                Ok(Some(quat.normalize()))
            }
            "axisangle" => {
                let Some([x, y, z, angle]) = e.array("axisangle")? else { return Ok(None) };
                let axis = unit(DVec3::new(x, y, z), "the axis")?;
                Ok(Some(DQuat::from_axis_angle(axis, self.radians(angle))))
            }
            "xyaxes" => {
                let Some([a, b, c, d, e, f]) = e.array("xyaxes")? else { return Ok(None) };
                let x = unit(DVec3::new(a, b, c), "the x axis")?;
                let y = unit(DVec3::new(d, e, f).reject_from_normalized(x), "the y axis across x")?;
                Ok(Some(DQuat::from_mat3(&DMat3::from_cols(x, y, x.cross(y))).normalize()))
            }
            "zaxis" => {
                let Some(z) = e.vec3("zaxis")? else { return Ok(None) };
                Ok(Some(rotation_from_z(unit(z, "the z axis")?)))
            }
            _ => Ok(e.vec3("euler")?.map(|angles| self.euler(angles))),
        }
    }

    /// The rotation of three Euler angles in the file's units and sequence.
    pub fn euler(&self, angles: DVec3) -> DQuat {
        let steps = self.euler_sequence.iter().zip(angles.to_array());
        let rotation = steps.fold(DQuat::IDENTITY, |rotation, (axis, angle)| {
            let angle = self.radians(angle);
            let step = match axis.to_ascii_lowercase() {
                b'x' => DQuat::from_rotation_x(angle),
                b'y' => DQuat::from_rotation_y(angle),
                _ => DQuat::from_rotation_z(angle),
            };
            if axis.is_ascii_lowercase() { rotation * step } else { step * rotation }
        });
        rotation.normalize()
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

/// The smallest rotation that turns the z axis to a unit vector; about x when they are opposed.
pub fn rotation_from_z(direction: DVec3) -> DQuat {
    let across = DVec3::Z.cross(direction);
    let axis = if across.length() < 1e-10 { DVec3::X } else { across.normalize() };
    DQuat::from_axis_angle(axis, across.length().atan2(direction.z))
}
