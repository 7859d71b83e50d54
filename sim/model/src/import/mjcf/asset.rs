//! `<asset>`: meshes and height fields.

use std::path::Path;

use glam::{DMat3, DQuat, DVec3};

use super::compiler::EPSILON;
use super::defaults::MAIN;
use super::include::locate;
use super::names::Target;
use super::option::unsupported;
use super::{Reader, inertia};
use crate::Pose;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::hull::convex_hull;
use crate::import::xml::{Attribute, Element};
use crate::mesh::{self, MeshInertia, MeshLimits};
use crate::png;
use crate::robot::{HeightField, Mesh};

/// A mesh, moved to its inertial frame as MuJoCo does, and what it weighs.
#[derive(Clone, Debug)]
pub struct MeshAsset {
    /// `file_from_inertial`: geoms are placed by the frame of the file.
    pub frame: Pose,
    /// Its mass properties about that frame, or why it has none.
    pub solid: std::result::Result<inertia::Solid, mesh::DegenerateMesh>,
    /// Corners of its bounding box in that frame \[m\].
    pub bounds: [DVec3; 2],
}

impl MeshAsset {
    /// Half sizes of the box with the same inertia \[m\].
    pub fn inertia_box(&self) -> std::result::Result<DVec3, mesh::DegenerateMesh> {
        let moments = self.solid.clone()?.moments_per_mass;
        let total = moments.element_sum();
        Ok(((DVec3::splat(total) - 2.0 * moments).max(DVec3::ZERO) * 1.5).map(f64::sqrt))
    }
}

impl<'a> Reader<'a> {
    pub(super) fn read_assets(&mut self) -> Result<()> {
        let items = self.items("asset");
        // Materials name textures wherever those stand.
        items.iter().filter(|e| e.name == "texture").try_for_each(|e| self.read_texture(e))?;
        for e in items {
            match e.name.as_str() {
                "mesh" => self.read_mesh(e)?,
                "hfield" => self.read_height_field(e)?,
                "material" => self.read_material(e)?,
                // Left to the report of what was not read.
                _ => {}
            }
        }
        Ok(())
    }

    fn read_mesh(&mut self, e: &'a Element) -> Result<()> {
        e.visit();
        let (mut scale, mut rule) = (DVec3::ONE, MeshInertia::Legacy);
        for source in self.defaults.for_element(e, MAIN, &["mesh"])?.into_iter().chain([e]) {
            scale = source.vec3("scale")?.unwrap_or(scale);
            source.get("maxhullvert");
            match source.keyword("inertia", &["convex", "legacy", "exact", "shell"])? {
                Some(0) => rule = MeshInertia::Convex,
                Some(1) => rule = MeshInertia::Legacy,
                Some(2) => rule = MeshInertia::Exact,
                Some(_) => rule = MeshInertia::Shell,
                None => {}
            }
        }
        if scale.to_array().contains(&0.0) {
            return Err(e
                .error_at("scale", ErrorKind::Value, "a mesh scale of 0")
                .allowed("numbers other than 0"));
        }
        if let Some(plugin) = e.child("plugin") {
            return Err(unsupported(plugin, "a mesh made by a plugin"));
        }
        if e.has("builtin") {
            return Err(unsupported(e, "a `builtin` mesh"));
        }
        for harmless in ["normal", "smoothnormal", "material", "content_type"] {
            e.get(harmless);
        }
        let index = self.model.meshes.len();
        let mut mesh = self.load_mesh(e)?;
        mesh.name = self.mesh_name(e, index)?;
        let reference = Pose::new(
            e.vec3("refpos")?.unwrap_or(DVec3::ZERO),
            match e.array::<4>("refquat")? {
                Some([w, x, y, z]) if (w * w + x * x + y * y + z * z).sqrt() > EPSILON => {
                    DQuat::from_xyzw(x, y, z, w).normalize()
                }
                Some(_) => return Err(e.error_at("refquat", ErrorKind::Value, "a quaternion of length 0")),
                None => DQuat::IDENTITY,
            },
        );
        transform(&mut mesh, reference, scale);
        self.mesh_assets.push(move_to_inertial_frame(&mut mesh, rule));
        self.model.meshes.push(mesh);
        Ok(())
    }

    /// The name of a mesh: given, or that of its file.
    fn mesh_name(&mut self, e: &Element, index: usize) -> Result<String> {
        let name = self.meshes.claim(e, "", Target::Kept(index), self.limits)?;
        if !name.is_empty() {
            return Ok(name);
        }
        let Some(file) = e.get("file") else {
            return Err(e.error(ErrorKind::Structure, "a mesh without `name` and without `file`"));
        };
        let stem =
            Path::new(&file.value).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        self.meshes.claim_as(&stem, file, Target::Kept(index))
    }

