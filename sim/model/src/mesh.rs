//! Triangle meshes from STL and OBJ files.
//!
//! A loaded [`Mesh`] has finite vertices, valid indices and at least one triangle; equal vertices are merged and
//! triangles without area are gone. Whether it also spans a volume is [`check_solid`]'s question, asked only
//! where a hull or a mass is needed: a flat mesh is fine to look at.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use glam::DVec3;

use crate::error::{Error, ErrorKind, Location, Result};
use crate::robot::Mesh;

pub use crate::inertia::{
    DegenerateMesh, MassProperties, MeshInertia, check_solid, mass_properties, mass_properties_as,
    principal_axes,
};

/// What a mesh file may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeshLimits {
    /// Largest file \[bytes\].
    pub max_bytes: u64,
    /// Most triangles in one mesh.
    pub max_triangles: usize,
}

impl Default for MeshLimits {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_triangles: 5_000_000 }
    }
}

/// Formats that [`load_mesh`] reads, by extension.
pub const MESH_EXTENSIONS: [&str; 2] = ["stl", "obj"];

/// Reads an STL (binary or ascii) or OBJ file as one mesh, each vertex times `scale` component by component.
/// All objects of an OBJ file are merged and polygons cut into triangles. A mirroring scale turns the triangles
/// round, so that outside stays outside. The mesh is named after the file.
///
/// # Errors
/// `Unsupported` for another format, `Io`, `Limit`, `Syntax`, or `Value` for numbers that are not finite.
pub fn load_mesh(path: &Path, scale: DVec3, limits: &MeshLimits) -> Result<Mesh> {
    mesh_extension(path)?;
    mesh_from_bytes(path, &read_regular_file(path, limits.max_bytes)?, scale, limits)
}

/// [`load_mesh`] of a file that is already in memory; `path` gives the format, the name, and the place of errors.
///
/// # Errors
/// As [`load_mesh`], without `Io`.
pub fn mesh_from_bytes(path: &Path, bytes: &[u8], scale: DVec3, limits: &MeshLimits) -> Result<Mesh> {
    let soup = match mesh_extension(path)? {
        "stl" => read_stl(path, bytes, limits)?,
        _ => read_obj(path, bytes, limits)?,
    };
    let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    build(name, &soup, scale, &Location::file(path), limits)
}

/// A mesh from plain arrays, checked, scaled and cleaned as one from a file; `at` is blamed for what is wrong.
///
/// # Errors
/// `Value` for numbers that are not finite, indices out of range and empty meshes, `Limit` for too many triangles.
pub fn mesh_from_arrays(
    name: &str,
    vertices: &[[f64; 3]],
    triangles: &[[u32; 3]],
    scale: DVec3,
    at: &Location,
    limits: &MeshLimits,
) -> Result<Mesh> {
    mesh_with_texcoords(name, vertices, triangles, &[], scale, at, limits)
}

/// [`mesh_from_arrays`] with the place of each vertex in a texture; empty for none.
pub(crate) fn mesh_with_texcoords(
    name: &str,
    vertices: &[[f64; 3]],
    triangles: &[[u32; 3]],
    places: &[[f32; 2]],
    scale: DVec3,
    at: &Location,
    limits: &MeshLimits,
) -> Result<Mesh> {
    let place = |vertex: u32| places.get(vertex as usize).copied().unwrap_or_default();
    let texcoords = match places {
        [] => Vec::new(),
        _ => triangles.iter().map(|triangle| triangle.map(place)).collect(),
    };
    let soup = Soup { vertices: vertices.to_vec(), triangles: triangles.to_vec(), texcoords };
    build(name.to_owned(), &soup, scale, at, limits)
}

/// The extension in lower case if [`load_mesh`] can read it.
///
/// # Errors
/// `Unsupported`, naming what to convert to.
pub fn mesh_extension(path: &Path) -> Result<&'static str> {
    let found = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    MESH_EXTENSIONS.into_iter().find(|known| *known == found).ok_or_else(|| {
        let what = if found.is_empty() { "no extension".to_owned() } else { format!("format `.{found}`") };
        Error::new(ErrorKind::Unsupported, Location::file(path), format!("mesh file with {what}"))
            .allowed("convert to STL or OBJ")
    })
}

/// Vertices and triangles as the file has them.
struct Soup {
    vertices: Vec<[f64; 3]>,
    triangles: Vec<[u32; 3]>,
    /// As [`Mesh::texcoords`].
    texcoords: Vec<[[f32; 2]; 3]>,
}

