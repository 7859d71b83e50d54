//! Height fields: a walk over the cells that a ray passes, as in `terrain.wgsl`. The solid goes from the surface down to
//! its base. One ray at a time: each goes its own way through the cells.

use glam::{IVec2, Vec2, Vec3, Vec3Swizzles};
use keiko_gpu::camera::HeightField;

use super::packet::MISS;

/// A height field with its heights `[rows, columns]`.
#[derive(Clone, Copy)]
pub struct Terrain<'a> {
    field: &'a HeightField,
    heights: &'a [f32],
    /// Cells along x and y.
    cells: Vec2,
}

/// Where a ray enters, and what is normal to the surface there.
pub type Entry = Option<(f32, Vec3)>;

impl<'a> Terrain<'a> {
    pub fn new(field: &'a HeightField, heights: &'a [f32]) -> Self {
        let cells = Vec2::new((field.columns - 1) as f32, (field.rows - 1) as f32);
        Self { field, heights: &heights[field.first as usize..], cells }
    }

    /// The first entry at `limit` or before; with `any`, a way out from under the surface counts too.
    pub fn meet(&self, o: Vec3, d: Vec3, limit: f32, any: bool) -> Entry {
        let half = Vec2::from(self.field.half);
        let inverse = Vec3::from(d.to_array().map(|x| 1.0 / if x.abs() < 1e-20 { 1e-20 } else { x }));
        let a = (Vec3::new(-half.x, -half.y, -self.field.base) - o) * inverse;
        let b = (Vec3::new(half.x, half.y, self.field.top) - o) * inverse;
        let (enter, leave) = (a.min(b), a.max(b));
        let (t_in, t_out) = (enter.max_element(), leave.min_element().min(limit));
        if t_in.max(0.0) > t_out {
            return None;
        }
        let cells_per_metre = self.cells / (2.0 * half);
        if t_in > 0.0 {
            // Through a side under the surface, or through the floor.
            let p = o + d * t_in;
            let face = face_of(enter, t_in, d);
            let over = self.height_over(((p.xy() + half) * cells_per_metre).clamp(Vec2::ZERO, self.cells));
            if face.z < 0.0 || (face.z == 0.0 && p.z < over) {
                return Some((t_in, face));
            }
        }
        // In cells: position at the start, and cells per unit of t.
        let start = (o.xy() + half) * cells_per_metre;
        let speed = d.xy() * cells_per_metre;
        let mut t = t_in.max(0.0);
        let mut cell = (start + speed * t).floor().clamp(Vec2::ZERO, self.cells - 1.0).as_ivec2();
        let steps = IVec2::new(sign(speed.x), sign(speed.y));
        for _ in 0..=self.field.columns + self.field.rows {
            let wall = |k: usize| match steps[k] {
                0 => MISS,
                step => ((cell[k] + step.max(0)) as f32 - start[k]) / speed[k],
            };
            let walls = [wall(0), wall(1)];
            let t_next = walls[0].min(walls[1]).min(t_out);
            let corners = self.corners(cell);
            let z_low = (o.z + d.z * t).min(o.z + d.z * t_next);
            if z_low <= corners.into_iter().fold(f32::MIN, f32::max) + 1e-6
                && let Some(entry) = self.meet_cell(o, d, cell.as_vec2(), corners, any)
                && entry.0 <= limit
            {
                return Some(entry);
            }
            if t_next >= t_out {
                break;
            }
            t = t_next;
            cell[usize::from(walls[0] > walls[1])] += steps[usize::from(walls[0] > walls[1])];
            if cell.min_element() < 0 || cell.cmpge(self.cells.as_ivec2()).any() {
                break;
            }
        }
        None
    }

    /// Heights at the corners of a cell: of least x and y, of the next x, of the next y, of both.
    fn corners(&self, cell: IVec2) -> [f32; 4] {
        let columns = self.field.columns as usize;
        let at = cell.y as usize * columns + cell.x as usize;
        [at, at + 1, at + columns, at + columns + 1].map(|at| self.heights[at])
    }

    /// Height of the surface over a point in cells, by the two triangles of its cell.
    fn height_over(&self, at: Vec2) -> f32 {
        let cell = at.floor().clamp(Vec2::ZERO, self.cells - 1.0);
        let f = at - cell;
        let [h00, h10, h01, h11] = self.corners(cell.as_ivec2());
        match f.x >= f.y {
            true => h00 + f.x * (h10 - h00) + f.y * (h11 - h10),
            false => h00 + f.y * (h01 - h00) + f.x * (h11 - h01),
        }
    }

    /// The nearer of the two triangles of a cell, from above; with `any` from below too. The diagonal goes from the
    /// corner of least x and y to that of most.
    fn meet_cell(&self, o: Vec3, d: Vec3, cell: Vec2, [h00, h10, h01, h11]: [f32; 4], any: bool) -> Entry {
        let half = Vec2::from(self.field.half);
        let size = 2.0 * half / self.cells;
        // Planes z = h00 + slope . (x, y), from the cell's corner.
        let local = o - (cell * size - half).extend(h00);
        let mut best: Entry = None;
        for (is_upper, rise) in [(false, [h10 - h00, h11 - h10]), (true, [h11 - h01, h01 - h00])] {
            let up = (-Vec2::from(rise) / size).extend(1.0);
            let approach = up.dot(d);
            if approach >= 0.0 && !any {
                continue;
            }
            let t = -up.dot(local) / if approach.abs() < 1e-20 { 1e-20 } else { approach };
            let f = (local.xy() + d.xy() * t) / size;
            // A hair wider than the triangle: its neighbours leave no gap.
            let inside = f.min_element() >= -1e-5 && f.max_element() <= 1.00001;
            let mine = if is_upper { f.y >= f.x - 1e-5 } else { f.y <= f.x + 1e-5 };
            if inside && mine && t > 0.0 && best.is_none_or(|(nearest, _)| t < nearest) {
                best = Some((t, up));
            }
        }
        best
    }
}

/// The face of a box that is entered at `t`, of the three that could be.
fn face_of(enter: Vec3, t: f32, d: Vec3) -> Vec3 {
    let axis = (0..3).find(|axis| enter[*axis] == t).unwrap_or(2);
    -Vec3::AXES[axis] * d[axis].signum()
}

/// -1, 0 or 1; 0 for what takes longer to cross a cell than any ray is long.
fn sign(speed: f32) -> i32 {
    if speed.abs() <= 1e-12 { 0 } else { speed.signum() as i32 }
}
