//! Height fields: a regular grid of heights over x and y, each cell two triangles.
//!
//! The cells are those of MuJoCo: rows along y, columns along x, and the diagonal from a cell's corner of least x and y
//! to that of most. Contacts push along the surface and only where it is: its rim and its base do not collide.

use keiko_model::robot::HeightField;

use super::hull::{Hull, repeated};
use super::support::{Convex, Solid};
use super::{Contact, FAR, Placed};
use crate::lane::Num;
use crate::machine::Machine;
use crate::space::V3;

/// Numbers before the heights in the table of a field: half sizes along x and y \[m\], cells a metre along x and y,
/// last column, last row.
pub const HEADER: usize = 6;

/// The table of a field: the header, then the heights by rows.
///
/// # Errors
/// A sentence, if the field is smaller than two by two, larger than 2^24, has another number of heights than its rows
/// and columns say, or heights that are not finite.
pub fn table(field: &HeightField) -> Result<Vec<f64>, String> {
    let (rows, columns) = (field.num_rows, field.num_cols);
    // Places are whole numbers in f32.
    let count = rows.checked_mul(columns).filter(|count| *count <= 1 << 24);
    if rows < 2 || columns < 2 || count != Some(field.heights.len()) {
        return Err(format!(
            "height field `{}` has {rows} rows, {columns} columns and {} heights; both must be 2 or more, and their \
             product the number of heights and not above 2^24",
            field.name,
            field.heights.len()
        ));
    }
    if let Some(height) = field.heights.iter().find(|h| !h.is_finite()) {
        return Err(format!("height field `{}` has the height {height}", field.name));
    }
    let last = [columns - 1, rows - 1].map(|n| n as f64);
    let half = field.half_size;
    let mut out =
        vec![half[0], half[1], last[0] / (2.0 * half[0]), last[1] / (2.0 * half[1]), last[0], last[1]];
    out.extend(field.heights.iter().map(|h| f64::from(*h)));
    Ok(out)
}

/// The cosine above which two normals are one.
const SAME_NORMAL: f64 = 0.999;

/// A height field in the world.
#[derive(Clone, Copy, Debug)]
pub struct Field<M: Machine> {
    placed: Placed<M::Num>,
    heights: M::Int,
    half: [M::Num; 2],
    scale: [M::Num; 2],
    last: [M::Num; 2],
}

/// A point of the surface, in the frame of the field.
#[derive(Clone, Copy, Debug)]
pub struct Ground<N> {
    /// Height over the point that was asked for, or over the nearest that the field has \[m\].
    pub height: N,
    /// Unit normal, upwards.
    pub normal: V3<N>,
}

/// Where a point lies nearest to the surface.
#[derive(Clone, Copy)]
struct Near<N> {
    /// Signed distance.
    distance: N,
    /// Upwards.
    normal: V3<N>,
}

impl<M: Machine> Field<M> {
    /// The field whose heights start at `heights` of the model's numbers, after a header of [`HEADER`].
    #[inline(always)]
    pub fn new(m: &M, placed: &Placed<M::Num>, heights: M::Int) -> Self {
        let header = heights - HEADER;
        Self {
            placed: *placed,
            heights,
            half: [m.real(header), m.real(header + 1)],
            scale: [m.real(header + 2), m.real(header + 3)],
            last: [m.real(header + 4), m.real(header + 5)],
        }
    }

    /// Place on the grid, in columns and rows, not beyond the field.
    #[inline(always)]
    fn grid(&self, p: V3<M::Num>) -> [M::Num; 2] {
        let zero = M::Num::zero();
        [
            ((p.x + self.half[0]) * self.scale[0]).clamp(zero, self.last[0]),
            ((p.y + self.half[1]) * self.scale[1]).clamp(zero, self.last[1]),
        ]
    }

    /// A world ray over the grid: place and change in columns and rows, and the last column and row.
    #[inline(always)]
    pub(super) fn on_grid(&self, origin: V3<M::Num>, direction: V3<M::Num>) -> [[M::Num; 2]; 3] {
        let (p, d) = (self.local(origin), self.placed.rotation.transpose_mul(direction));
        let [sx, sy] = self.scale;
        [[(p.x + self.half[0]) * sx, (p.y + self.half[1]) * sy], [d.x * sx, d.y * sy], self.last]
    }

