// Triangles, found through the tree that all instances of a mesh share.

/// Nodes that wait; the builder makes no deeper tree (`MAX_DEPTH`).
const STACK: u32 = 32u;

/// A unit vector from 32 bits: its octahedral map, 16 bits a coordinate.
fn unpack_normal(bits: u32) -> vec3f {
    let e = unpack2x16snorm(bits);
    var n = vec3f(e, 1.0 - abs(e.x) - abs(e.y));
    let fold = max(-n.z, 0.0);
    n.x += select(fold, -fold, n.x >= 0.0);
    n.y += select(fold, -fold, n.y >= 0.0);
    return normalize(n);
}

/// The nearest front face at `limit` or before; with `any`, some face of either side, as shadows need.
/// `normal` is that of the triangle, `smooth_normal` the one to shade by.
fn mesh(
    o: vec3f,
    d: vec3f,
    root: u32,
    limit: f32,
    any: bool,
    normal: ptr<function, vec3f>,
    smooth_normal: ptr<function, vec3f>,
    found_triangle: ptr<function, u32>,
    found_weights: ptr<function, vec2f>,
) -> f32 {
    let inverse = inverse_of(d);
    var stack: array<u32, STACK>;
    var waiting = 0u;
    var current = root;
    var best = limit;
    var found = false;
    var triangle = 0u;
    var weights = vec2f(0.0);
    if slab(o, inverse, nodes[root].low, nodes[root].high, limit) >= MISS {
        return MISS;
    }
    loop {
        let first = nodes[current].first;
        let count = nodes[current].count;
        var next = MISS;
        if count > 0u {
            for (var k = first; k < first + count; k++) {
                let edge_1 = triangles[k].edge_1;
                let edge_2 = triangles[k].edge_2;
                let p = cross(d, edge_2);
                let determinant = dot(edge_1, p);
                if determinant < 1e-20 && !(any && determinant < -1e-20) {
                    continue;
                }
                let scale = 1.0 / determinant;
                let s = o - triangles[k].corner;
                let u = dot(s, p) * scale;
                let q = cross(s, edge_1);
                let v = dot(d, q) * scale;
                let t = dot(edge_2, q) * scale;
                if u >= 0.0 && v >= 0.0 && u + v <= 1.0 && t > 0.0 && (t < best || (t == best && !found)) {
                    best = t;
                    found = true;
                    triangle = k;
                    weights = vec2f(u, v);
                    if any {
                        return t;
                    }
                }
            }
        } else {
            let left = slab(o, inverse, nodes[first].low, nodes[first].high, best);
            let right = slab(o, inverse, nodes[first + 1u].low, nodes[first + 1u].high, best);
            next = min(left, right);
            let second = select(0u, 1u, right < left);
            current = first + second;
            if max(left, right) < MISS && waiting < STACK {
                stack[waiting] = first + 1u - second;
                waiting++;
            }
        }
        if next >= MISS {
            if waiting == 0u {
                break;
            }
            waiting--;
            current = stack[waiting];
        }
    }
    if !found {
        return MISS;
    }
    *found_triangle = triangle;
    *found_weights = weights;
    *normal = cross(triangles[triangle].edge_1, triangles[triangle].edge_2);
    *smooth_normal = (1.0 - weights.x - weights.y) * unpack_normal(triangles[triangle].normal_0)
        + weights.x * unpack_normal(triangles[triangle].normal_1)
        + weights.y * unpack_normal(triangles[triangle].normal_2);
    return best;
}