    fn load_mesh(&self, e: &Element) -> Result<Mesh> {
        let limits =
            MeshLimits { max_bytes: self.limits.mesh_bytes, max_triangles: self.limits.mesh_triangles };
        if let Some(file) = e.get("file") {
            let path = self.asset_file(e, &file.value);
            let extension = path.extension().map(|x| x.to_string_lossy().to_lowercase()).unwrap_or_default();
            if extension == "msh" {
                let bytes = self.files.read(&path, self.limits.mesh_bytes, &file.location())?;
                return read_msh(&bytes, &Location::file(path), &limits);
            }
            if !mesh::MESH_EXTENSIONS.contains(&extension.as_str()) {
                let message = format!("mesh format `.{extension}` of `{}`", file.value);
                return Err(file.error(ErrorKind::Unsupported, message).allowed("STL, OBJ and MSH are read"));
            }
            self.files.confine(&path, &file.location())?;
            return mesh::load_mesh(&path, DVec3::ONE, &limits);
        }
        let vertices = e.require("vertex")?;
        let numbers = vertices.f64s(3, 3 * 3 * self.limits.mesh_triangles)?;
        let points: Vec<[f64; 3]> = triples(vertices, &numbers)?;
        let Some(faces) = e.get("face") else { return hull_of(&points, vertices.location()) };
        let indices = faces.f64s(3, 3 * self.limits.mesh_triangles)?;
        if let Some(bad) =
            indices.iter().find(|i| i.fract() != 0.0 || **i < 0.0 || **i >= points.len() as f64)
        {
            let message = format!("the vertex index {bad}");
            let allowed = format!("whole numbers from 0 to {}", points.len() - 1);
            return Err(faces.error(ErrorKind::Value, message).allowed(allowed));
        }
        let triangles = triples(faces, &indices)?.into_iter().map(|t| t.map(|i| i as u32));
        let triangles: Vec<[u32; 3]> = triangles.collect();
        let places = self.inline_places(e, points.len())?;
        mesh::mesh_with_texcoords("", &points, &triangles, &places, DVec3::ONE, &e.location(), &limits)
    }

    /// Where the vertices of a mesh that stands in the file are in a texture.
    fn inline_places(&self, e: &Element, num_vertices: usize) -> Result<Vec<[f32; 2]>> {
        let Some(texcoord) = e.get("texcoord") else { return Ok(Vec::new()) };
        let numbers = texcoord.f64s(2, 2 * 3 * self.limits.mesh_triangles)?;
        if numbers.len() != 2 * num_vertices {
            let message = format!("`texcoord` has {} numbers", numbers.len());
            return Err(texcoord
                .error(ErrorKind::Value, message)
                .allowed(format!("two for each of the {num_vertices} vertices")));
        }
        Ok(numbers.chunks_exact(2).map(|pair| [pair[0] as f32, pair[1] as f32]).collect())
    }

    /// Where an asset lies: in the asset folder, or beside the included file that names it.
    fn asset_file(&self, e: &Element, name: &str) -> std::path::PathBuf {
        self.file_in(&self.compiler.mesh_dir, e, name)
    }

    /// The same for a texture.
    pub(super) fn texture_file(&self, e: &Element, name: &str) -> std::path::PathBuf {
        self.file_in(&self.compiler.texture_dir, e, name)
    }

    fn file_in(&self, asset_folder: &str, e: &Element, name: &str) -> std::path::PathBuf {
        let folder = e.file().parent().unwrap_or(Path::new("."));
        let path = locate(self.files, folder, &self.compiler.asset_path(asset_folder, name));
        let beside = folder.join(name.replace('\\', "/"));
        if !self.files.exists(&path) && self.files.exists(&beside) { beside } else { path }
    }

    fn read_height_field(&mut self, e: &'a Element) -> Result<()> {
        e.visit();
        e.get("content_type");
        let [x, y, elevation, base] = e.require("size")?.f64s(4, 4).map(|v| [v[0], v[1], v[2], v[3]])?;
        if [x, y, elevation, base].iter().any(|s| *s <= 0.0) {
            let message = format!("the size {x} {y} {elevation} {base} of a height field");
            return Err(e.error_at("size", ErrorKind::Value, message).allowed("four positive numbers"));
        }
        let (num_rows, num_cols, mut heights) = match e.get("file") {
            Some(_) => self.height_field_file(e)?,
            None => self.height_field_inline(e)?,
        };
        // Heights span 0 to 1 before they are scaled, as in MuJoCo.
        let low = heights.iter().copied().fold(f32::INFINITY, f32::min);
        let high = heights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let span = if high > low { high - low } else { 1.0 };
        heights.iter_mut().for_each(|h| *h = (*h - low) / span * elevation as f32);
        let index = self.model.height_fields.len();
        let mut name = self.height_fields.claim(e, "", Target::Kept(index), self.limits)?;
        if name.is_empty() {
            let Some(file) = e.get("file") else {
                return Err(e.error(ErrorKind::Structure, "a height field without `name` and without `file`"));
            };
            let stem = Path::new(&file.value)
                .file_stem()
                .map(|s| s.to_string_lossy().into_owned())
                .unwrap_or_default();
            name = self.height_fields.claim_as(&stem, file, Target::Kept(index))?;
        }
        self.model.height_fields.push(HeightField {
            name,
            num_rows,
            num_cols,
            half_size: [x, y],
            heights,
            base,
        });
        Ok(())
    }

