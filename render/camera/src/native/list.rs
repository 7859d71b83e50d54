//! Which geoms a bundle of rays can meet at all: bounding spheres against a cone and against a prism.

use glam::Vec3;
use keiko_dynamics::space::V3;
use keiko_gpu::camera::{Instance, Kind, UNBOUNDED};

use super::packet::{MISS, MOST_LANES, Wide, lane, lanes, splat};
use crate::assets::Assets;

/// Bounding spheres of an environment's geoms, `[x, y, z, radius][stride]`: as many geoms at once as there are lanes.
#[derive(Clone, Copy)]
pub struct Spheres<'a> {
    pub numbers: &'a [f32],
    pub stride: usize,
}

impl Spheres<'_> {
    /// Rounds a number of geoms up to whole packets.
    pub fn stride(num_geoms: usize) -> usize {
        num_geoms.next_multiple_of(MOST_LANES)
    }

    /// Writes those of an environment; what fills up the last packet is met by nothing.
    pub fn write(instances: &[Instance], to: &mut [f32]) {
        let stride = Self::stride(instances.len());
        to.fill(0.0);
        to[3 * stride..].fill(-MISS);
        for (at, instance) in instances.iter().enumerate() {
            let [x, y, z] = instance.center;
            for (row, number) in [x, y, z, instance.radius].into_iter().enumerate() {
                to[row * stride + at] = number;
            }
        }
    }

    /// Centres of the geoms from `at` on.
    #[inline(always)]
    fn centers<L: Wide>(&self, at: usize) -> V3<L> {
        V3::new(self.read(0, at), self.read(1, at), self.read(2, at))
    }

    /// Radii of the geoms from `at` on.
    #[inline(always)]
    fn radii<L: Wide>(&self, at: usize) -> L {
        self.read(3, at)
    }

    #[inline(always)]
    fn read<L: Wide>(&self, row: usize, at: usize) -> L {
        L::read(&self.numbers[row * self.stride + at..])
    }
}

/// The widest cone that is compared with spheres: its cosine.
const LEAST_COSINE: f32 = 0.1;

/// A cone about the rays of a tile.
pub struct Cone {
    apex: Vec3,
    axis: Vec3,
    cosine: f32,
    sine: f32,
}

impl Cone {
    /// About the rays at a tile's corners, unit.
    pub fn new(apex: Vec3, corners: [Vec3; 4]) -> Self {
        let axis = corners.into_iter().sum::<Vec3>().normalize();
        let cosine = corners.into_iter().map(|corner| axis.dot(corner)).fold(1.0, f32::min);
        Self::about(apex, axis, cosine)
    }

    /// About an axis; `cosine` is that of the widest ray.
    fn about(apex: Vec3, axis: Vec3, cosine: f32) -> Self {
        let sine = (1.0 - cosine * cosine).max(0.0).sqrt() * 1.001 + 1e-4;
        Self { apex, axis, cosine, sine }
    }

    /// About the unit rays of a tile, where corners do not bound what a lens bends.
    #[inline(always)]
    pub fn of_bundle<L: Wide>(apex: Vec3, bundle: &[V3<L>]) -> Self {
        let mut sum = V3::<L>::zero();
        for ray in bundle {
            sum = sum + *ray;
        }
        let mut axis = Vec3::ZERO;
        let sums = lanes(sum);
        for k in 0..L::WIDTH {
            axis += Vec3::new(sums[0][k], sums[1][k], sums[2][k]);
        }
        let axis = axis.normalize_or_zero();
        let mut least = L::one();
        for ray in bundle {
            least = least.min(ray.dot(splat(axis.to_array())));
        }
        let (mut cosine, cosines) = (1.0f32, lane(least));
        for k in 0..L::WIDTH {
            cosine = cosine.min(cosines[k]);
        }
        Self::about(apex, axis, cosine)
    }

    /// Whether it is nearly a half space or more, or has no axis: then it is no help.
    fn is_wide(&self) -> bool {
        self.cosine <= LEAST_COSINE
    }
}

/// A geom that rays may meet, and the least distance at which they do.
pub type Candidate = (f32, u32);

