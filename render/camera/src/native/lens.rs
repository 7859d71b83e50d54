//! Lenses, from points of the image to rays: the formulas of `lens.wgsl`.

use keiko_dynamics::space::V3;
use keiko_gpu::camera::{LensKind, View};
use keiko_model::lens::LENS_STEPS;

use super::packet::{Wide, splat};

/// Whether a view's lens bends rays.
#[inline(always)]
pub fn bends(view: &View) -> bool {
    view.lens != LensKind::Pinhole as u32
}

/// Whether it sees what is beside and behind the camera too.
#[inline(always)]
pub fn is_wide(view: &View) -> bool {
    view.lens == LensKind::KannalaBrandt as u32 || view.lens == LensKind::Equirectangular as u32
}

/// Directions of rays in the world, not normalised, that a lens which bends them shows at points of the image
/// \[pixel\].
#[inline(always)]
pub fn rays_through<L: Wide>(view: &View, pixel: [L; 2]) -> V3<L> {
    let x = (pixel[0] - L::splat(view.center[0])) / L::splat(view.focal[0]);
    let y = (pixel[1] - L::splat(view.center[1])) / L::splat(view.focal[1]);
    let d = match view.lens {
        lens if lens == LensKind::KannalaBrandt as u32 => unrolled(view, [x, y]),
        lens if lens == LensKind::Equirectangular as u32 => all_around([x, y]),
        _ => straightened(view, [x, y]),
    };
    splat::<L>(view.right) * d.x + splat::<L>(view.down) * d.y + splat::<L>(view.forward) * d.z
}

/// Where a pinhole would see what is seen at a point.
#[inline(always)]
fn straightened<L: Wide>(view: &View, [to_x, to_y]: [L; 2]) -> V3<L> {
    let [k1, k2, p1, p2] = view.bend.map(|k| L::splat(k));
    let k3 = L::splat(view.bend_5);
    let (one, two, three) = (L::one(), L::splat(2.0), L::splat(3.0));
    let (mut x, mut y) = (to_x, to_y);
    for _ in 0..LENS_STEPS {
        let r2 = x * x + y * y;
        let radial = one + r2 * (k1 + r2 * (k2 + r2 * k3));
        let slope = k1 + r2 * (two * k2 + three * r2 * k3);
        let across = two * (x * y * slope + p1 * x + p2 * y);
        let along_x = radial + two * (x * x * slope + p1 * y + three * p2 * x);
        let along_y = radial + two * (y * y * slope + three * p1 * y + p2 * x);
        let off_x = to_x - (x * radial + two * p1 * x * y + p2 * (r2 + two * x * x));
        let off_y = to_y - (y * radial + p1 * (r2 + two * y * y) + two * p2 * x * y);
        let scale = one / (along_x * along_y - across * across);
        x = x + scale * (along_y * off_x - across * off_y);
        y = y + scale * (along_x * off_y - across * off_x);
    }
    V3::new(x, y, one)
}

/// The ray at angles sideways and down.
#[inline(always)]
fn all_around<L: Wide>([x, y]: [L; 2]) -> V3<L> {
    let (sideways, downwards) = (x.sin_cos(), y.sin_cos());
    V3::new(sideways.0 * downwards.1, downwards.0, sideways.1 * downwards.1)
}

/// The ray at the angle that a fisheye shows so far from the middle.
#[inline(always)]
fn unrolled<L: Wide>(view: &View, [x, y]: [L; 2]) -> V3<L> {
    let [k1, k2, k3, k4] = view.bend.map(|k| L::splat(k));
    let one = L::one();
    let reach = (x * x + y * y).sqrt();
    let mut angle = reach;
    for _ in 0..LENS_STEPS {
        let t2 = angle * angle;
        let there = angle * (one + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))));
        let slope = one
            + t2 * (L::splat(3.0) * k1
                + t2 * (L::splat(5.0) * k2 + t2 * (L::splat(7.0) * k3 + t2 * L::splat(9.0) * k4)));
        angle = angle + (reach - there) / slope;
    }
    let (sine, cosine) = angle.sin_cos();
    let aside = L::select(reach.lt(L::splat(1e-8)), one, sine / reach);
    V3::new(x * aside, y * aside, cosine)
}
