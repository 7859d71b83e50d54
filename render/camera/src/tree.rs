//! The tree of boxes over a mesh's triangles, which all instances of the mesh share.

use glam::Vec3;
use keiko_gpu::camera::{MAX_DEPTH, Node, Triangle, pack_normal};
use keiko_model::robot::Mesh;

/// Triangles that a leaf may hold.
const LEAF: usize = 4;
/// Bins in which splits are tried.
const BINS: usize = 16;
/// Faces that meet at a smaller angle than this are drawn as one curved surface: its cosine.
const CREASE: f32 = 0.766;

/// The tree of a mesh.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The first is the root; indices are from 0.
    pub nodes: Vec<Node>,
    pub triangles: Vec<Triangle>,
    /// Which triangle of the mesh each is.
    pub order: Vec<u32>,
}

impl Tree {
    /// Of all triangles of a mesh.
    pub fn build(mesh: &Mesh) -> Self {
        let corners = |k: usize| mesh.triangles[k].map(|v| Vec3::from_array(mesh.vertices[v as usize]));
        let boxes: Vec<Bounds> = (0..mesh.triangles.len())
            .map(|k| corners(k).into_iter().fold(Bounds::EMPTY, Bounds::with))
            .collect();
        let mut order: Vec<u32> = (0..mesh.triangles.len() as u32).collect();
        let mut nodes = vec![Node::default()];
        // Node, its triangles, its depth.
        let mut todo = vec![(0, 0..order.len(), 0)];
        while let Some((node, range, depth)) = todo.pop() {
            let part = &mut order[range.clone()];
            let bounds = part.iter().fold(Bounds::EMPTY, |all, k| all.union(boxes[*k as usize]));
            let (first, count) = if part.len() <= LEAF {
                (range.start, part.len())
            } else {
                let left = split(part, &boxes, bounds, depth);
                let children = nodes.len();
                nodes.extend([Node::default(); 2]);
                todo.push((children, range.start..range.start + left, depth + 1));
                todo.push((children + 1, range.start + left..range.end, depth + 1));
                (children, 0)
            };
            nodes[node] = Node {
                low: bounds.low.to_array(),
                first: first as u32,
                high: bounds.high.to_array(),
                count: count as u32,
            };
        }
        let normals = corner_normals(mesh);
        let triangles = order
            .iter()
            .map(|&k| {
                let [a, b, c] = corners(k as usize);
                let [normal_0, normal_1, normal_2] = normals[k as usize].map(|n| pack_normal(n.to_array()));
                Triangle {
                    corner: a.to_array(),
                    normal_0,
                    edge_1: (b - a).to_array(),
                    normal_1,
                    edge_2: (c - a).to_array(),
                    normal_2,
                }
            })
            .collect();
        Self { nodes, triangles, order }
    }
}

/// Orders the triangles so that those of the left child come first; returns how many they are.
fn split(part: &mut [u32], boxes: &[Bounds], bounds: Bounds, depth: u32) -> usize {
    let half = part.len() / 2;
    let extent = bounds.high - bounds.low;
    let axis =
        if extent.x >= extent.y && extent.x >= extent.z { 0 } else { 1 + usize::from(extent.z > extent.y) };
    let center = |k: u32| (boxes[k as usize].low[axis] + boxes[k as usize].high[axis]) * 0.5;
    // Halving from here on ends within the depth that a ray can walk.
    let halvings = usize::BITS - part.len().leading_zeros();
    if depth + halvings < MAX_DEPTH {
        let low = part.iter().map(|k| center(*k)).fold(f32::INFINITY, f32::min);
        let high = part.iter().map(|k| center(*k)).fold(f32::NEG_INFINITY, f32::max);
        let bin = |k: u32| (((center(k) - low) / (high - low) * BINS as f32) as usize).min(BINS - 1);
        if high > low
            && let Some(best) = cheapest_bin(part, boxes, bin)
        {
            let mut left = 0;
            for k in 0..part.len() {
                if bin(part[k]) <= best {
                    part.swap(left, k);
                    left += 1;
                }
            }
            return left;
        }
    }
    part.select_nth_unstable_by(half, |a, b| center(*a).total_cmp(&center(*b)));
    half
}

