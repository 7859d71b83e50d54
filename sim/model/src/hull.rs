//! Convex hulls by quickhull, in `f64`.

use std::collections::HashMap;

use glam::DVec3;

use crate::inertia::{DegenerateMesh, check_solid};
use crate::robot::Mesh;

/// Points nearer to a face than this share of the mesh's size count as on it; vertices are `f32`.
const RELATIVE_TOLERANCE: f64 = 1e-7;

/// The convex hull of a mesh's vertices: a closed mesh whose triangles face outwards and which keeps only the
/// vertices that it needs. The triangles of `mesh` play no part and may be missing.
///
/// # Errors
/// [`DegenerateMesh`] if the vertices span no volume.
pub fn convex_hull(mesh: &Mesh) -> Result<Mesh, DegenerateMesh> {
    check_solid(mesh)?;
    let points: Vec<DVec3> = mesh.vertices.iter().map(|v| DVec3::from_array(v.map(f64::from))).collect();
    let mut hull = Hull::simplex(&points)?;
    while let Some(face) = hull.pending.pop() {
        hull.grow(face);
    }
    let mut new_index = HashMap::new();
    let mut vertices = Vec::new();
    let mut triangles = Vec::new();
    for face in hull.faces.iter().filter(|f| f.alive) {
        triangles.push(face.corners.map(|corner| {
            *new_index.entry(corner).or_insert_with(|| {
                vertices.push(mesh.vertices[corner as usize]);
                vertices.len() as u32 - 1
            })
        }));
    }
    Ok(Mesh { name: mesh.name.clone(), vertices, triangles, texcoords: Vec::new() })
}

struct Face {
    corners: [u32; 3],
    normal: DVec3,
    offset: f64,
    /// Points in front of this face that no face before took.
    outside: Vec<u32>,
    alive: bool,
}

struct Hull<'a> {
    points: &'a [DVec3],
    tolerance: f64,
    faces: Vec<Face>,
    /// The face on the left of each directed edge.
    face_of_edge: HashMap<(u32, u32), usize>,
    /// Faces that may have points in front of them.
    pending: Vec<usize>,
}

impl<'a> Hull<'a> {
    /// A tetrahedron of far points, with all other points assigned to its faces.
    fn simplex(points: &'a [DVec3]) -> Result<Self, DegenerateMesh> {
        let farthest = |measure: &dyn Fn(DVec3) -> f64| {
            (0..points.len()).max_by(|a, b| measure(points[*a]).total_cmp(&measure(points[*b]))).unwrap_or(0)
        };
        let a = farthest(&|p| -p.x);
        let b = farthest(&|p| p.distance(points[a]));
        let along = (points[b] - points[a]).normalize_or_zero();
        let c = farthest(&|p| (p - points[a]).cross(along).length());
        let normal = along.cross(points[c] - points[a]).normalize_or_zero();
        let d = farthest(&|p| normal.dot(p - points[a]).abs());
        let height = normal.dot(points[d] - points[a]);
        let tolerance = RELATIVE_TOLERANCE * points[a].distance(points[b]);
        if height.abs() <= tolerance {
            return Err(DegenerateMesh("mesh whose vertices lie in one plane".to_owned()));
        }
        let [a, b, c, d] = [a, b, c, d].map(|i| i as u32);
        let mut hull =
            Self { points, tolerance, faces: Vec::new(), face_of_edge: HashMap::new(), pending: Vec::new() };
        let (b, c) = if height > 0.0 { (c, b) } else { (b, c) };
        let all: Vec<u32> = (0..points.len() as u32).collect();
        let faces = [[a, b, c], [a, d, b], [b, d, c], [c, d, a]].map(|corners| hull.add_face(corners));
        hull.assign(all, &faces);
        Ok(hull)
    }

    fn add_face(&mut self, corners: [u32; 3]) -> usize {
        let [a, b, c] = corners.map(|i| self.points[i as usize]);
        let normal = (b - a).cross(c - a).normalize_or_zero();
        let index = self.faces.len();
        self.faces.push(Face { corners, normal, offset: normal.dot(a), outside: Vec::new(), alive: true });
        for edge in edges(corners) {
            self.face_of_edge.insert(edge, index);
        }
        self.pending.push(index);
        index
    }

    fn distance(&self, face: usize, point: u32) -> f64 {
        self.faces[face].normal.dot(self.points[point as usize]) - self.faces[face].offset
    }

    /// Gives each point to the first of the faces that it is in front of; the others lie inside.
    fn assign(&mut self, points: Vec<u32>, faces: &[usize]) {
        for point in points {
            if let Some(face) = faces.iter().find(|face| self.distance(**face, point) > self.tolerance) {
                self.faces[*face].outside.push(point);
            }
        }
    }

    /// Replaces all faces that the farthest point in front of a face sees by a fan from that point.
    fn grow(&mut self, face: usize) {
        if !self.faces[face].alive {
            return;
        }
        let by_distance = |a: &u32, b: &u32| self.distance(face, *a).total_cmp(&self.distance(face, *b));
        let Some(apex) = self.faces[face].outside.iter().copied().max_by(by_distance) else { return };
        let visible = self.visible_from(apex, face);
        let horizon: Vec<(u32, u32)> = visible
            .iter()
            .flat_map(|f| edges(self.faces[*f].corners))
            .filter(|(a, b)| self.face_of_edge.get(&(*b, *a)).is_some_and(|f| self.faces[*f].alive))
            .collect();
        let orphans: Vec<u32> =
            visible.iter().flat_map(|f| std::mem::take(&mut self.faces[*f].outside)).collect();
        let fan: Vec<usize> = horizon.iter().map(|(a, b)| self.add_face([*a, *b, apex])).collect();
        self.assign(orphans.into_iter().filter(|p| *p != apex).collect(), &fan);
    }

    /// The connected patch of faces in front of which a point lies; they are dead afterwards.
    fn visible_from(&mut self, point: u32, start: usize) -> Vec<usize> {
        let mut visible = vec![start];
        self.faces[start].alive = false;
        let mut next = 0;
        while next < visible.len() {
            for (a, b) in edges(self.faces[visible[next]].corners) {
                if let Some(&neighbour) = self.face_of_edge.get(&(b, a))
                    && self.faces[neighbour].alive
                    && self.distance(neighbour, point) > self.tolerance
                {
                    self.faces[neighbour].alive = false;
                    visible.push(neighbour);
                }
            }
            next += 1;
        }
        visible
    }
}

fn edges([a, b, c]: [u32; 3]) -> [(u32, u32); 3] {
    [(a, b), (b, c), (c, a)]
}
