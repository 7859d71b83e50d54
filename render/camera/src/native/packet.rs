//! Rays that are traced together: one a lane, the pixels of a small block of the image.

use keiko_dynamics::lane::Lanes;
use keiko_dynamics::space::V3;
use keiko_gpu::camera::{Instance, View};

/// Farther than anything: the distance of a ray that meets nothing.
pub const MISS: f32 = 1e30;
/// The limit of a ray that has met nothing yet.
pub const FAR_AWAY: f32 = 1e29;
/// The limit of a lane that takes no part: all that is met is at positive distances.
pub const OFF: f32 = -1.0;
/// The number of no geom.
pub const NOTHING: f32 = -1.0;
/// Most lanes of a packet.
pub const MOST_LANES: usize = 16;

/// A number of 32 bits in each lane.
pub trait Wide: Lanes<Scalar = f32> {}

impl<L: Lanes<Scalar = f32>> Wide for L {}

/// Rays: `direction` is of unit length.
#[derive(Clone, Copy)]
pub struct Rays<L> {
    pub origin: V3<L>,
    pub direction: V3<L>,
}

/// What rays have met so far.
#[derive(Clone, Copy)]
pub struct Hits<L> {
    /// Distance along the ray; [`FAR_AWAY`] where nothing was met, [`OFF`] in a lane without a pixel.
    pub t: L,
    /// Index of the geom, [`NOTHING`] without one. Whole numbers up to 2²⁴ are exact.
    pub geom: L,
    /// Index of the triangle where the geom is a mesh, with the weights of its second and third corner.
    pub triangle: L,
    pub weights: [L; 2],
    /// Towards the outside, in the world; on meshes filled in at the end, when it is known which triangles are seen.
    pub normal: V3<L>,
}

impl<L: Wide> Hits<L> {
    /// Nothing met; lanes outside of the mask stay so.
    #[inline(always)]
    pub fn none(inside: L::Mask) -> Self {
        Self {
            t: L::select(inside, L::splat(FAR_AWAY), L::splat(OFF)),
            geom: L::splat(NOTHING),
            triangle: L::splat(NOTHING),
            weights: [L::zero(); 2],
            normal: V3::zero(),
        }
    }
}

/// The pixels of a packet, from its first: a square, or two squares side by side.
#[derive(Clone, Copy)]
pub struct Block<L> {
    /// Pixels along x and y.
    pub size: [usize; 2],
    /// Of each lane, from the block's corner to the pixel's centre.
    x: L,
    y: L,
}

impl<L: Wide> Block<L> {
    #[inline(always)]
    pub fn new() -> Self {
        let across = match L::WIDTH {
            16 | 8 => 4,
            4 => 2,
            _ => 1,
        };
        let (mut x, mut y) = ([0.0; MOST_LANES], [0.0; MOST_LANES]);
        for lane in 0..L::WIDTH {
            x[lane] = (lane % across) as f32 + 0.5;
            y[lane] = (lane / across) as f32 + 0.5;
        }
        Self { size: [across, L::WIDTH / across], x: L::read(&x), y: L::read(&y) }
    }

    /// Where the pixels' centres are \[pixel\], for a block at a corner.
    #[inline(always)]
    pub fn pixels(&self, corner: [usize; 2]) -> [L; 2] {
        [self.x + L::splat(corner[0] as f32), self.y + L::splat(corner[1] as f32)]
    }
}

/// The same vector in every lane.
#[inline(always)]
pub fn splat<L: Wide>(v: [f32; 3]) -> V3<L> {
    V3::new(L::splat(v[0]), L::splat(v[1]), L::splat(v[2]))
}

/// Directions of rays through points of the image \[pixel\], not normalised.
#[inline(always)]
pub fn rays_through<L: Wide>(view: &View, pixel: [L; 2]) -> V3<L> {
    let x = (pixel[0] - L::splat(view.center[0])) / L::splat(view.focal[0]);
    let y = (pixel[1] - L::splat(view.center[1])) / L::splat(view.focal[1]);
    splat::<L>(view.right) * x + splat::<L>(view.down) * y + splat(view.forward)
}

/// `v / |v|`.
#[inline(always)]
pub fn normalize<L: Wide>(v: V3<L>) -> V3<L> {
    v * (L::one() / v.length())
}

/// `1 / d`, large where `d` is 0.
#[inline(always)]
pub fn inverse<L: Wide>(d: V3<L>) -> V3<L> {
    V3::new(inverse_of(d.x), inverse_of(d.y), inverse_of(d.z))
}

#[inline(always)]
fn inverse_of<L: Wide>(d: L) -> L {
    let least = L::splat(1e-20);
    L::one() / L::select(d.abs().lt(least), least, d)
}

/// `geom_from_world` of a geom, in every lane.
#[derive(Clone, Copy)]
pub struct Frame<L> {
    rows: [V3<L>; 3],
    shift: V3<L>,
}

impl<L: Wide> Frame<L> {
    #[inline(always)]
    pub fn new(instance: &Instance) -> Self {
        let [x, y, z] = [instance.row_x, instance.row_y, instance.row_z];
        Self {
            rows: [splat([x[0], x[1], x[2]]), splat([y[0], y[1], y[2]]), splat([z[0], z[1], z[2]])],
            shift: splat([x[3], y[3], z[3]]),
        }
    }

    /// A direction of the world in the geom's frame.
    #[inline(always)]
    pub fn turn(&self, v: V3<L>) -> V3<L> {
        V3::new(self.rows[0].dot(v), self.rows[1].dot(v), self.rows[2].dot(v))
    }

    /// A direction of the geom's frame in the world.
    #[inline(always)]
    pub fn turn_back(&self, v: V3<L>) -> V3<L> {
        self.rows[0] * v.x + self.rows[1] * v.y + self.rows[2] * v.z
    }

    /// A point of the world in the geom's frame.
    #[inline(always)]
    pub fn place(&self, p: V3<L>) -> V3<L> {
        self.turn(p) + self.shift
    }

    #[inline(always)]
    pub fn rays(&self, rays: &Rays<L>) -> Rays<L> {
        Rays { origin: self.place(rays.origin), direction: self.turn(rays.direction) }
    }
}

/// The number of each lane; [`NOTHING`] beyond the packet.
#[inline(always)]
pub fn lane<L: Wide>(x: L) -> [f32; MOST_LANES] {
    let mut lanes = [NOTHING; MOST_LANES];
    x.write(&mut lanes);
    lanes
}

/// The components of a vector, lane by lane.
#[inline(always)]
pub fn lanes<L: Wide>(v: V3<L>) -> [[f32; MOST_LANES]; 3] {
    [lane(v.x), lane(v.y), lane(v.z)]
}

/// A vector from its components, lane by lane.
#[inline(always)]
pub fn from_lanes<L: Wide>(v: &[[f32; MOST_LANES]; 3]) -> V3<L> {
    V3::new(L::read(&v[0]), L::read(&v[1]), L::read(&v[2]))
}

/// Whether a lane is the first that sees its geom.
#[inline(always)]
pub fn is_first(ids: &[f32; MOST_LANES], lane: usize) -> bool {
    if ids[lane] < 0.0 {
        return false;
    }
    for earlier in 0..lane {
        if ids[earlier] == ids[lane] {
            return false;
        }
    }
    true
}

/// The lanes that see a geom.
#[inline(always)]
pub fn is<L: Wide>(geom: L, id: f32) -> L::Mask {
    geom.le(L::splat(id)) & L::splat(id).le(geom)
}