/// The whole content of a regular file of at most `max_bytes`; pipes, devices and folders are refused unopened.
fn read_regular_file(path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    let at = || Location::file(path);
    let io = |e: std::io::Error| Error::new(ErrorKind::Io, at(), format!("cannot be read: {e}"));
    let too_big = |len: u64| {
        Error::new(ErrorKind::Limit, at(), format!("file of {len} bytes"))
            .allowed(format!("at most {max_bytes} bytes"))
    };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::Io, at(), "not a regular file"));
    }
    if metadata.len() > max_bytes {
        return Err(too_big(metadata.len()));
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(max_bytes + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_big(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Length of a binary STL file before its triangles, and of one triangle.
const STL_HEADER: usize = 84;
const STL_TRIANGLE: usize = 50;

fn read_stl(path: &Path, bytes: &[u8], limits: &MeshLimits) -> Result<Soup> {
    let at = || Location::file(path);
    let syntax = |message: String| Error::new(ErrorKind::Syntax, at(), message);
    let announced = bytes.get(80..STL_HEADER).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    // The size decides, not the first word: many binary files begin with "solid" too.
    let binary_size = announced.and_then(|n| (n as usize).checked_mul(STL_TRIANGLE)?.checked_add(STL_HEADER));
    let is_ascii = binary_size != Some(bytes.len()) && bytes.starts_with(b"solid");
    if !is_ascii {
        let Some(count) = announced else {
            return Err(syntax(format!("{} bytes are no STL file", bytes.len()))
                .allowed("`solid`, or 84 bytes and 50 bytes for each triangle"));
        };
        // Some exporters pad the end; a file that is too short lacks triangles.
        if binary_size.is_none_or(|size| bytes.len() < size) {
            return Err(syntax(format!("STL of {count} triangles in {} bytes", bytes.len()))
                .allowed("84 bytes and 50 bytes for each triangle"));
        }
        check_triangle_count(count as usize, limits, &at())?;
    }
    // The reader decides by the first word; hide it from the binary case.
    let mut owned;
    let mut cursor = if is_ascii {
        owned = b"solid \n".to_vec();
        owned.extend(bytes.iter().skip_while(|b| **b != b'\n').skip(1));
        Cursor::new(owned.as_slice())
    } else {
        owned = bytes.to_vec();
        owned[..80].fill(0);
        Cursor::new(owned.as_slice())
    };
    let reader = stl_io::create_stl_reader(&mut cursor).map_err(|e| syntax(format!("STL: {e}")))?;
    let mut soup = Soup { vertices: Vec::new(), triangles: Vec::new(), texcoords: Vec::new() };
    for triangle in reader {
        let triangle = triangle.map_err(|e| syntax(format!("STL triangle {}: {e}", soup.triangles.len())))?;
        let first = soup.vertices.len() as u32;
        soup.vertices.extend(triangle.vertices.map(|v| v.0.map(f64::from)));
        soup.triangles.push([first, first + 1, first + 2]);
        check_triangle_count(soup.triangles.len(), limits, &at())?;
    }
    Ok(soup)
}

fn read_obj(path: &Path, bytes: &[u8], limits: &MeshLimits) -> Result<Soup> {
    // Polygons are cut here: by the shorter diagonal, which a mass by the legacy rule can tell from the other one.
    let options = tobj::LoadOptions { ignore_points: true, ignore_lines: true, ..Default::default() };
    let mut rest = bytes;
    // Materials are never opened: they may name any file, and only the geometry is wanted.
    let no_materials = |_: &Path| Ok((Vec::new(), Default::default()));
    let (models, _) = tobj::load_obj_buf(&mut rest, &options, no_materials).map_err(|e| {
        let consumed = bytes.len() - rest.len();
        let line = bytes[..consumed].iter().filter(|b| **b == b'\n').count().max(1) as u32;
        Error::new(ErrorKind::Syntax, Location { file: path.into(), line, column: 0 }, format!("OBJ: {e}"))
    })?;
    let mut soup = Soup { vertices: Vec::new(), triangles: Vec::new(), texcoords: Vec::new() };
    for mesh in models.iter().map(|m| &m.mesh) {
        let first = soup.vertices.len() as u32;
        soup.vertices.extend(mesh.positions.chunks_exact(3).map(|p| [p[0], p[1], p[2]].map(f64::from)));
        // Rows of OBJ's pictures are counted from below.
        let place = |i: &u32| {
            let at = 2 * *i as usize;
            mesh.texcoords.get(at..at + 2).map_or([0.0; 2], |uv| [uv[0], 1.0 - uv[1]])
        };
        let is_mapped = mesh.texcoord_indices.len() == mesh.indices.len();
        if is_mapped {
            soup.texcoords.resize(soup.triangles.len(), [[0.0; 2]; 3]);
        }
        let all_triangles = vec![3; if mesh.face_arities.is_empty() { mesh.indices.len() / 3 } else { 0 }];
        let mut begin = 0;
        for arity in mesh.face_arities.iter().chain(&all_triangles) {
            let corners = begin..(begin + *arity as usize).min(mesh.indices.len());
            begin = corners.end;
            let face: Vec<u32> = mesh.indices[corners.clone()].iter().map(|i| i + first).collect();
            for triangle in cut_polygon(&face, &soup.vertices) {
                soup.triangles.push(triangle.map(|corner| face[corner]));
                if is_mapped {
                    let places = &mesh.texcoord_indices[corners.clone()];
                    soup.texcoords.push(triangle.map(|corner| place(&places[corner])));
                }
            }
        }
        check_triangle_count(soup.triangles.len(), limits, &Location::file(path))?;
    }
    if !soup.texcoords.is_empty() {
        soup.texcoords.resize(soup.triangles.len(), [[0.0; 2]; 3]);
    }
    Ok(soup)
}

/// Triangles of a convex polygon, by the places of its corners: a fan, from the second one if that makes a quad's diagonal
/// the shorter one.
fn cut_polygon(face: &[u32], vertices: &[[f64; 3]]) -> Vec<[usize; 3]> {
    let corner = |i: usize| vertices.get(face[i] as usize).map_or(DVec3::ZERO, |v| DVec3::from_array(*v));
    if face.len() == 4 && corner(0).distance_squared(corner(2)) >= corner(1).distance_squared(corner(3)) {
        return vec![[0, 1, 3], [1, 2, 3]];
    }
    (2..face.len()).map(|last| [0, last - 1, last]).collect()
}

fn check_triangle_count(count: usize, limits: &MeshLimits, at: &Location) -> Result<()> {
    if count > limits.max_triangles {
        return Err(Error::new(ErrorKind::Limit, at.clone(), format!("mesh of {count} triangles"))
            .allowed(format!("at most {}", limits.max_triangles)));
    }
    Ok(())
}

fn build(name: String, soup: &Soup, scale: DVec3, at: &Location, limits: &MeshLimits) -> Result<Mesh> {
    let value = |message: String| Error::new(ErrorKind::Value, at.clone(), message);
    if !scale.is_finite() || scale.to_array().contains(&0.0) {
        return Err(value(format!("mesh scale {scale}")).allowed("finite numbers other than 0"));
    }
    check_triangle_count(soup.triangles.len(), limits, at)?;
    let mut vertices: Vec<[f32; 3]> = Vec::new();
    let mut merged: HashMap<[u32; 3], u32> = HashMap::new();
    let mut index = Vec::with_capacity(soup.vertices.len());
    for (i, vertex) in soup.vertices.iter().enumerate() {
        // Adding 0 turns -0 into 0, so that equal numbers have equal bits.
        let scaled = (DVec3::from_array(*vertex) * scale).to_array().map(|x| x as f32 + 0.0);
        if scaled.iter().any(|x| !x.is_finite()) {
            return Err(value(format!("mesh vertex {i} is {vertex:?}")).allowed("finite numbers"));
        }
        index.push(*merged.entry(scaled.map(f32::to_bits)).or_insert_with(|| {
            vertices.push(scaled);
            vertices.len() as u32 - 1
        }));
    }
    let mirrored = scale.x * scale.y * scale.z < 0.0;
    let mut triangles = Vec::with_capacity(soup.triangles.len());
    let mut texcoords = Vec::with_capacity(soup.texcoords.len());
    for (i, triangle) in soup.triangles.iter().enumerate() {
        let mut corners = [0; 3];
        for (corner, vertex) in corners.iter_mut().zip(triangle) {
            *corner = *index.get(*vertex as usize).ok_or_else(|| {
                value(format!("mesh triangle {i} refers to vertex {vertex}"))
                    .allowed(format!("0 to {}", index.len().saturating_sub(1)))
            })?;
        }
        let [a, b, c] = corners;
        if a != b && b != c && a != c {
            triangles.push(if mirrored { [a, c, b] } else { [a, b, c] });
            if let Some([a, b, c]) = soup.texcoords.get(i).copied() {
                texcoords.push(if mirrored { [a, c, b] } else { [a, b, c] });
            }
        }
    }
    if triangles.is_empty() {
        return Err(value("mesh without triangles".to_owned()).allowed("at least one triangle"));
    }
    Ok(Mesh { name, vertices, triangles, texcoords })
}