    fn check_grid(&self, e: &Element, attribute: &str, rows: i64, cols: i64) -> Result<[usize; 2]> {
        let side = self.limits.hfield_side;
        let check = |n: i64| usize::try_from(n).ok().filter(|n| (1..=side).contains(n));
        match (check(rows), check(cols)) {
            (Some(rows), Some(cols)) => Ok([rows, cols]),
            _ => Err(e
                .error_at(
                    attribute,
                    ErrorKind::Limit,
                    format!("a height field of {rows} rows and {cols} columns"),
                )
                .allowed(format!("1 to {side} of each"))),
        }
    }

    fn height_field_inline(&self, e: &Element) -> Result<(usize, usize, Vec<f32>)> {
        let rows = e.i32("nrow")?.unwrap_or(0);
        let cols = e.i32("ncol")?.unwrap_or(0);
        let [rows, cols] = self.check_grid(e, "nrow", rows.into(), cols.into())?;
        let heights = match e.get("elevation") {
            Some(elevation) => {
                let numbers = elevation.f64s(rows * cols, rows * cols)?;
                // The file lists the row of largest y first.
                let rows_from_top: Vec<&[f64]> = numbers.chunks_exact(cols).rev().collect();
                rows_from_top.concat().into_iter().map(|h| h as f32).collect()
            }
            None => vec![0.0; rows * cols],
        };
        Ok((rows, cols, heights))
    }

    /// Heights are what is red in an image, with 8 bits; its upper row is that of largest y.
    fn height_field_image(
        &self,
        e: &Element,
        file: &Attribute,
        bytes: &[u8],
    ) -> Result<(usize, usize, Vec<f32>)> {
        let image = png::decode(bytes)
            .map_err(|fault| file.error(ErrorKind::Syntax, format!("`{}`: {fault}", file.value)))?;
        let [rows, cols] = self.check_grid(e, "file", image.height as i64, image.width as i64)?;
        let rows_from_top: Vec<&[u8]> = image.rgb.chunks_exact(3 * cols).rev().collect();
        let heights = rows_from_top.concat().iter().step_by(3).map(|red| f32::from(*red)).collect();
        Ok((rows, cols, heights))
    }

    fn height_field_file(&self, e: &Element) -> Result<(usize, usize, Vec<f32>)> {
        let file = e.require("file")?;
        let path = self.asset_file(e, &file.value);
        let extension = path.extension().map(|x| x.to_string_lossy().to_lowercase()).unwrap_or_default();
        let bytes = self.files.read(&path, self.limits.mesh_bytes, &file.location())?;
        if extension == "png" {
            return self.height_field_image(e, file, &bytes);
        }
        let word = |i: usize| bytes.get(4 * i..4 * i + 4).map(|b| [b[0], b[1], b[2], b[3]]);
        let (Some(rows), Some(cols)) = (word(0).map(i32::from_le_bytes), word(1).map(i32::from_le_bytes))
        else {
            return Err(
                file.error(ErrorKind::Syntax, format!("`{}` is too short for a height field", file.value))
            );
        };
        let [rows, cols] = self.check_grid(e, "file", rows.into(), cols.into())?;
        if bytes.len() != 8 + 4 * rows * cols {
            let message = format!("`{}` has {} bytes for {rows} x {cols} heights", file.value, bytes.len());
            return Err(file
                .error(ErrorKind::Syntax, message)
                .allowed(format!("{} bytes", 8 + 4 * rows * cols)));
        }
        let heights: Vec<f32> = (2..2 + rows * cols).filter_map(word).map(f32::from_le_bytes).collect();
        if heights.iter().any(|h| !h.is_finite()) {
            return Err(
                file.error(ErrorKind::Value, format!("`{}` holds a height that is not finite", file.value))
            );
        }
        Ok((rows, cols, heights))
    }
}