/// The last bin of the left side where the expected work of a ray is least (surface area heuristic).
fn cheapest_bin(part: &[u32], boxes: &[Bounds], bin: impl Fn(u32) -> usize) -> Option<usize> {
    let mut bins = [(Bounds::EMPTY, 0usize); BINS];
    for k in part {
        let slot = &mut bins[bin(*k)];
        *slot = (slot.0.union(boxes[*k as usize]), slot.1 + 1);
    }
    let join = |a: (Bounds, usize), b: &(Bounds, usize)| (a.0.union(b.0), a.1 + b.1);
    let cost = |at: usize| {
        let left = bins[..=at].iter().fold((Bounds::EMPTY, 0), join);
        let right = bins[at + 1..].iter().fold((Bounds::EMPTY, 0), join);
        let useful = left.1 > 0 && right.1 > 0;
        useful.then(|| left.0.area() * left.1 as f32 + right.0.area() * right.1 as f32)
    };
    (0..BINS - 1).filter_map(|at| Some((cost(at)?, at))).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, at)| at)
}

/// Normals at the corners of each triangle: those of the faces around, as far as they go on without a crease.
fn corner_normals(mesh: &Mesh) -> Vec<[Vec3; 3]> {
    let vertex = |v: u32| Vec3::from_array(mesh.vertices[v as usize]);
    let faces: Vec<Vec3> = mesh
        .triangles
        .iter()
        .map(|[a, b, c]| (vertex(*b) - vertex(*a)).cross(vertex(*c) - vertex(*a)).normalize_or_zero())
        .collect();
    // Faces at each vertex, with their angle there.
    let mut around: Vec<Vec<(u32, f32)>> = vec![Vec::new(); mesh.vertices.len()];
    for (k, triangle) in mesh.triangles.iter().enumerate() {
        for i in 0..3 {
            let [at, next, last] = [0, 1, 2].map(|j| vertex(triangle[(i + j) % 3]));
            let angle = (next - at).angle_between(last - at);
            around[triangle[i] as usize].push((k as u32, if angle.is_finite() { angle } else { 0.0 }));
        }
    }
    let corner = |face: Vec3, vertex: u32| {
        let near = around[vertex as usize].iter().map(|(k, angle)| (faces[*k as usize], *angle));
        let sum: Vec3 = near.filter(|(n, _)| n.dot(face) > CREASE).map(|(n, angle)| n * angle).sum();
        sum.try_normalize().unwrap_or(face)
    };
    mesh.triangles.iter().zip(&faces).map(|(t, face)| t.map(|vertex| corner(*face, vertex))).collect()
}

/// A box along the axes.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub low: Vec3,
    pub high: Vec3,
}

impl Bounds {
    pub const EMPTY: Self = Self { low: Vec3::INFINITY, high: Vec3::NEG_INFINITY };

    pub fn with(self, point: Vec3) -> Self {
        Self { low: self.low.min(point), high: self.high.max(point) }
    }

    fn union(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    fn area(self) -> f32 {
        let e = self.high - self.low;
        e.x * e.y + e.y * e.z + e.z * e.x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(nodes: &[Node], at: usize) -> u32 {
        match nodes[at] {
            Node { count: 0, first, .. } => {
                1 + depth(nodes, first as usize).max(depth(nodes, first as usize + 1))
            }
            _ => 0,
        }
    }

    /// Triangles whose sizes and places fall by halves: the heuristic alone would peel them off one by one.
    #[test]
    fn no_mesh_makes_a_tree_too_deep() {
        let mut mesh =
            Mesh { name: String::new(), vertices: Vec::new(), triangles: Vec::new(), texcoords: Vec::new() };
        for k in 0..4000u32 {
            let s = 0.97f32.powi(k as i32);
            mesh.vertices.extend([[s, 0.0, 0.0], [s, 0.1 * s, 0.0], [s, 0.0, 0.1 * s]]);
            mesh.triangles.push([3 * k, 3 * k + 1, 3 * k + 2]);
        }
        let Tree { nodes, triangles, .. } = Tree::build(&mesh);
        assert_eq!(triangles.len(), 4000);
        assert!(depth(&nodes, 0) < MAX_DEPTH);
        let leaves = nodes.iter().filter(|node| node.count > 0);
        let mut covered: Vec<u32> = leaves.flat_map(|leaf| leaf.first..leaf.first + leaf.count).collect();
        covered.sort_unstable();
        assert_eq!(covered, (0..4000).collect::<Vec<_>>());
    }

    #[test]
    fn triangles_that_lie_on_one_spot_are_split_too() {
        let vertices = vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
        let triangles = vec![[0, 1, 2]; 1000];
        let mesh = Mesh { name: String::new(), vertices, triangles, texcoords: Vec::new() };
        let Tree { nodes, .. } = Tree::build(&mesh);
        assert!(nodes.iter().all(|node| node.count as usize <= LEAF));
        assert!(depth(&nodes, 0) < MAX_DEPTH);
    }
}
