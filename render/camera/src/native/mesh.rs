//! Triangles, found by a whole packet of rays that walks the tree together: a node is entered if any ray enters its box.

use keiko_dynamics::space::V3;
use keiko_gpu::camera::{MAX_DEPTH, Node, Triangle};

use super::packet::{MISS, OFF, Rays, Wide, inverse, lanes, splat};
use crate::assets::Assets;

/// Triangles that rays meet.
pub struct Found<L> {
    /// Distance, `MISS` without one.
    pub t: L,
    /// Index of the triangle.
    pub triangle: L,
    /// Weights of its second and third corner.
    pub weights: [L; 2],
}

/// The nearest front face at `limit` or before; of two at one place the first.
#[inline(always)]
pub fn nearest<L: Wide>(assets: &Assets, root: u32, rays: &Rays<L>, limit: L) -> Found<L> {
    let mut walk = Walk::new(assets, root, rays);
    let mut best = limit;
    let mut triangle = L::splat(MISS);
    let mut weights = [L::zero(); 2];
    while let Some(leaf) = walk.next_leaf(best) {
        for k in leaf.first..leaf.first + leaf.count {
            let met = meet(&assets.triangles[k as usize], rays);
            let index = L::splat(k as f32);
            let front = L::splat(1e-20).le(met.determinant);
            let sooner = met.t.le(best) & (met.t.lt(best) | index.lt(triangle));
            let accepted = front & met.inside & sooner;
            if L::any(accepted) {
                best = L::select(accepted, met.t, best);
                triangle = L::select(accepted, index, triangle);
                weights[0] = L::select(accepted, met.weights[0], weights[0]);
                weights[1] = L::select(accepted, met.weights[1], weights[1]);
            }
        }
    }
    Found { t: L::select(triangle.lt(L::splat(MISS)), best, L::splat(MISS)), triangle, weights }
}

/// Whether there is a face, of either side, for the lanes that are not off.
#[inline(always)]
pub fn blocked<L: Wide>(assets: &Assets, root: u32, rays: &Rays<L>, limit: L) -> L::Mask {
    let mut walk = Walk::new(assets, root, rays);
    let mut open = limit;
    while let Some(leaf) = walk.next_leaf(open) {
        for k in leaf.first..leaf.first + leaf.count {
            let met = meet(&assets.triangles[k as usize], rays);
            let not_along = L::splat(1e-20).le(met.determinant.abs());
            open = L::select(not_along & met.inside & met.t.le(open), L::splat(OFF), open);
        }
        if !L::any(L::zero().lt(open)) {
            break;
        }
    }
    open.lt(limit)
}

/// Rays against one triangle (Möller and Trumbore 1997).
struct Meeting<L: Wide> {
    determinant: L,
    inside: L::Mask,
    t: L,
    weights: [L; 2],
}

#[inline(always)]
fn meet<L: Wide>(triangle: &Triangle, rays: &Rays<L>) -> Meeting<L> {
    let (edge_1, edge_2) = (splat::<L>(triangle.edge_1), splat::<L>(triangle.edge_2));
    let p = rays.direction.cross(edge_2);
    let determinant = edge_1.dot(p);
    let scale = L::one() / determinant;
    let s = rays.origin - splat(triangle.corner);
    let q = s.cross(edge_1);
    let (u, v) = (s.dot(p) * scale, rays.direction.dot(q) * scale);
    let t = edge_2.dot(q) * scale;
    let inside = L::zero().le(u) & L::zero().le(v) & (u + v).le(L::one()) & L::zero().lt(t);
    Meeting { determinant, inside, t, weights: [u, v] }
}

/// The walk of a packet through a tree, leaf by leaf, the nearer child first.
struct Walk<'a, L> {
    nodes: &'a [Node],
    inverse: V3<L>,
    /// `-origin · inverse`: a box's plane is then one multiplication and addition away.
    shift: V3<L>,
    /// Where the first ray goes; the others go about the same way.
    heading: [f32; 3],
    /// Nodes that some ray entered.
    waiting: [u32; MAX_DEPTH as usize + 1],
    num_waiting: usize,
}

impl<'a, L: Wide> Walk<'a, L> {
    #[inline(always)]
    fn new(assets: &'a Assets, root: u32, rays: &Rays<L>) -> Self {
        let inverse = inverse(rays.direction);
        let o = rays.origin;
        let mut waiting = [0; MAX_DEPTH as usize + 1];
        waiting[0] = root;
        Self {
            nodes: &assets.nodes,
            inverse,
            shift: V3::new(-(o.x * inverse.x), -(o.y * inverse.y), -(o.z * inverse.z)),
            heading: lanes(rays.direction).map(|axis| axis[0]),
            waiting,
            num_waiting: 1,
        }
    }

    /// The next leaf that a ray enters before its limit.
    #[inline(always)]
    fn next_leaf(&mut self, limit: L) -> Option<&'a Node> {
        while self.num_waiting > 0 {
            self.num_waiting -= 1;
            let mut node = &self.nodes[self.waiting[self.num_waiting] as usize];
            loop {
                if node.count > 0 {
                    return Some(node);
                }
                let children = &self.nodes[node.first as usize..node.first as usize + 2];
                let (left, right) = (self.enters(&children[0], limit), self.enters(&children[1], limit));
                if left && right {
                    let second = usize::from(self.is_ahead(&children[0], &children[1]));
                    self.waiting[self.num_waiting] = node.first + second as u32;
                    self.num_waiting += 1;
                    node = &children[1 - second];
                } else if left {
                    node = &children[0];
                } else if right {
                    node = &children[1];
                } else {
                    break;
                }
            }
        }
        None
    }

    /// Whether the rays come to box `a` before box `b`, by their middles.
    #[inline(always)]
    fn is_ahead(&self, a: &Node, b: &Node) -> bool {
        let mut way = 0.0;
        for axis in 0..3 {
            way += ((b.low[axis] + b.high[axis]) - (a.low[axis] + a.high[axis])) * self.heading[axis];
        }
        way >= 0.0
    }

    /// Whether any ray enters a box before its limit.
    #[inline(always)]
    fn enters(&self, node: &Node, limit: L) -> bool {
        let (x_in, x_out) = between(self.inverse.x, self.shift.x, node.low[0], node.high[0]);
        let (y_in, y_out) = between(self.inverse.y, self.shift.y, node.low[1], node.high[1]);
        let (z_in, z_out) = between(self.inverse.z, self.shift.z, node.low[2], node.high[2]);
        let enter = x_in.max(y_in).max(z_in.max(L::zero()));
        let leave = x_out.min(y_out).min(z_out.min(limit));
        L::any(enter.le(leave))
    }
}

/// Where rays come between two planes and leave again, along one axis. Boxes of a tree are passed so often that the last
/// digit is given for one operation less; the box that is a shape (`shapes::cuboid`) keeps it.
#[inline(always)]
fn between<L: Wide>(inverse: L, shift: L, low: f32, high: f32) -> (L, L) {
    let (a, b) = (L::splat(low).mul_add(inverse, shift), L::splat(high).mul_add(inverse, shift));
    (a.min(b), a.max(b))
}
