//! Mass properties of triangle meshes, and principal axes of inertia matrices.

use glam::{DMat3, DQuat, DVec3};

use crate::error::{Error, ErrorKind, Location};
use crate::hull::convex_hull;
use crate::robot::Mesh;

/// A mesh that spans no volume: the reason as a sentence without a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DegenerateMesh(pub String);

impl DegenerateMesh {
    /// The same as an error of the file at `location`.
    pub fn at(&self, location: Location) -> Error {
        Error::new(ErrorKind::Value, location, &self.0).allowed("a mesh that spans a volume")
    }
}

/// Volume, centre and inertia of a body of density 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MassProperties {
    /// Volume \[m³\]; with [`MeshInertia::Shell`] the surface \[m²\].
    pub volume: f64,
    /// Centre of mass in the mesh frame \[m\].
    pub com: DVec3,
    /// Inertia about the centre of mass at density 1, axes of the mesh frame \[m⁵\], or \[m⁴\] for a shell.
    pub inertia: DMat3,
}

/// How a mesh becomes a mass (MJCF `mesh/inertia`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MeshInertia {
    /// What MuJoCo does unless told: pyramids from the middle of the surface, each counted positive. Equal to
    /// `Exact` for shapes that are star-shaped about that point, too heavy for others.
    #[default]
    Legacy,
    /// Signed tetrahedra: right for every closed, consistently oriented surface.
    Exact,
    /// The convex hull of the vertices.
    Convex,
    /// The surface itself, with density per area.
    Shell,
}

/// Volume under this share of the bounding cube's is numerical dust.
const MIN_RELATIVE_VOLUME: f64 = 1e-9;
/// Extent under this share of the largest one is flat; vertices are `f32`.
const MIN_RELATIVE_EXTENT: f64 = 1e-6;
/// Bulge under this share of the size is rounding of the file's digits.
const CONVEXITY_TOLERANCE: f64 = 1e-4;

/// Exact mass properties of a closed mesh. Triangles that all face inwards are taken as facing outwards.
///
/// # Errors
/// [`DegenerateMesh`] if the volume is zero.
pub fn mass_properties(mesh: &Mesh) -> Result<MassProperties, DegenerateMesh> {
    mass_properties_as(mesh, MeshInertia::Exact)
}

/// Mass properties by one of MuJoCo's rules.
///
/// # Errors
/// [`DegenerateMesh`] if the volume is zero.
pub fn mass_properties_as(mesh: &Mesh, rule: MeshInertia) -> Result<MassProperties, DegenerateMesh> {
    check_solid(mesh)?;
    if rule == MeshInertia::Convex {
        return mass_properties(&convex_hull(mesh)?);
    }
    let triangles: Vec<[DVec3; 3]> = mesh.triangles.iter().map(|t| t.map(|i| vertex(mesh, i))).collect();
    let surface_centre = surface_centre(&triangles);
    if rule == MeshInertia::Shell {
        return Ok(shell(&triangles, surface_centre));
    }
    // About any apex the signed sum is the same; near the mesh it loses the fewest digits.
    let orientation = triangles.iter().map(|t| pyramid_volume(t, surface_centre)).sum::<f64>().signum();
    let weight = |triangle: &[DVec3; 3], apex: DVec3| {
        let volume = pyramid_volume(triangle, apex);
        if rule == MeshInertia::Legacy { volume.abs() } else { volume * orientation }
    };
    let mut volume = 0.0;
    let mut moment = DVec3::ZERO;
    for triangle in &triangles {
        let part = weight(triangle, surface_centre);
        volume += part;
        moment += part * (surface_centre + triangle[0] + triangle[1] + triangle[2]) / 4.0;
    }
    let extent = extent(mesh);
    if volume <= MIN_RELATIVE_VOLUME * extent.powi(3) {
        return Err(DegenerateMesh(format!("mesh of volume {volume:e} m³ and size {extent} m")));
    }
    let com = moment / volume;
    // The legacy rule counts its pyramids again from the centre of mass, so its volume is that second sum.
    let mut second = DMat3::ZERO;
    volume = 0.0;
    for triangle in &triangles {
        let part = weight(triangle, com);
        volume += part;
        second += tetrahedron_second_moment(&triangle.map(|v| v - com)) * part;
    }
    Ok(MassProperties { volume, com, inertia: inertia_from_second_moment(second) })
}