/// Lists the geoms whose spheres a cone touches, from near to far.
#[inline(always)]
pub fn in_cone<L: Wide>(spheres: Spheres<'_>, cone: &Cone, list: &mut Vec<Candidate>) {
    list.clear();
    let (apex, axis) = (splat::<L>(cone.apex.to_array()), splat::<L>(cone.axis.to_array()));
    let (cosine, sine) = (L::splat(cone.cosine), L::splat(cone.sine));
    // A radius over this is listed whatever the cone; what fills up packets has one below 0.
    let unbounded = if cone.is_wide() { 0.0 } else { 0.5 * UNBOUNDED };
    for at in (0..spheres.stride).step_by(L::WIDTH) {
        let center = spheres.centers::<L>(at);
        let radius = spheres.radii::<L>(at);
        let v = center - apex;
        let z = v.dot(axis);
        let beside = (v.dot(v) - z * z).max(L::zero()).sqrt();
        let touched = (beside * cosine - z * sine).le(radius) & (-radius).lt(z);
        // What has no bounds is always listed.
        let touched = touched | L::splat(unbounded).lt(radius);
        if L::any(touched) {
            push(L::select(touched, z - radius, L::splat(MISS)), at, list);
        }
    }
    list.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
}

/// Lists the geoms that could stand between the sun and points within `reach` of `middle`. Planes cast no shadows.
#[inline(always)]
pub fn towards_sun<L: Wide>(
    assets: &Assets,
    spheres: Spheres<'_>,
    sun: [f32; 3],
    middle: Vec3,
    reach: f32,
    list: &mut Vec<Candidate>,
) {
    list.clear();
    let (middle, sun) = (splat::<L>(middle.to_array()), splat::<L>(sun));
    for at in (0..spheres.stride).step_by(L::WIDTH) {
        let center = spheres.centers::<L>(at);
        let reach = spheres.radii::<L>(at) + L::splat(reach);
        let v = center - middle;
        let z = v.dot(sun);
        let beside = v - sun * z;
        let near = (-reach).lt(z) & beside.dot(beside).lt(reach * reach) & L::zero().lt(reach);
        if L::any(near) {
            push(L::select(near, z - reach, L::splat(MISS)), at, list);
        }
    }
    list.retain(|(_, geom)| assets.geoms[*geom as usize].kind != Kind::Plane as u32);
}

/// Lists the geoms that could stand between a lamp and points within `reach` of `middle`. Planes cast no shadows.
#[inline(always)]
pub fn towards_lamp<L: Wide>(
    assets: &Assets,
    spheres: Spheres<'_>,
    lamp: [f32; 3],
    middle: Vec3,
    reach: f32,
    list: &mut Vec<Candidate>,
) {
    list.clear();
    let way = Vec3::from(lamp) - middle;
    let length = way.length().max(1e-6);
    let (middle, way) = (splat::<L>(middle.to_array()), splat::<L>((way / length).to_array()));
    let (length, reach) = (L::splat(length), L::splat(reach));
    for at in (0..spheres.stride).step_by(L::WIDTH) {
        let radius = spheres.radii::<L>(at) + reach;
        let v = spheres.centers::<L>(at) - middle;
        let z = v.dot(way);
        let beside = v - way * z.clamp(L::zero(), length);
        let near = beside.dot(beside).le(radius * radius) & L::zero().lt(radius);
        if L::any(near) {
            push(L::select(near, z - radius, L::splat(MISS)), at, list);
        }
    }
    list.retain(|(_, geom)| assets.geoms[*geom as usize].kind != Kind::Plane as u32);
}

/// Adds the geoms whose distance is not `MISS`, the first of which is `first`.
#[inline(always)]
fn push<L: Wide>(distances: L, first: usize, list: &mut Vec<Candidate>) {
    let mut lanes = [MISS; MOST_LANES];
    distances.write(&mut lanes);
    for lane in 0..L::WIDTH {
        if lanes[lane] < MISS {
            list.push((lanes[lane], (first + lane) as u32));
        }
    }
}
