//! The edges of shapes, for wireframes.

use std::collections::HashMap;
use std::f64::consts::TAU;

use glam::DVec3;
use keiko_model::robot::{Geom, HeightField, Mesh, RobotModel, Shape};

/// Points of a circle.
const ROUND: usize = 24;
/// Edges of a mesh that are drawn at most; the flattest are left out first.
const MOST_EDGES: usize = 3000;
/// Angles between two triangles under which their common edge is left out, tried in turn \[rad\].
const CREASES: [f64; 5] = [0.0, 0.1, 0.3, 0.6, 1.0];
/// Lines along each side of a height field.
const FIELD_LINES: usize = 32;

/// The edges of a geom in its own frame \[m\].
pub fn outline(model: &RobotModel, geom: &Geom) -> Vec<[DVec3; 2]> {
    match geom.shape {
        Shape::Plane { half_size: [x, y] } => {
            let corners = [(-x, -y), (x, -y), (x, y), (-x, y)].map(|(x, y)| DVec3::new(x, y, 0.0));
            (0..4).map(|k| [corners[k], corners[(k + 1) % 4]]).collect()
        }
        Shape::Sphere { radius } => rings(DVec3::splat(radius)),
        Shape::Ellipsoid { radii } => rings(radii),
        Shape::Box { half_size } => cuboid(half_size),
        Shape::Cylinder { radius, half_length } => tube(radius, half_length, false),
        Shape::Capsule { radius, half_length } => tube(radius, half_length, true),
        Shape::Mesh { mesh } => mesh_edges(&model.meshes[mesh]),
        Shape::HeightField { height_field } => field_lines(&model.height_fields[height_field]),
    }
}

/// Part of the ellipse with half axes `u` and `v` about a point.
fn arc(center: DVec3, u: DVec3, v: DVec3, turns: std::ops::Range<f64>) -> Vec<[DVec3; 2]> {
    let count = ((turns.end - turns.start) * ROUND as f64).ceil().max(1.0) as usize;
    let point = |k: usize| {
        let turn = turns.start + (turns.end - turns.start) * k as f64 / count as f64;
        let (sin, cos) = (TAU * turn).sin_cos();
        center + u * cos + v * sin
    };
    (0..count).map(|k| [point(k), point(k + 1)]).collect()
}

fn rings(radii: DVec3) -> Vec<[DVec3; 2]> {
    let [x, y, z] = [DVec3::X * radii.x, DVec3::Y * radii.y, DVec3::Z * radii.z];
    [(x, y), (y, z), (z, x)].into_iter().flat_map(|(u, v)| arc(DVec3::ZERO, u, v, 0.0..1.0)).collect()
}

fn cuboid(half: DVec3) -> Vec<[DVec3; 2]> {
    let corner = |bits: usize| {
        let side = |k: usize| if bits >> k & 1 == 0 { -half[k] } else { half[k] };
        DVec3::new(side(0), side(1), side(2))
    };
    let edge = |a: usize| [1, 2, 4].map(|bit| [a, a | bit]).into_iter().filter(|[a, b]| a != b);
    (0..8).flat_map(edge).map(|[a, b]| [corner(a), corner(b)]).collect()
}

/// A cylinder along z, or a capsule.
fn tube(radius: f64, half_length: f64, round: bool) -> Vec<[DVec3; 2]> {
    let (x, y, end) = (DVec3::X * radius, DVec3::Y * radius, DVec3::Z * half_length);
    let mut edges = Vec::new();
    for end in [end, -end] {
        edges.extend(arc(end, x, y, 0.0..1.0));
    }
    edges.extend([x, y, -x, -y].map(|side| [side - end, side + end]));
    if round {
        for along in [x, y] {
            edges.extend(arc(end, along, DVec3::Z * radius, 0.0..0.5));
            edges.extend(arc(-end, along, DVec3::Z * radius, 0.5..1.0));
        }
    }
    edges
}

