// Colour: one sun, light from above and below, light from the camera; linear until the end.

fn sky(d: vec3f) -> vec3f {
    return mix(look.horizon, look.zenith, sqrt(clamp(d.z, 0.0, 1.0)));
}

/// The material's colour at a point of the geom's frame; squares smaller than `footprint` [m] blur into their mean.
fn base_color(material: u32, local: vec3f, footprint: f32) -> vec3f {
    let color = materials[material].color;
    let square = materials[material].square;
    if square <= 0.0 {
        return color;
    }
    let other = materials[material].other_color;
    let cell = vec2i(floor(local.xy / square));
    let chosen = select(color, other, ((cell.x + cell.y) & 1) != 0);
    return mix(chosen, 0.5 * (color + other), clamp(2.0 * footprint / square - 0.5, 0.0, 1.0));
}

/// Light that a surface sends back along `-d`; `sunlight` is 0 in the shade.
fn shade(color: vec3f, normal: vec3f, d: vec3f, sunlight: f32) -> vec3f {
    let facing = max(-dot(normal, d), 0.0);
    let ambient = mix(look.ambient_down, look.ambient_up, 0.5 + 0.5 * normal.z);
    let direct = look.sun_color * (max(dot(normal, look.sun), 0.0) * sunlight);
    let mirrored = shine(normal, look.sun, d) * sunlight;
    return color * (ambient + direct + look.headlight * facing) + look.sun_color * mirrored;
}

/// Share of the light from `towards` that a surface mirrors along `-d`.
fn shine(normal: vec3f, towards: vec3f, d: vec3f) -> f32 {
    return 0.12 * pow(max(dot(normal, normalize(towards - d)), 0.0), 40.0);
}

/// sRGB's transfer function.
fn encode(linear: vec3f) -> vec3f {
    let c = clamp(linear, vec3f(0.0), vec3f(1.0));
    let high = 1.055 * pow(max(c, vec3f(1e-6)), vec3f(1.0 / 2.4)) - 0.055;
    return select(high, 12.92 * c, c <= vec3f(0.0031308));
}
