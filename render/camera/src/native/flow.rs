//! Optical flow: where what is seen was seen before. The formulas of `flow.wgsl`.

use glam::{Vec2, Vec3};
use keiko_gpu::camera::{Instance, LensKind, View};

use super::packet::{MOST_LANES, Wide};
use super::trace::Shot;

/// How far what each lane sees has moved in the image, to the right and down \[pixel\]: `points` are in the world, and
/// `directions` are those of rays that see none.
#[inline(always)]
pub fn flow<L: Wide>(
    shot: &Shot<'_>,
    ids: &[f32; MOST_LANES],
    points: &[[f32; MOST_LANES]; 3],
    directions: &[[f32; MOST_LANES]; 3],
) -> [[f32; MOST_LANES]; 2] {
    let mut flow = [[0.0; MOST_LANES]; 2];
    for k in 0..L::WIDTH {
        let [point, direction] = [points, directions].map(|v| Vec3::new(v[0][k], v[1][k], v[2][k]));
        let moved = of_ray(shot, ids[k], point, direction);
        [flow[0][k], flow[1][k]] = moved.to_array();
    }
    flow
}

/// Of one ray. What was not before the camera then, or is not now, has not moved.
fn of_ray(shot: &Shot<'_>, id: f32, point: Vec3, direction: Vec3) -> Vec2 {
    let (view, view_before) = (&shot.view, &shot.view_before);
    let (mut now, mut before) = (direction, direction);
    if id >= 0.0 {
        // There and back both times: what rests has moved by exactly nothing.
        let (instance, instance_before) = (&shot.instances[id as usize], &shot.instances_before[id as usize]);
        let on_geom = place(instance, point);
        now = place_back(instance, on_geom) - Vec3::from(view.position);
        before = place_back(instance_before, on_geom) - Vec3::from(view_before.position);
    }
    let (Some(here), Some(there)) = (seen_at(view, now), seen_at(view_before, before)) else {
        return Vec2::ZERO;
    };
    let mut moved = here - there;
    if view.lens == LensKind::Equirectangular as u32 {
        // The short way around.
        let turn = std::f32::consts::TAU * view.focal[0];
        moved.x -= turn * (moved.x / turn).round();
    }
    moved
}

fn place(instance: &Instance, point: Vec3) -> Vec3 {
    let along = |[x, y, z, w]: [f32; 4]| Vec3::new(x, y, z).dot(point) + w;
    Vec3::new(along(instance.row_x), along(instance.row_y), along(instance.row_z))
}

fn place_back(instance: &Instance, point: Vec3) -> Vec3 {
    let rows = [instance.row_x, instance.row_y, instance.row_z];
    let along = [0, 1, 2].map(|k| point[k] - rows[k][3]);
    (0..3).map(|k| Vec3::new(rows[k][0], rows[k][1], rows[k][2]) * along[k]).sum()
}

/// The point of the image \[pixel\] that shows what is at `offset` from the camera, in the world's axes.
fn seen_at(view: &View, offset: Vec3) -> Option<Vec2> {
    let [x, y, z] = [view.right, view.down, view.forward].map(|axis| Vec3::from(axis).dot(offset));
    let flat = match view.lens {
        lens if lens == LensKind::KannalaBrandt as u32 => {
            let aside = x.hypot(y);
            let angle = aside.atan2(z);
            let [k1, k2, k3, k4] = view.bend;
            let t2 = angle * angle;
            let reach = angle * (1.0 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))));
            Vec2::new(x, y) * (reach / aside.max(1e-20))
        }
        lens if lens == LensKind::Equirectangular as u32 => Vec2::new(x.atan2(z), y.atan2(x.hypot(z))),
        _ if z < 1e-6 => return None,
        lens => {
            let (x, y) = (x / z, y / z);
            match lens == LensKind::BrownConrady as u32 {
                true => distorted(view, x, y),
                false => Vec2::new(x, y),
            }
        }
    };
    Some(flat * Vec2::from(view.focal) + Vec2::from(view.center))
}

fn distorted(view: &View, x: f32, y: f32) -> Vec2 {
    let ([k1, k2, p1, p2], k3) = (view.bend, view.bend_5);
    let r2 = x * x + y * y;
    let radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3));
    Vec2::new(
        x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x),
        y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y,
    )
}