/// Edges of one triangle alone, and those at which two meet at an angle.
fn mesh_edges(mesh: &Mesh) -> Vec<[DVec3; 2]> {
    let vertex = |index: u32| {
        mesh.vertices.get(index as usize).map_or(DVec3::ZERO, |v| DVec3::from_array(v.map(f64::from)))
    };
    // Formats without indices repeat a vertex for every triangle: places are what counts.
    let mut places: HashMap<[u32; 3], u32> = HashMap::new();
    let place: Vec<u32> = (0u32..)
        .zip(&mesh.vertices)
        .map(|(index, v)| *places.entry(v.map(f32::to_bits)).or_insert(index))
        .collect();
    let mut normals: HashMap<[u32; 2], Vec<DVec3>> = HashMap::new();
    let mut order = Vec::new();
    for triangle in &mesh.triangles {
        let [a, b, c] = triangle.map(vertex);
        let normal = (b - a).cross(c - a).normalize_or_zero();
        let ends = triangle.map(|index| place.get(index as usize).copied().unwrap_or(index));
        for k in 0..3 {
            let (a, b) = (ends[k], ends[(k + 1) % 3]);
            let edge = [a.min(b), a.max(b)];
            let of_edge = normals.entry(edge).or_default();
            if of_edge.is_empty() {
                order.push(edge);
            }
            of_edge.push(normal);
        }
    }
    let sharp = |edge: &[u32; 2], crease: f64| match normals[edge].as_slice() {
        [a, b] => a.angle_between(*b) >= crease || !a.angle_between(*b).is_finite(),
        _ => true,
    };
    let kept = CREASES
        .into_iter()
        .map(|crease| order.iter().filter(|edge| sharp(edge, crease)).copied().collect::<Vec<_>>())
        .find(|kept| kept.len() <= MOST_EDGES);
    let kept = kept.unwrap_or_else(|| {
        let stride = order.len().div_ceil(MOST_EDGES);
        order.iter().step_by(stride).copied().collect()
    });
    kept.into_iter().map(|edge| edge.map(vertex)).collect()
}

/// Lines over a height field along both sides.
fn field_lines(field: &HeightField) -> Vec<[DVec3; 2]> {
    let (rows, columns) = (field.num_rows, field.num_cols);
    if rows < 2 || columns < 2 {
        return Vec::new();
    }
    let at = |row: usize, column: usize| {
        let along =
            |index: usize, count: usize, half: f64| half * (2.0 * index as f64 / (count - 1) as f64 - 1.0);
        let height = field.heights.get(row * columns + column).copied().unwrap_or_default();
        DVec3::new(
            along(column, columns, field.half_size[0]),
            along(row, rows, field.half_size[1]),
            f64::from(height),
        )
    };
    let some = |count: usize| (0..count).step_by(count.div_ceil(FIELD_LINES));
    let mut edges = Vec::new();
    for row in some(rows) {
        let points: Vec<DVec3> = some(columns).chain([columns - 1]).map(|column| at(row, column)).collect();
        edges.extend(points.windows(2).map(|ends| [ends[0], ends[1]]));
    }
    for column in some(columns) {
        let points: Vec<DVec3> = some(rows).chain([rows - 1]).map(|row| at(row, column)).collect();
        edges.extend(points.windows(2).map(|ends| [ends[0], ends[1]]));
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triangles_that_share_places_share_edges() {
        let mut vertices: Vec<[f32; 3]> = Vec::new();
        // As an STL file has it: three vertices of its own for every triangle.
        for (axis, side) in [(0, 0.0), (0, 1.0), (1, 0.0), (1, 1.0), (2, 0.0), (2, 1.0f32)] {
            let corner = |u: f32, v: f32| {
                let mut p = [side; 3];
                (p[(axis + 1) % 3], p[(axis + 2) % 3]) = (u, v);
                p
            };
            for [u, v] in [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [0.0, 1.0]] {
                vertices.push(corner(u, v));
            }
        }
        let triangles = (0..12).map(|k| [3 * k, 3 * k + 1, 3 * k + 2]).collect();
        let mesh = Mesh { name: "cube".to_owned(), vertices, triangles, texcoords: Vec::new() };
        let edges = mesh_edges(&mesh);
        let sharp: Vec<_> = edges.iter().filter(|[a, b]| ((*a - *b).length() - 1.0).abs() < 1e-9).collect();
        assert_eq!(sharp.len(), 12);
        // Few enough edges are all drawn, diagonals too.
        assert_eq!(edges.len(), 18);
    }

    #[test]
    fn edges_lie_on_their_shape() {
        for [a, b] in rings(DVec3::splat(0.5)) {
            assert!((a.length() - 0.5).abs() < 1e-12 && (b.length() - 0.5).abs() < 1e-12);
        }
        assert_eq!(cuboid(DVec3::ONE).len(), 12);
        for point in tube(0.1, 0.3, true).concat() {
            let above = (point.z.abs() - 0.3).max(0.0);
            let distance = (point.truncate().length_squared() + above * above).sqrt();
            assert!((distance - 0.1).abs() < 1e-12, "{point}");
        }
    }
}