    /// Height and climb of a world ray in the frame of the field.
    #[inline(always)]
    pub(super) fn heights_along(&self, origin: V3<M::Num>, direction: V3<M::Num>) -> (M::Num, M::Num) {
        (self.local(origin).z, self.placed.rotation.transpose_mul(direction).z)
    }

    /// Heights of the corners of a cell, around from that of least column and row.
    #[inline(always)]
    pub(super) fn cell(&self, m: &M, column: M::Num, row: M::Num) -> [M::Num; 4] {
        let one = M::Num::one();
        [
            self.sample(m, column, row),
            self.sample(m, column + one, row),
            self.sample(m, column + one, row + one),
            self.sample(m, column, row + one),
        ]
    }

    /// Whether a point lies over the field.
    #[inline(always)]
    pub fn covers(&self, p: V3<M::Num>) -> <M::Num as Num>::Mask {
        p.x.abs().le(self.half[0]) & p.y.abs().le(self.half[1])
    }

    /// Height at a column and a row.
    #[inline(always)]
    fn sample(&self, m: &M, column: M::Num, row: M::Num) -> M::Num {
        m.gather_real(self.heights, row.mul_add(self.last[0] + M::Num::one(), column))
    }

    /// A point in the frame of the field.
    #[inline(always)]
    pub fn local(&self, point: V3<M::Num>) -> V3<M::Num> {
        self.placed.rotation.transpose_mul(point - self.placed.position)
    }

    /// The surface over or under a point of its frame.
    #[inline(always)]
    pub fn ground(&self, m: &M, p: V3<M::Num>) -> Ground<M::Num> {
        let one = M::Num::one();
        let [u, v] = self.grid(p);
        let (column, row) = (u.floor().min(self.last[0] - one), v.floor().min(self.last[1] - one));
        let (x, y) = (u - column, v - row);
        let low = self.sample(m, column, row);
        let high = self.sample(m, column + one, row + one);
        // Under the diagonal the third corner is that of more x, over it that of more y.
        let under = y.le(x);
        let corner = self.sample(
            m,
            M::Num::select(under, column + one, column),
            M::Num::select(under, row, row + one),
        );
        let rise_x = M::Num::select(under, corner - low, high - corner);
        let rise_y = M::Num::select(under, high - corner, corner - low);
        let slope = V3::new(-(rise_x * self.scale[0]), -(rise_y * self.scale[1]), one);
        let (normal, _) = slope.normalize_or(V3::unit(2));
        Ground { height: x.mul_add(rise_x, y.mul_add(rise_y, low)), normal }
    }

    /// How far a point of its frame is over the plane of the triangle under it.
    #[inline(always)]
    fn clearance(&self, m: &M, p: V3<M::Num>) -> M::Num {
        let ground = self.ground(m, p);
        (p.z - ground.height) * ground.normal.z
    }

