// Lamps: light that falls with the distance, within a range and a cone (glTF's KHR_lights_punctual), and as MuJoCo's.

/// What a surface with a colour sends back along `-d` of all lamps of an environment.
fn lamplight(
    color: vec3f,
    normal: vec3f,
    d: vec3f,
    hit: Hit,
    point: vec3f,
    environment: u32,
    is_glossy: bool,
    gloss: Gloss,
) -> vec3f {
    var sum = vec3f(0.0);
    for (var k = 0u; k < counts.lamps; k++) {
        let lamp = lamps[environment * counts.lamps + k];
        let way = lamp.position - point;
        var distance = length(way);
        var towards = way / max(distance, 1e-6);
        if lamp.parallel != 0u {
            distance = FAR_AWAY;
            towards = -lamp.direction;
        }
        let facing = dot(normal, towards);
        let share = distance / lamp.range;
        let divided = lamp.constant + distance * (lamp.linear + distance * lamp.quadratic);
        let left = clamp(1.0 - share * share * share * share, 0.0, 1.0) / max(divided, 1e-4);
        let inside = clamp((-dot(towards, lamp.direction) - lamp.edge) * lamp.sharpness, 0.0, 1.0);
        var strength = left * inside * inside;
        if lamp.exponent > 0.0 {
            strength *= pow(max(-dot(towards, lamp.direction), 1e-6), lamp.exponent);
        }
        if lamp.parallel != 0u {
            strength = 1.0;
        }
        if facing <= 0.0 || dot(hit.normal, towards) <= 0.0 || strength <= 0.0 {
            continue;
        }
        if lamp.shadow != 0u && SHADOWS && is_shaded(point, hit, towards, distance, environment * counts.geoms) {
            continue;
        }
        if GLOSS && is_glossy {
            sum += lamp.color * strength * glossed(gloss, towards);
            continue;
        }
        sum += lamp.color * strength * (color * facing + shine(normal, towards, d));
    }
    return sum;
}

/// Whether something stands between a point and a lamp.
fn is_shaded(point: vec3f, hit: Hit, towards: vec3f, distance: f32, first: u32) -> bool {
    let off = offset_of(point, hit.t);
    let begin = point + hit.normal * off;
    var unused: Hit;
    for (var i = 0u; i < counts.geoms; i++) {
        if geoms[i].kind != PLANE && meet(first + i, i, begin, towards, distance - off, true, &unused) < MISS {
            return true;
        }
    }
    return false;
}
