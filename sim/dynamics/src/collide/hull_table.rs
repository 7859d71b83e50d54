//! The vertices of a hull as a table of the model.

use glam::DVec3;
use keiko_model::hull::convex_hull;
use keiko_model::robot::Mesh;

/// Vertices that a hull may keep. Each costs about ten operations at every look for a support point.
pub const MAX_VERTICES: usize = 64;

/// A hull as numbers of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct HullTable {
    /// The centre (3), the vertices from there (3 each), then the faces (unit normal outwards, and the distance from the
    /// centre at which the face lies: 4 each) \[m\].
    pub reals: Vec<f64>,
    /// Vertices kept.
    pub num_vertices: usize,
    /// Faces of the hull of those; triangles in one plane are one face.
    pub num_faces: usize,
    /// Vertices of the whole hull.
    pub full_num_vertices: usize,
    /// How far the whole hull reaches out of the one that is kept, over the directions that were looked at \[m\].
    pub error: f64,
}

impl HullTable {
    /// Where the vertices start in [`HullTable::reals`].
    pub const VERTICES: usize = 3;

    /// The convex hull of a mesh. One of more than `limit` vertices keeps those that lie farthest out, each time the
    /// one that the vertices kept so far miss by most along any of 2048 directions.
    ///
    /// # Errors
    /// A sentence, if the mesh spans no volume.
    pub fn new(mesh: &Mesh, limit: usize) -> Result<Self, String> {
        let full = convex_hull(mesh).map_err(|e| e.to_string())?;
        let (vertices, error) = spread(&full.vertices, limit.max(4));
        let name = mesh.name.clone();
        let kept = Mesh { name, vertices, triangles: Vec::new(), texcoords: Vec::new() };
        let hull = convex_hull(&kept).map_err(|e| e.to_string())?;
        let points: Vec<DVec3> = hull.vertices.iter().map(|v| DVec3::from_array(v.map(f64::from))).collect();
        let center = points.iter().sum::<DVec3>() / points.len() as f64;
        let points: Vec<DVec3> = points.iter().map(|p| *p - center).collect();
        let faces = faces(&points, &hull.triangles);
        let mut reals = center.to_array().to_vec();
        reals.extend(points.iter().flat_map(|p| p.to_array()));
        reals.extend(faces.iter().flat_map(|(normal, offset)| [normal.x, normal.y, normal.z, *offset]));
        let full_num_vertices = full.vertices.len();
        Ok(Self { reals, num_vertices: points.len(), num_faces: faces.len(), full_num_vertices, error })
    }

    /// Where the faces start in [`HullTable::reals`].
    pub fn faces(&self) -> usize {
        Self::VERTICES + 3 * self.num_vertices
    }
}

/// The planes of triangles, each once.
fn faces(points: &[DVec3], triangles: &[[u32; 3]]) -> Vec<(DVec3, f64)> {
    let size = points.iter().map(|p| p.length()).fold(0.0, f64::max);
    let mut out: Vec<(DVec3, f64)> = Vec::new();
    for corners in triangles {
        let [a, b, c] = corners.map(|i| points[i as usize]);
        let normal = (b - a).cross(c - a).normalize_or_zero();
        let offset = normal.dot(a);
        let same = |(n, o): &(DVec3, f64)| n.distance(normal) < 1e-5 && (o - offset).abs() < 1e-6 * size;
        if normal != DVec3::ZERO && !out.iter().any(same) {
            out.push((normal, offset));
        }
    }
    out
}

/// At most `limit` of the points, and how far the others reach beyond them at most.
fn spread(points: &[[f32; 3]], limit: usize) -> (Vec<[f32; 3]>, f64) {
    if points.len() <= limit {
        return (points.to_vec(), 0.0);
    }
    let directions = directions(2048);
    let reach = |d: &[f64; 3], p: &[f32; 3]| (0..3).map(|k| d[k] * f64::from(p[k])).sum::<f64>();
    // For each direction: the farthest point of all, and how far those kept so far reach.
    let farthest: Vec<(usize, f64)> = directions
        .iter()
        .map(|d| {
            let all = points.iter().enumerate().map(|(i, p)| (i, reach(d, p)));
            all.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
        })
        .collect();
    let mut kept_reach = vec![f64::NEG_INFINITY; directions.len()];
    let mut kept = Vec::new();
    let worst = |kept_reach: &[f64]| {
        let missed = farthest.iter().zip(kept_reach).map(|((i, all), kept)| (*i, all - kept));
        missed.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
    };
    while kept.len() < limit {
        let (point, missed) = worst(&kept_reach);
        if missed <= 0.0 {
            break;
        }
        kept.push(points[point]);
        for (reached, d) in kept_reach.iter_mut().zip(&directions) {
            *reached = reached.max(reach(d, &points[point]));
        }
    }
    let (_, error) = worst(&kept_reach);
    (kept, error.max(0.0))
}

/// Directions spread evenly over the sphere, on a spiral of golden angles.
fn directions(count: usize) -> Vec<[f64; 3]> {
    let golden = std::f64::consts::PI * (3.0 - 5.0_f64.sqrt());
    (0..count)
        .map(|i| {
            let z = 1.0 - (2.0 * i as f64 + 1.0) / count as f64;
            let (sine, cosine) = (golden * i as f64).sin_cos();
            let radius = (1.0 - z * z).sqrt();
            [radius * cosine, radius * sine, z]
        })
        .collect()
}