    /// Where a point of the field's frame is nearest to the 8 triangles about the grid point nearest to it, and where
    /// straight over another of them with another normal.
    #[inline(always)]
    fn nearest(&self, m: &M, p: V3<M::Num>) -> [Near<M::Num>; 2] {
        let [u, v] = self.grid(p);
        let (column, row) = (middle(u, self.last[0]), middle(v, self.last[1]));
        // The planes of two steep triangles may both be over a point that is over the edge between them.
        let up = (p.z - self.ground(m, p).height).sign();
        // Corner (i, j) of the 3 by 3 about the middle, from the point.
        let mut corners = [[V3::zero(); 3]; 3];
        for (j, line) in corners.iter_mut().enumerate() {
            for (i, corner) in line.iter_mut().enumerate() {
                // A field of one cell has no third line: the second again.
                let x = (column + M::Num::of(i as f64 - 1.0)).min(self.last[0]);
                let y = (row + M::Num::of(j as f64 - 1.0)).min(self.last[1]);
                let place = V3::new(
                    x / self.scale[0] - self.half[0],
                    y / self.scale[1] - self.half[1],
                    self.sample(m, x, y),
                );
                *corner = place - p;
            }
        }
        let far = Near { distance: M::Num::of(FAR), normal: V3::unit(2) };
        let mut best = far;
        let mut size = M::Num::of(FAR);
        let mut over = [far; 8];
        for (k, over) in over.iter_mut().enumerate() {
            let (i, j) = (k / 2 % 2, k / 4);
            let (low, high) = (corners[j][i], corners[j + 1][i + 1]);
            let (first, second) =
                if k % 2 == 0 { (corners[j][i + 1], high) } else { (high, corners[j + 1][i]) };
            let (near, distance, within) = nearest_of_triangle([low, first, second], up);
            let closer = distance.lt(size);
            size = M::Num::select(closer, distance, size);
            best.distance = M::Num::select(closer, near.distance, best.distance);
            best.normal = V3::select(closer, near.normal, best.normal);
            over.distance = M::Num::select(within, near.distance, far.distance);
            over.normal = near.normal;
        }
        let mut other = far;
        for near in over {
            let apart = near.normal.dot(best.normal).lt(M::Num::of(SAME_NORMAL));
            let closer = apart & near.distance.abs().lt(other.distance.abs());
            other.distance = M::Num::select(closer, near.distance, other.distance);
            other.normal = V3::select(closer, near.normal, other.normal);
        }
        [best, other]
    }

    /// The contact of a point of the field's frame with a ball about it.
    #[inline(always)]
    fn contact(&self, p: V3<M::Num>, near: Near<M::Num>, radius: M::Num) -> Contact<M::Num> {
        let there = self.covers(p) & near.distance.lt(M::Num::of(FAR));
        let gap = near.distance - radius;
        let middle = near.normal.mul_add(gap * M::Num::of(-0.5) - radius, p);
        Contact {
            distance: M::Num::select(there, gap, M::Num::of(FAR)),
            position: self.placed.position + self.placed.rotation * middle,
            normal: -(self.placed.rotation * near.normal),
        }
    }
}

/// The grid line nearest to `x` that has a cell on both sides.
#[inline(always)]
fn middle<N: Num>(x: N, last: N) -> N {
    let one = N::one();
    (x + N::of(0.5)).floor().clamp(one, one.max(last - one))
}

/// Where the origin is nearest to a triangle that is counter-clockwise seen from above, if it is over the surface where
/// `up` is 1 and under it where `up` is -1; the distance without sign; and whether the foot lies in it.
#[inline(always)]
fn nearest_of_triangle<N: Num>(corners: [V3<N>; 3], up: N) -> (Near<N>, N, N::Mask) {
    let [a, b, c] = corners;
    let (normal, _) = (b - a).cross(c - a).normalize_or(V3::unit(2));
    let height = -(normal.dot(a));
    let zero = N::zero();
    // The origin is on the inner side of an edge that turns left about it.
    let within =
        zero.le(a.cross(b).dot(normal)) & zero.le(b.cross(c).dot(normal)) & zero.le(c.cross(a).dot(normal));
    let mut point = a;
    let mut best = N::of(FAR);
    for (from, to) in [(a, b), (b, c), (c, a)] {
        let edge = to - from;
        let t = (-(from.dot(edge)) / edge.length_squared().max(N::of(1e-30))).clamp(zero, N::one());
        let foot = edge.mul_add(t, from);
        let closer = foot.length_squared().lt(best);
        best = N::select(closer, foot.length_squared(), best);
        point = V3::select(closer, foot, point);
    }
    let (aside, far) = (-point * up).normalize_or(normal);
    let size = N::select(within, height.abs(), far);
    let signed = N::select(within, height, size * up);
    (Near { distance: signed, normal: V3::select(within, normal, aside) }, size, within)
}

