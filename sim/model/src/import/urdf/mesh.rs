//! `<mesh>`: which file is meant, and what may be lost of it.

use std::path::{Path, PathBuf};

use glam::DVec3;

use super::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::import::xml::{Attribute, Element};
use crate::inertia::is_convex;
use crate::mesh::{MeshLimits, check_solid, mesh_extension, mesh_from_bytes};
use crate::robot::Shape;

/// File and bits of the scale: what makes two meshes the same.
pub(super) type MeshKey = (PathBuf, [u64; 3]);

impl Reader<'_> {
    /// Reads a mesh once. One that is only seen may be missing or of an unknown format, which is a loss; one that
    /// collides may not.
    pub(super) fn read_mesh(&mut self, element: &Element, collides: bool) -> Result<Option<Shape>> {
        let filename = element.require("filename")?;
        let scale = match element.get("scale") {
            Some(attribute) => read_scale(attribute)?,
            None => DVec3::ONE,
        };
        let readable = |path: PathBuf| match mesh_extension(&path) {
            Ok(_) => Ok(path),
            Err(e) => Err(Error { message: format!("mesh `{}`: {}", filename.value, e.message), ..e }),
        };
        let found = self.find_mesh(filename).and_then(readable);
        let path = match found {
            Ok(path) => path,
            Err(e) if !collides && matches!(e.kind, ErrorKind::Io | ErrorKind::Unsupported) => {
                let allowed = e.allowed.as_deref().map(|a| format!("; {a}")).unwrap_or_default();
                self.report.dropped_visual(element, "", format!("{}{allowed}", e.message));
                return Ok(None);
            }
            Err(e) => return Err(Error { location: filename.location(), ..e }),
        };
        let mesh = self.load_once(filename, path, scale)?;
        if collides {
            let solid = check_solid(&self.model.meshes[mesh]);
            solid.map_err(|flat| flat.at(filename.location()))?;
            if !is_convex(&self.model.meshes[mesh]) {
                self.report.approximated(
                    element,
                    format!("`{}`", filename.value),
                    "collides as its convex hull",
                );
            }
        }
        Ok(Some(Shape::Mesh { mesh }))
    }

    fn load_once(&mut self, filename: &Attribute, path: PathBuf, scale: DVec3) -> Result<usize> {
        let canonical = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let key = (canonical, scale.to_array().map(f64::to_bits));
        if let Some(known) = self.meshes.get(&key) {
            return Ok(*known);
        }
        let limits = &self.options.limits;
        let bytes = self.files.read(&path, limits.mesh_bytes, &filename.location())?;
        let limits = MeshLimits { max_bytes: limits.mesh_bytes, max_triangles: limits.mesh_triangles };
        let mut mesh = mesh_from_bytes(&path, &bytes, scale, &limits)?;
        mesh.name = self.mesh_names.claim(&mesh.name);
        self.model.meshes.push(mesh);
        self.meshes.insert(key, self.model.meshes.len() - 1);
        Ok(self.model.meshes.len() - 1)
    }

    /// The first place where the file exists: by the URDF's folder, then by each folder above it inside the root,
    /// with the package's name as a folder and without.
    fn find_mesh(&self, filename: &Attribute) -> Result<PathBuf> {
        let name = filename.value.trim();
        let (rest, package) = match name.split_once("://") {
            None => (name, None),
            Some(("file", path)) => (path, None),
            Some(("package" | "model", path)) => {
                let (package, rest) = path.split_once('/').unwrap_or(("", path));
                (rest, Some(package))
            }
            Some((scheme, _)) => {
                let message = format!("mesh by `{scheme}://`");
                return Err(filename
                    .error(ErrorKind::Unsupported, message)
                    .allowed("a file, `file://` or `package://`"));
            }
        };
        let folder = self.files.folder();
        let above = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
        let above =
            above.ancestors().skip(1).take_while(|a| a.starts_with(self.files.root())).map(Path::to_path_buf);
        for base in std::iter::once(folder.to_path_buf()).chain(above) {
            let places =
                package.map(|package| base.join(package).join(rest)).into_iter().chain([base.join(rest)]);
            for place in places {
                if self.files.exists(&place) {
                    return self.files.confine(&place, &filename.location()).map(|()| place);
                }
            }
        }
        // Where it would be expected: outside the root is worse than missing.
        let expected = folder.join(rest);
        match self.files.confine(&expected, &filename.location()) {
            Err(e) if e.kind == ErrorKind::Io => {
                Err(filename.error(ErrorKind::Io, format!("there is no mesh `{name}`")).allowed(format!(
                    "looked for in the folders from the URDF's up to `{}`",
                    self.files.root().display()
                )))
            }
            confined => confined.map(|()| expected),
        }
    }
}

fn read_scale(attribute: &Attribute) -> Result<DVec3> {
    let scale = DVec3::from_slice(&attribute.f64s(3, 3)?);
    if scale.to_array().contains(&0.0) {
        return Err(attribute.bad("flattens the mesh").allowed("three numbers other than 0 are expected"));
    }
    Ok(scale)
}