/// Refuses meshes that no hull and no volume can be built from: fewer than four distinct vertices, all in one
/// line, or all in one plane.
///
/// # Errors
/// [`DegenerateMesh`] with the reason.
pub fn check_solid(mesh: &Mesh) -> Result<(), DegenerateMesh> {
    let fail = |reason: &str| Err(DegenerateMesh(reason.to_owned()));
    let count = mesh.vertices.len();
    if count < 4 {
        return Err(DegenerateMesh(format!("mesh of {count} distinct vertices")));
    }
    let points = || mesh.vertices.iter().map(|v| DVec3::from_array(v.map(f64::from)));
    let origin = vertex(mesh, 0);
    let farthest = |measure: &dyn Fn(DVec3) -> f64| {
        points()
            .map(|p| (measure(p - origin), p - origin))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .unwrap_or_default()
    };
    let (length, along) = farthest(&DVec3::length);
    if length <= f64::MIN_POSITIVE {
        return fail("mesh whose vertices coincide");
    }
    let axis = along / length;
    let (width, across) = farthest(&|p| p.reject_from_normalized(axis).length());
    if width <= MIN_RELATIVE_EXTENT * length {
        return fail("mesh whose vertices lie in one line");
    }
    let normal = axis.cross(across).normalize_or_zero();
    let (height, _) = farthest(&|p| p.dot(normal).abs());
    if height <= MIN_RELATIVE_EXTENT * length {
        return fail("mesh whose vertices lie in one plane");
    }
    Ok(())
}

/// Whether no vertex lies in front of a triangle, within rounding, so that the mesh is its own convex hull. Meshes
/// with too many vertices and triangles to look at each pair are taken as not convex.
pub fn is_convex(mesh: &Mesh) -> bool {
    const MAX_PAIRS: usize = 200_000_000;
    if mesh.vertices.len().saturating_mul(mesh.triangles.len()) > MAX_PAIRS {
        return false;
    }
    let points: Vec<DVec3> = mesh.vertices.iter().map(|v| DVec3::from_array(v.map(f64::from))).collect();
    let tolerance = CONVEXITY_TOLERANCE * extent(mesh);
    let inside = points.iter().sum::<DVec3>() / points.len().max(1) as f64;
    mesh.triangles.iter().all(|t| {
        let [a, b, c] = t.map(|i| points[i as usize]);
        let normal = (b - a).cross(c - a).normalize_or_zero();
        // Slivers have no reliable direction, and a flipped triangle still bounds the same body.
        let outward = if normal.dot(inside - a) > 0.0 { -normal } else { normal };
        let sliver = triangle_area(&[a, b, c]) < tolerance * tolerance;
        sliver || points.iter().all(|p| outward.dot(*p - a) <= tolerance)
    })
}

/// Principal moments in descending order and the rotation `matrix_from_principal` (`w >= 0`) of a symmetric matrix,
/// by cyclic Jacobi rotations.
pub fn principal_axes(matrix: DMat3) -> (DVec3, DQuat) {
    /// Sweeps; convergence is quadratic and needs five or six.
    const MAX_SWEEPS: usize = 32;
    let mut a = (matrix + matrix.transpose()) * 0.5;
    let mut axes = DMat3::IDENTITY;
    let size = a.to_cols_array().iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    for _ in 0..MAX_SWEEPS {
        let off = a.y_axis.x.abs() + a.z_axis.x.abs() + a.z_axis.y.abs();
        if off <= 1e-16 * size {
            break;
        }
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            let rotation = jacobi_rotation(a, p, q);
            a = rotation.transpose() * a * rotation;
            axes *= rotation;
        }
    }
    let moments = [a.x_axis.x, a.y_axis.y, a.z_axis.z];
    let mut order = [0, 1, 2];
    order.sort_by(|i, j| moments[*j].total_cmp(&moments[*i]));
    let mut sorted = DMat3::from_cols(axes.col(order[0]), axes.col(order[1]), axes.col(order[2]));
    if sorted.determinant() < 0.0 {
        sorted.z_axis = -sorted.z_axis;
    }
    let rotation = DQuat::from_mat3(&sorted).normalize();
    let rotation = if rotation.w < 0.0 { -rotation } else { rotation };
    (DVec3::from_array(order.map(|i| moments[i])), rotation)
}

