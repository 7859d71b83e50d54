// Where a ray enters a shape, in the shape's own frame. Distances are along the unit direction `d` from `o`; MISS if it
// does not enter. A ray that starts inside a shape does not see it: cameras see out of what carries them.

const MISS: f32 = 1e30;

/// 1 / d, large where d is 0.
fn inverse_of(d: vec3f) -> vec3f {
    return 1.0 / select(d, vec3f(1e-20), abs(d) < vec3f(1e-20));
}

/// Half space below z = 0, cut to a rectangle where `half` is positive.
fn plane(o: vec3f, d: vec3f, half: vec2f) -> f32 {
    if d.z >= 0.0 || o.z <= 0.0 {
        return MISS;
    }
    let t = -o.z / d.z;
    let p = abs(o.xy + d.xy * t);
    let outside = (half.x > 0.0 && p.x > half.x) || (half.y > 0.0 && p.y > half.y);
    return select(t, MISS, outside);
}

/// The distance to the axis is taken first: r² - |q|² keeps its digits far from the origin.
fn sphere(o: vec3f, d: vec3f, radius: f32) -> f32 {
    let b = dot(o, d);
    let q = o - b * d;
    let h = radius * radius - dot(q, q);
    if h < 0.0 {
        return MISS;
    }
    let t = -b - sqrt(h);
    return select(MISS, t, t > 0.0);
}

/// The curved side of a cylinder along z.
fn tube(o: vec3f, d: vec3f, radius: f32, half_length: f32) -> f32 {
    let dd = dot(d.xy, d.xy);
    if dd < 1e-12 {
        return MISS;
    }
    let b = dot(o.xy, d.xy) / dd;
    let q = o.xy - b * d.xy;
    let h = radius * radius - dot(q, q);
    if h < 0.0 {
        return MISS;
    }
    let t = -b - sqrt(h / dd);
    return select(MISS, t, t > 0.0 && abs(o.z + d.z * t) <= half_length);
}

fn capsule(o: vec3f, d: vec3f, radius: f32, half_length: f32, normal: ptr<function, vec3f>) -> f32 {
    var t = tube(o, d, radius, half_length);
    var p = o + d * t;
    *normal = vec3f(p.xy, 0.0);
    for (var end = -1.0; end < 2.0; end += 2.0) {
        let center = vec3f(0.0, 0.0, end * half_length);
        let t_end = sphere(o - center, d, radius);
        p = o + d * t_end - center;
        if t_end < t && end * p.z >= 0.0 {
            t = t_end;
            *normal = p;
        }
    }
    return t;
}

fn cylinder(o: vec3f, d: vec3f, radius: f32, half_length: f32, normal: ptr<function, vec3f>) -> f32 {
    let t = tube(o, d, radius, half_length);
    let p = o + d * t;
    *normal = vec3f(p.xy, 0.0);
    let end = -sign(d.z);
    if end * o.z > half_length {
        let t_end = (end * half_length - o.z) / d.z;
        let q = o.xy + d.xy * t_end;
        if t_end < t && dot(q, q) <= radius * radius {
            *normal = vec3f(0.0, 0.0, end);
            return t_end;
        }
    }
    return t;
}

fn cuboid(o: vec3f, d: vec3f, half: vec3f, normal: ptr<function, vec3f>) -> f32 {
    let inverse = inverse_of(d);
    let a = (-half - o) * inverse;
    let b = (half - o) * inverse;
    let enter = min(a, b);
    let leave = max(a, b);
    let t = max(max(enter.x, enter.y), enter.z);
    if t > min(min(leave.x, leave.y), leave.z) || t <= 0.0 {
        return MISS;
    }
    *normal = face_of(enter, t, d);
    return t;
}

/// The face of a box that is entered at `t`, of the three that could be.
fn face_of(enter: vec3f, t: f32, d: vec3f) -> vec3f {
    if enter.x == t {
        return vec3f(-sign(d.x), 0.0, 0.0);
    }
    if enter.y == t {
        return vec3f(0.0, -sign(d.y), 0.0);
    }
    return vec3f(0.0, 0.0, -sign(d.z));
}

/// A unit sphere in a frame that is stretched; the distance along the ray stays the same there.
fn ellipsoid(o: vec3f, d: vec3f, radii: vec3f, normal: ptr<function, vec3f>) -> f32 {
    let u = o / radii;
    let v = d / radii;
    let vv = dot(v, v);
    let b = dot(u, v) / vv;
    let q = u - b * v;
    let h = 1.0 - dot(q, q);
    if h < 0.0 {
        return MISS;
    }
    let t = -b - sqrt(h / vv);
    *normal = (u + v * t) / radii;
    return select(MISS, t, t > 0.0);
}

/// Where a ray enters the box from `low` to `high` before `limit`; MISS if it does not.
fn slab(o: vec3f, inverse: vec3f, low: vec3f, high: vec3f, limit: f32) -> f32 {
    let a = (low - o) * inverse;
    let b = (high - o) * inverse;
    let enter = min(a, b);
    let leave = max(a, b);
    let t0 = max(max(enter.x, enter.y), max(enter.z, 0.0));
    let t1 = min(min(leave.x, leave.y), min(leave.z, limit));
    return select(MISS, t0, t0 <= t1);
}