fn triples(attribute: &Attribute, numbers: &[f64]) -> Result<Vec<[f64; 3]>> {
    if !numbers.len().is_multiple_of(3) {
        let message = format!("`{}` has {} numbers", attribute.name, numbers.len());
        return Err(attribute.error(ErrorKind::Value, message).allowed("a multiple of 3"));
    }
    Ok(numbers.chunks_exact(3).map(|t| [t[0], t[1], t[2]]).collect())
}

/// A mesh of vertices alone is their convex hull.
fn hull_of(points: &[[f64; 3]], at: Location) -> Result<Mesh> {
    let vertices: Vec<[f32; 3]> = points.iter().map(|p| p.map(|x| x as f32)).collect();
    if let Some(i) = vertices.iter().position(|v| v.iter().any(|x| !x.is_finite())) {
        return Err(Error::new(ErrorKind::Value, at, format!("mesh vertex {i} is not finite")));
    }
    let cloud = Mesh { name: String::new(), vertices, triangles: Vec::new(), texcoords: Vec::new() };
    convex_hull(&cloud).map_err(|reason| reason.at(at))
}

/// MuJoCo's own mesh format: four counts, then vertices, normals, texture coordinates and triangles.
fn read_msh(bytes: &[u8], at: &Location, limits: &MeshLimits) -> Result<Mesh> {
    let word = |i: usize| bytes.get(4 * i..4 * i + 4).map_or([0; 4], |b| [b[0], b[1], b[2], b[3]]);
    let count = |i: usize| i32::from_le_bytes(word(i)) as i64;
    let [vertices, normals, texcoords, faces] = [count(0), count(1), count(2), count(3)];
    let bad = || {
        let message =
            format!("{} bytes for {vertices} vertices and {faces} triangles are no MSH file", bytes.len());
        Error::new(ErrorKind::Syntax, at.clone(), message)
    };
    let counts = [vertices, normals, texcoords, faces];
    // 32-bit counts: their sum in 64 bits cannot overflow.
    let words = 4 + 3 * vertices + 3 * normals + 2 * texcoords + 3 * faces;
    if counts.iter().any(|n| *n < 0) || bytes.len() as i64 != 4 * words {
        return Err(bad());
    }
    let float = |i: i64| f64::from(f32::from_le_bytes(word(i as usize)));
    let points: Vec<[f64; 3]> = (0..vertices).map(|v| [0, 1, 2].map(|k| float(4 + 3 * v + k))).collect();
    let first = words - 3 * faces;
    let first_place = 4 + 3 * vertices + 3 * normals;
    let places: Vec<[f32; 2]> = match texcoords == vertices {
        true => (0..texcoords).map(|v| [0, 1].map(|k| float(first_place + 2 * v + k) as f32)).collect(),
        false => Vec::new(),
    };
    let index = |i: i64| u32::from_le_bytes(word(i as usize));
    let triangles: Vec<[u32; 3]> = (0..faces).map(|f| [0, 1, 2].map(|k| index(first + 3 * f + k))).collect();
    if triangles.is_empty() {
        return hull_of(&points, at.clone());
    }
    mesh::mesh_with_texcoords("", &points, &triangles, &places, DVec3::ONE, at, limits)
}

fn transform(mesh: &mut Mesh, reference: Pose, scale: DVec3) {
    if reference == Pose::IDENTITY && scale == DVec3::ONE {
        return;
    }
    let inverse = reference.inverse();
    for v in &mut mesh.vertices {
        let moved = inverse.transform_point(DVec3::from_array(v.map(f64::from))) * scale;
        *v = moved.to_array().map(|x| x as f32);
    }
    if scale.element_product() < 0.0 {
        mesh.triangles.iter_mut().for_each(|t| t.swap(1, 2));
        mesh.texcoords.iter_mut().for_each(|t| t.swap(1, 2));
    }
}

fn move_to_inertial_frame(mesh: &mut Mesh, rule: MeshInertia) -> MeshAsset {
    let (frame, solid) = match mesh::mass_properties_as(mesh, rule) {
        Ok(mass) => {
            let (moments, rotation) = mesh::principal_axes(mass.inertia);
            let solid = inertia::Solid { volume: mass.volume, moments_per_mass: moments / mass.volume };
            (Pose::new(mass.com, rotation), Ok(solid))
        }
        Err(reason) => (Pose::IDENTITY, Err(reason)),
    };
    let inverse = frame.inverse();
    let turn = DMat3::from_quat(inverse.rotation);
    let mut bounds = [DVec3::INFINITY, DVec3::NEG_INFINITY];
    for v in &mut mesh.vertices {
        let moved = inverse.position + turn * DVec3::from_array(v.map(f64::from));
        bounds = [bounds[0].min(moved), bounds[1].max(moved)];
        *v = moved.to_array().map(|x| x as f32);
    }
    MeshAsset { frame, solid, bounds }
}