/// The plane rotation that makes entry (p, q) of `a` zero.
fn jacobi_rotation(a: DMat3, p: usize, q: usize) -> DMat3 {
    let apq = a.col(q)[p];
    if apq == 0.0 {
        return DMat3::IDENTITY;
    }
    let theta = (a.col(q)[q] - a.col(p)[p]) / (2.0 * apq);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let mut rotation = DMat3::IDENTITY;
    rotation.col_mut(p)[p] = cosine;
    rotation.col_mut(q)[q] = cosine;
    rotation.col_mut(q)[p] = sine;
    rotation.col_mut(p)[q] = -sine;
    rotation
}

fn vertex(mesh: &Mesh, index: u32) -> DVec3 {
    DVec3::from_array(mesh.vertices[index as usize].map(f64::from))
}

/// Diagonal of the bounding box.
fn extent(mesh: &Mesh) -> f64 {
    let points = || mesh.vertices.iter().map(|v| DVec3::from_array(v.map(f64::from)));
    let low = points().fold(DVec3::INFINITY, DVec3::min);
    let high = points().fold(DVec3::NEG_INFINITY, DVec3::max);
    (high - low).length()
}

/// Centre of the surface, by area.
fn surface_centre(triangles: &[[DVec3; 3]]) -> DVec3 {
    let (mut total, mut moment) = (0.0, DVec3::ZERO);
    for t in triangles {
        let area = triangle_area(t);
        total += area;
        moment += area * (t[0] + t[1] + t[2]) / 3.0;
    }
    if total > 0.0 { moment / total } else { triangles.first().map_or(DVec3::ZERO, |t| t[0]) }
}

fn triangle_area([a, b, c]: &[DVec3; 3]) -> f64 {
    (b - a).cross(c - a).length() / 2.0
}

/// Signed volume of the pyramid over a triangle; positive if the triangle turns its outside away from the apex.
fn pyramid_volume([a, b, c]: &[DVec3; 3], apex: DVec3) -> f64 {
    (a - apex).dot((b - apex).cross(c - apex)) / 6.0
}

/// `∫ x xᵀ dV / V` of the tetrahedron of a triangle and the origin.
fn tetrahedron_second_moment([a, b, c]: &[DVec3; 3]) -> DMat3 {
    let sum = *a + *b + *c;
    (outer(*a) + outer(*b) + outer(*c) + outer(sum)) * (1.0 / 20.0)
}

fn shell(triangles: &[[DVec3; 3]], com: DVec3) -> MassProperties {
    let mut area = 0.0;
    let mut second = DMat3::ZERO;
    for triangle in triangles {
        let part = triangle_area(triangle);
        let [a, b, c] = triangle.map(|v| v - com);
        area += part;
        second += (outer(a) + outer(b) + outer(c) + outer(a + b + c)) * (part / 12.0);
    }
    MassProperties { volume: area, com, inertia: inertia_from_second_moment(second) }
}

fn outer(v: DVec3) -> DMat3 {
    DMat3::from_cols(v * v.x, v * v.y, v * v.z)
}

fn inertia_from_second_moment(second: DMat3) -> DMat3 {
    let trace = second.x_axis.x + second.y_axis.y + second.z_axis.z;
    DMat3::from_diagonal(DVec3::splat(trace)) - second
}
