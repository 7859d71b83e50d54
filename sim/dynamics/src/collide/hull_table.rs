//! The vertices of a hull as a table of the model.

use keiko_model::hull::convex_hull;
use keiko_model::robot::Mesh;

use crate::plan::Plan;

/// Vertices that a hull may keep. Each costs about ten operations at every look for a support point.
pub const MAX_VERTICES: usize = 64;

/// A hull among the numbers of a plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HullTable {
    /// Where the first vertex lies; the three numbers before are the centre, to which all vertices are relative \[m\].
    pub vertices: usize,
    /// Vertices kept.
    pub count: usize,
    /// Vertices of the whole hull.
    pub full_count: usize,
    /// How far the whole hull reaches out of the one that is kept, over the directions that were looked at \[m\].
    pub error: f64,
}

impl HullTable {
    /// Writes the convex hull of a mesh. A hull of more than `limit` vertices keeps those that lie farthest out, each
    /// time the one that the vertices kept so far miss by most along any of 2048 directions.
    ///
    /// # Errors
    /// A sentence, if the mesh spans no volume.
    pub fn write(plan: &mut Plan, mesh: &Mesh, limit: usize) -> Result<Self, String> {
        let hull = convex_hull(mesh).map_err(|e| e.to_string())?;
        let all: Vec<[f64; 3]> = hull.vertices.iter().map(|v| v.map(f64::from)).collect();
        let (kept, error) = spread(&all, limit.max(4));
        let share = 1.0 / kept.len() as f64;
        let center = kept.iter().fold([0.0; 3], |sum, v| [0, 1, 2].map(|k| sum[k] + v[k] * share));
        plan.reals.extend(center);
        let vertices = plan.reals.len();
        plan.reals.extend(kept.iter().flat_map(|v| [0, 1, 2].map(|k| v[k] - center[k])));
        Ok(Self { vertices, count: kept.len(), full_count: all.len(), error })
    }
}

/// At most `limit` of the points, and how far the others reach beyond them at most.
fn spread(points: &[[f64; 3]], limit: usize) -> (Vec<[f64; 3]>, f64) {
    if points.len() <= limit {
        return (points.to_vec(), 0.0);
    }
    let directions = directions(2048);
    let reach = |d: &[f64; 3], p: &[f64; 3]| d[0] * p[0] + d[1] * p[1] + d[2] * p[2];
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
