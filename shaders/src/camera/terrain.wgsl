// Height fields: a walk over the cells that a ray passes. The solid goes from the surface down to its base.

fn height(field: HeightField, column: u32, row: u32) -> f32 {
    return heights[field.first + row * field.columns + column];
}

/// Height of the surface over a point in cells, by the two triangles of its cell.
fn height_over(field: HeightField, at: vec2f) -> f32 {
    let last = vec2f(f32(field.columns - 1u), f32(field.rows - 1u));
    let cell = clamp(floor(at), vec2f(0.0), last - 1.0);
    let f = at - cell;
    let c = vec2u(cell);
    let h00 = height(field, c.x, c.y);
    let h10 = height(field, c.x + 1u, c.y);
    let h01 = height(field, c.x, c.y + 1u);
    let h11 = height(field, c.x + 1u, c.y + 1u);
    let lower = h00 + f.x * (h10 - h00) + f.y * (h11 - h10);
    let upper = h00 + f.y * (h01 - h00) + f.x * (h11 - h01);
    return select(upper, lower, f.x >= f.y);
}

fn terrain(o: vec3f, d: vec3f, index: u32, limit: f32, any: bool, normal: ptr<function, vec3f>) -> f32 {
    let field = fields[index];
    let inverse = inverse_of(d);
    let a = (vec3f(-field.half, -field.base) - o) * inverse;
    let b = (vec3f(field.half, field.top) - o) * inverse;
    let enter = min(a, b);
    let leave = max(a, b);
    let t_in = max(max(enter.x, enter.y), enter.z);
    let t_out = min(min(leave.x, leave.y), min(leave.z, limit));
    if max(t_in, 0.0) > t_out {
        return MISS;
    }
    let last = vec2f(f32(field.columns - 1u), f32(field.rows - 1u));
    let cells_per_metre = last / (2.0 * field.half);
    if t_in > 0.0 {
        // Through a side under the surface, or through the floor.
        let p = o + d * t_in;
        let face = face_of(enter, t_in, d);
        let over = height_over(field, clamp((p.xy + field.half) * cells_per_metre, vec2f(0.0), last));
        if face.z < 0.0 || (face.z == 0.0 && p.z < over) {
            *normal = face;
            return t_in;
        }
    }
    // In cells: position at the start, and cells per unit of t.
    let start = (o.xy + field.half) * cells_per_metre;
    let speed = d.xy * cells_per_metre;
    var t = max(t_in, 0.0);
    var cell = vec2i(clamp(floor(start + speed * t), vec2f(0.0), last - 1.0));
    let steps = vec2i(sign(speed));
    let crossing = select(vec2f(MISS), 1.0 / speed, abs(speed) > vec2f(1e-12));
    for (var n = 0u; n <= field.columns + field.rows; n++) {
        let walls = (vec2f(cell + max(steps, vec2i(0))) - start) * crossing;
        let to_wall = select(vec2f(MISS), walls, steps != vec2i(0));
        let t_next = min(min(to_wall.x, to_wall.y), t_out);
        let c = vec2u(cell);
        let h00 = height(field, c.x, c.y);
        let h10 = height(field, c.x + 1u, c.y);
        let h01 = height(field, c.x, c.y + 1u);
        let h11 = height(field, c.x + 1u, c.y + 1u);
        let z_low = min(o.z + d.z * t, o.z + d.z * t_next);
        if z_low <= max(max(h00, h10), max(h01, h11)) + 1e-6 {
            let hit = cell_hit(o, d, field, vec2f(cell), vec4f(h00, h10, h01, h11), any, normal);
            if hit <= limit {
                return hit;
            }
        }
        if t_next >= t_out {
            break;
        }
        t = t_next;
        if to_wall.x <= to_wall.y {
            cell.x += steps.x;
        } else {
            cell.y += steps.y;
        }
        if any_outside(cell, vec2i(last)) {
            break;
        }
    }
    return MISS;
}

fn any_outside(cell: vec2i, count: vec2i) -> bool {
    return cell.x < 0 || cell.y < 0 || cell.x >= count.x || cell.y >= count.y;
}

/// The nearer of the two triangles of a cell, from above; with `any` from below too. The diagonal goes from the corner
/// of least x and y to that of most.
fn cell_hit(
    o: vec3f,
    d: vec3f,
    field: HeightField,
    cell: vec2f,
    h: vec4f,
    any: bool,
    normal: ptr<function, vec3f>,
) -> f32 {
    let size = 2.0 * field.half / vec2f(f32(field.columns - 1u), f32(field.rows - 1u));
    // Planes z = h00 + slope . (x, y), from the cell's corner.
    let corner = vec3f(cell * size - field.half, h.x);
    let local = o - corner;
    var best = MISS;
    for (var k = 0u; k < 2u; k++) {
        let slope = select(vec2f(h.w - h.z, h.z - h.x), vec2f(h.y - h.x, h.w - h.y), k == 0u) / size;
        let up = vec3f(-slope, 1.0);
        let approach = dot(up, d);
        if approach >= 0.0 && !any {
            continue;
        }
        let t = -dot(up, local) / select(approach, 1e-20, abs(approach) < 1e-20);
        let f = (local.xy + d.xy * t) / size;
        // A hair wider than the triangle: its neighbours leave no gap.
        let inside = all(f >= vec2f(-1e-5)) && all(f <= vec2f(1.00001));
        let mine = select(f.y >= f.x - 1e-5, f.y <= f.x + 1e-5, k == 0u);
        if inside && mine && t > 0.0 && t < best {
            best = t;
            *normal = up;
        }
    }
    return best;
}
