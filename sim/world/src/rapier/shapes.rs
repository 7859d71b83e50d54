//! Collision shapes: from the model's geoms to parry's.

use glam::{DQuat, DVec3, Vec3};
use keiko_model::Pose;
use keiko_model::robot::{Geom, HeightField, RobotModel, Shape};
use rapier3d::prelude::{Array2, SharedShape};

use super::BuildError;

/// Points on an ellipsoid whose hull stands in for it.
const ELLIPSOID_POINTS: usize = 162;
/// Directions in which the outermost points of a dense mesh are looked for.
const OUTERMOST_DIRECTIONS: usize = 256;

/// A shape and `geom_from_shape`, or `None` if the geom has nothing to touch with.
pub(crate) fn collision_shape(model: &RobotModel, geom: &Geom) -> Result<(SharedShape, Pose), BuildError> {
    // parry's cylinder stands along y, the model's along z.
    let z_from_y = Pose::new(DVec3::ZERO, DQuat::from_rotation_x(std::f64::consts::FRAC_PI_2));
    let refuse = |why: &str| BuildError::new(&format!("geom `{}`", geom.name), why);
    let positive = |values: &[f64]| values.iter().all(|v| v.is_finite() && *v > 0.0);
    Ok(match &geom.shape {
        Shape::Plane { .. } => (SharedShape::halfspace(Vec3::Z), Pose::IDENTITY),
        Shape::Sphere { radius } if positive(&[*radius]) => {
            (SharedShape::ball(*radius as f32), Pose::IDENTITY)
        }
        Shape::Capsule { radius, half_length } if positive(&[*radius]) => {
            (SharedShape::capsule_z(*half_length as f32, *radius as f32), Pose::IDENTITY)
        }
        Shape::Cylinder { radius, half_length } if positive(&[*radius, *half_length]) => {
            (SharedShape::cylinder(*half_length as f32, *radius as f32), z_from_y)
        }
        Shape::Box { half_size } if positive(&half_size.to_array()) => {
            (SharedShape::cuboid(half_size.x as f32, half_size.y as f32, half_size.z as f32), Pose::IDENTITY)
        }
        Shape::Ellipsoid { radii } if positive(&radii.to_array()) => {
            let points: Vec<Vec3> = sphere_points(ELLIPSOID_POINTS).map(|p| (p * *radii).as_vec3()).collect();
            (
                convex_hull(&points).ok_or_else(|| refuse("an ellipsoid too flat for a convex hull"))?,
                Pose::IDENTITY,
            )
        }
        Shape::Mesh { mesh } => {
            let points: Vec<Vec3> =
                model.meshes[*mesh].vertices.iter().map(|v| Vec3::from_array(*v)).collect();
            let hull = convex_hull(&points);
            (hull.ok_or_else(|| refuse("a mesh without a convex hull (flat or degenerate)"))?, Pose::IDENTITY)
        }
        Shape::HeightField { height_field } => {
            let field = &model.height_fields[*height_field];
            (height_field_shape(field).ok_or_else(|| refuse("a height field smaller than 2 by 2"))?, z_from_y)
        }
        _ => return Err(refuse("a shape whose size is not positive")),
    })
}

/// Points spread evenly over the unit sphere (a Fibonacci lattice).
fn sphere_points(count: usize) -> impl Iterator<Item = DVec3> {
    let golden = std::f64::consts::PI * (3.0 - 5f64.sqrt());
    (0..count).map(move |i| {
        let z = 1.0 - 2.0 * i as f64 / (count - 1) as f64;
        let r = (1.0 - z * z).max(0.0).sqrt();
        let (s, c) = (golden * i as f64).sin_cos();
        DVec3::new(r * c, r * s, z)
    })
}

/// The convex hull, or `None` where there is none. parry's gives up, or panics, on some dense meshes; the hull of their
/// outermost points stands in then.
fn convex_hull(points: &[Vec3]) -> Option<SharedShape> {
    if points.len() < 4 || points.iter().any(|p| !p.is_finite()) {
        return None;
    }
    let hull = |points: &[Vec3]| std::panic::catch_unwind(|| SharedShape::convex_hull(points)).ok().flatten();
    hull(points).or_else(|| hull(&outermost(points)))
}

/// The points that lie farthest in directions spread over the sphere, of the cloud scaled to a cube.
fn outermost(points: &[Vec3]) -> Vec<Vec3> {
    let low = points.iter().fold(Vec3::INFINITY, |low, p| low.min(*p));
    let high = points.iter().fold(Vec3::NEG_INFINITY, |high, p| high.max(*p));
    let size = (high - low).max(Vec3::splat(f32::MIN_POSITIVE));
    let farthest = |direction: DVec3| {
        let along = |k: usize| direction.as_vec3().dot((points[k] - low) / size);
        (0..points.len()).max_by(|a, b| along(*a).total_cmp(&along(*b)))
    };
    let mut chosen: Vec<usize> = sphere_points(OUTERMOST_DIRECTIONS).filter_map(farthest).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen.into_iter().map(|k| points[k]).collect()
}

/// parry's height field lies in x and z with y up; turned by `z_from_y`, its z is the model's -y.
fn height_field_shape(field: &HeightField) -> Option<SharedShape> {
    let (rows, cols) = (field.num_rows, field.num_cols);
    if rows < 2
        || cols < 2
        || field.heights.len() != rows * cols
        || field.heights.iter().any(|h| !h.is_finite())
    {
        return None;
    }
    let mut heights = Array2::zeros(rows, cols);
    for r in 0..rows {
        for c in 0..cols {
            heights[(rows - 1 - r, c)] = field.heights[r * cols + c];
        }
    }
    let scale = Vec3::new(2.0 * field.half_size[0] as f32, 1.0, 2.0 * field.half_size[1] as f32);
    Some(SharedShape::heightfield(heights, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outermost_points_hold_the_corners_of_a_dense_rod() {
        let side = 20;
        let grid = |k: usize| k as f32 / (side - 1) as f32;
        let rod = Vec3::new(0.02, 0.02, 0.3);
        let all = (0..side * side * side)
            .map(|k| rod * Vec3::new(grid(k % side), grid(k / side % side), grid(k / side / side)));
        let points = outermost(&all.collect::<Vec<_>>());
        assert!(points.len() <= OUTERMOST_DIRECTIONS);
        for corner in 0..8 {
            let bit = |k: usize| (corner >> k & 1) as f32;
            let corner = rod * Vec3::new(bit(0), bit(1), bit(2));
            assert!(points.iter().any(|p| p.distance(corner) < 1e-6), "{corner} is missing");
        }
    }
}