/// A sphere and a height field: nearest first, then where it lies over another triangle, as in a groove. Triangles
/// that touch no cell next to the grid point nearest to the centre are not looked at, so the radius should not be more
/// than half a cell.
#[inline(always)]
pub fn sphere_height_field<M: Machine>(m: &M, a: &Placed<M::Num>, b: &Field<M>) -> [Contact<M::Num>; 2] {
    let p = b.local(a.position);
    let [first, second] = b.nearest(m, p);
    [b.contact(p, first, a.size.x), b.contact(p, second, a.size.x)]
}

/// A capsule and a height field: its ends at +z and at -z, then the deepest of three places between.
#[inline(always)]
pub fn capsule_height_field<M: Machine>(m: &M, a: &Placed<M::Num>, b: &Field<M>) -> [Contact<M::Num>; 3] {
    let middle = b.local(a.position);
    let axis = b.placed.rotation.transpose_mul(a.rotation.column(2) * a.size.y);
    let mut between = middle;
    let mut least = b.clearance(m, middle) - M::Num::of(1e-4);
    for share in [-0.5, 0.5] {
        let p = axis.mul_add(M::Num::of(share), middle);
        let clearance = b.clearance(m, p);
        let lower = clearance.lt(least);
        least = M::Num::select(lower, clearance, least);
        between = V3::select(lower, p, between);
    }
    let mut contacts = [Contact::none(); 3];
    for (contact, p) in contacts.iter_mut().zip([middle + axis, middle - axis, between]) {
        let [near, _] = b.nearest(m, p);
        *contact = b.contact(p, near, a.size.x);
    }
    contacts
}

/// A box and a height field: the corners of its lower face, each over the triangle under it. What of the ground sticks
/// up between them is not felt.
#[inline(always)]
pub fn box_height_field<M: Machine>(m: &M, a: &Placed<M::Num>, b: &Field<M>) -> [Contact<M::Num>; 4] {
    corners_height_field(m, &Solid::cuboid(a), b, M::Num::of(FAR), M::Num::zero())
}

/// A cylinder and a height field: four points of the lower rim where it stands, the lowest points of both rims where it
/// lies, else the lowest point; each over the triangle under it. What of the ground sticks up between is not felt.
#[inline(always)]
pub fn cylinder_height_field<M: Machine>(
    m: &M,
    a: &Placed<M::Num>,
    b: &Field<M>,
    margin: M::Num,
) -> [Contact<M::Num>; 4] {
    corners_height_field(m, &Solid::cylinder(a), b, margin, M::Num::of(0.02))
}

/// A hull and a height field: a wide quadrilateral of its lowest vertices, each over the triangle under it. What of the
/// ground sticks up between them is not felt.
#[inline(always)]
pub fn hull_height_field<M: Machine>(
    m: &M,
    a: &Hull<M>,
    b: &Field<M>,
    margin: M::Num,
) -> [Contact<M::Num>; 4] {
    corners_height_field(m, a, b, margin, M::Num::of(0.1))
}

/// The corners of the face of `a` that looks at the ground below its centre, over the ground under each. They are the
/// points of `a` that are under that ground, or over it by no more than the margin and a share of the size of `a`.
#[inline(always)]
fn corners_height_field<M: Machine>(
    m: &M,
    a: &impl Convex<M>,
    b: &Field<M>,
    margin: M::Num,
    share: M::Num,
) -> [Contact<M::Num>; 4] {
    let center = b.local(a.center());
    let ground = b.ground(m, center);
    let down = -(b.placed.rotation * ground.normal);
    let reach = a.support(m, down).dot(down);
    let height = (center.z - ground.height) * ground.normal.z;
    let tolerance = (reach - height).max(M::Num::zero()) + margin + reach * share;
    let corners = a.face(m, down, tolerance);
    let mut contacts = [Contact::none(); 4];
    for (slot, contact) in contacts.iter_mut().enumerate() {
        let p = b.local(a.center() + corners[slot]);
        let ground = b.ground(m, p);
        let near = Near { distance: (p.z - ground.height) * ground.normal.z, normal: ground.normal };
        let found = b.contact(p, near, a.radius());
        *contact = Contact::select(repeated(&corners, slot), Contact::none(), found);
    }
    contacts
}
