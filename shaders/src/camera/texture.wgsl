// Pictures on surfaces. All lie in one array; each has smaller copies of itself, for what is far away.

const FLAT: u32 = 0u;
const CUBE: u32 = 1u;
const BY_TRIANGLE: u32 = 2u;
const SIDES: u32 = 3u;
const BALL: u32 = 4u;
const TUBE: u32 = 5u;
const PILL: u32 = 6u;
const TURN: f32 = 6.2831853;

/// Linear RGB of a texel.
fn texel(first: u32, index: u32) -> vec3f {
    let bits = texels[first + index];
    let c = vec3f(vec3u(bits, bits >> 8u, bits >> 16u) & vec3u(255u)) / 255.0;
    return select(pow((c + 0.055) / 1.055, vec3f(2.4)), c / 12.92, c <= vec3f(0.04045));
}

/// A texel and the next: after the last the first, or the last again.
fn beside(x: i32, count: i32, endless: bool) -> vec2i {
    let both = vec2i(x, x + 1);
    if endless {
        return select(both, both + count, both < vec2i(0)) - select(vec2i(0), vec2i(count), both >= vec2i(count));
    }
    return clamp(both, vec2i(0), vec2i(count - 1));
}

/// Between the four texels around a place [parts of the picture]. A flat one goes on for ever; a cube's ends at its rim.
fn between(level: u32, face: u32, place: vec2f, endless: bool) -> vec3f {
    let width = i32(textures[level].width);
    let height = i32(textures[level].height);
    // Within the picture once, as whole numbers are slow to divide.
    let at = select(place, fract(place), endless) * vec2f(f32(width), f32(height)) - 0.5;
    let low = floor(at);
    let share = at - low;
    let x = beside(i32(low.x), width, endless);
    let y = beside(i32(low.y), height, endless);
    let first = textures[level].first + face * u32(width * height);
    let upper = mix(texel(first, u32(y.x * width + x.x)), texel(first, u32(y.x * width + x.y)), share.x);
    let lower = mix(texel(first, u32(y.y * width + x.x)), texel(first, u32(y.y * width + x.y)), share.x);
    return mix(upper, lower, share.y);
}

/// Where a direction meets the cube: face, and place on it (OpenGL 4.6, table 8.19).
fn on_cube(d: vec3f) -> vec3f {
    let a = abs(d);
    if a.x >= a.y && a.x >= a.z {
        let side = select(0.0, 1.0, d.x < 0.0);
        return vec3f(side, vec2f(select(-d.z, d.z, d.x < 0.0), -d.y) / a.x);
    }
    if a.y >= a.z {
        let side = select(2.0, 3.0, d.y < 0.0);
        return vec3f(side, vec2f(d.x, select(d.z, -d.z, d.y < 0.0)) / a.y);
    }
    let side = select(4.0, 5.0, d.z < 0.0);
    return vec3f(side, vec2f(select(d.x, -d.x, d.z < 0.0), -d.y) / a.z);
}

/// Where a point lies on the picture of a shape, and how fast that changes [1/m].
struct Placed {
    place: vec2f,
    across: vec2f,
}

/// As MuJoCo's shapes have it: `p` is the point where the shape has size 1.
fn place_on(coat: u32, local: vec3f) -> Placed {
    let scale = coats[coat].scale;
    let p = local * scale;
    let around = atan2(p.y, p.x) / TURN;
    let u = select(around, around + 1.0, around < 0.0);
    let along = scale.x / (TURN * max(length(p.xy), 0.1));
    switch coats[coat].mapping {
        case SIDES: {
            let a = abs(p);
            if a.z >= a.x && a.z >= a.y {
                return Placed(vec2f(0.5 + 0.5 * p.x, 0.5 - 0.5 * p.y), 0.5 * scale.xy);
            }
            if a.x >= a.y {
                return Placed(vec2f(0.5 + 0.5 * p.y, 0.5 - 0.5 * p.z), 0.5 * scale.yz);
            }
            return Placed(vec2f(0.5 + 0.5 * p.x, 0.5 - 0.5 * p.z), 0.5 * scale.xz);
        }
        case BALL: {
            let rise = asin(clamp(p.z / max(length(p), 1e-9), -1.0, 1.0));
            return Placed(vec2f(u, 0.5 - 2.0 * rise / TURN), vec2f(along, 2.0 * scale.z / TURN));
        }
        case TUBE: {
            if abs(p.z) > length(p.xy) {
                return Placed(0.5 + 0.5 * p.xy, 0.5 * scale.xy);
            }
            return Placed(vec2f(u, 0.5 - 0.5 * p.z), vec2f(along, 0.5 * scale.z));
        }
        case PILL: {
            let over = abs(local.z) - 1.0 / scale.z;
            if over <= 0.0 {
                return Placed(vec2f(u, 0.5 - 0.5 * p.z), vec2f(along, 0.5 * scale.z));
            }
            let rise = 4.0 * asin(clamp(over * scale.x, 0.0, 1.0)) / TURN;
            return Placed(vec2f(u, select(rise, 1.0 - rise, p.z > 0.0)), vec2f(along, 4.0 * scale.x / TURN));
        }
        default: {
            return Placed(p.xy, abs(scale.xy));
        }
    }
}

/// What a coat's texture shows at a point of the geom's frame; `footprint` [m] is the width of a pixel there.
fn textured(coat: u32, local: vec3f, hit: Hit, footprint: f32) -> vec3f {
    let level = coats[coat].texture - 1u;
    let size = vec2f(f32(textures[level].width), f32(textures[level].height));
    let scale = coats[coat].scale;
    var face = 0u;
    var place: vec2f;
    // Texels of a metre.
    var dense: f32;
    if coats[coat].mapping == CUBE {
        let d = local * scale;
        let met = on_cube(d);
        face = u32(met.x);
        place = 0.5 * met.yz + 0.5;
        let reach = max(max(abs(d.x), abs(d.y)), max(abs(d.z), 1e-9));
        dense = 0.5 * size.x * max(max(scale.x, scale.y), scale.z) / reach;
    } else if coats[coat].mapping == BY_TRIANGLE {
        let first = 3u * hit.triangle;
        let a = texcoords[first];
        let along = texcoords[first + 1u] - a;
        let across = texcoords[first + 2u] - a;
        let repeat = coats[coat].repeat;
        place = (a + hit.weights.x * along + hit.weights.y * across) * repeat;
        let there = abs((along.x * across.y - along.y * across.x) * repeat.x * repeat.y) * size.x * size.y;
        let here = length(cross(triangles[hit.triangle].edge_1, triangles[hit.triangle].edge_2));
        dense = sqrt(there / max(here, 1e-20));
    } else {
        let placed = place_on(coat, local);
        place = placed.place * coats[coat].repeat + coats[coat].shift;
        let texels = placed.across * abs(coats[coat].repeat) * size;
        dense = max(texels.x, texels.y);
    }
    let endless = coats[coat].mapping != CUBE;
    let last = f32(coats[coat].levels - 1u);
    let fine = clamp(log2(max(footprint * dense, 1.0)), 0.0, last);
    let whole = floor(fine);
    let near = between(level + u32(whole), face, place, endless);
    if fine == whole {
        return near;
    }
    return mix(near, between(level + u32(whole) + 1u, face, place, endless), fine - whole);
}
