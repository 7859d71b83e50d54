// Surfaces with a finish: GGX's facets (Walter and others 2007) with Smith's masking of both ways together (Heitz 2014) and
// Schlick's reflection, over a dull layer. What facets pass on to each other is given back (Kulla and Conty 2017), and so is
// what the dull layer gets of it: a white surface in white surroundings cannot be told from them. All shares are times π.

/// Polynomial of eight coefficients, a share.
fn share_at(low: vec4f, high: vec4f, x: f32) -> f32 {
    let upper = high.x + x * (high.y + x * (high.z + x * high.w));
    let lower = low.x + x * (low.y + x * (low.z + x * low.w));
    let x2 = x * x;
    return clamp(lower + x2 * x2 * upper, 0.0, 1.0);
}

/// A point of a surface with a finish, seen along `-d`.
struct Gloss {
    normal: vec3f,
    /// Towards the camera.
    back: vec3f,
    /// Cosine between them.
    facing: f32,
    coat: u32,
    /// What the layer below sends back of light that reaches it.
    under: vec3f,
    /// Reflection straight on, and along the surface.
    mirrored: vec3f,
    grazing: f32,
    /// What is left of light that facets pass on to each other.
    spread: vec3f,
    /// Share that they mirror in all, and that which they pass on.
    whole: vec3f,
    passed: f32,
}

/// What facets mirror into all directions together of what comes from one where nothing is lost in them, without what they
/// pass on; and the part of it that grows towards grazing.
fn facets(coat: u32, facing: f32) -> vec2f {
    return vec2f(
        share_at(coats[coat].energy_0, coats[coat].energy_1, facing),
        share_at(coats[coat].fresnel_0, coats[coat].fresnel_1, facing),
    );
}

/// Share of light at this angle that reaches the layer below.
fn let_through(coat: u32, both: vec2f) -> f32 {
    let mirrored = coats[coat].mirrored * both.x + (coats[coat].grazing - coats[coat].mirrored) * both.y;
    return 1.0 - mirrored - coats[coat].spread * (1.0 - both.x);
}

fn gloss_of(coat: u32, color: vec3f, normal: vec3f, d: vec3f) -> Gloss {
    let facing = clamp(-dot(normal, d), 1e-4, 1.0);
    let metallic = coats[coat].metallic;
    let mirrored = mix(vec3f(coats[coat].mirrored), color, metallic);
    let grazing = mix(coats[coat].grazing, 1.0, metallic);
    let both = facets(coat, facing);
    let mean = coats[coat].energy_mean;
    // A mixture of metal and what is none, of which each keeps its energy.
    let average = color + (1.0 - color) / 21.0;
    let of_metal = average * average * mean / (1.0 - average * (1.0 - mean));
    let spread = mix(vec3f(coats[coat].spread), of_metal, metallic);
    let under = color * (1.0 - metallic) * let_through(coat, both);
    let whole = mirrored * both.x + (grazing - mirrored) * both.y + spread * (1.0 - both.x);
    let passed = (1.0 - both.x) / max(1.0 - mean, 1e-3);
    return Gloss(normal, -d, facing, coat, under, mirrored, grazing, spread, whole, passed);
}

/// What the surface sends to the camera of light from `towards`.
fn glossed(gloss: Gloss, towards: vec3f) -> vec3f {
    let lit = clamp(dot(gloss.normal, towards), 0.0, 1.0);
    let coat = gloss.coat;
    let halfway = normalize(gloss.back + towards);
    let alpha = coats[coat].alpha;
    // 1 - cosine² without losing digits.
    let aside = cross(gloss.normal, halfway);
    let upright = alpha * dot(gloss.normal, halfway);
    let dense = alpha / (dot(aside, aside) + upright * upright);
    let a2 = alpha * alpha;
    let mask = 0.5
        / (lit * sqrt(a2 + (1.0 - a2) * gloss.facing * gloss.facing) + gloss.facing * sqrt(a2 + (1.0 - a2) * lit * lit));
    let turn = 1.0 - clamp(dot(gloss.back, halfway), 0.0, 1.0);
    let turn2 = turn * turn;
    let fresnel = gloss.mirrored + (gloss.grazing - gloss.mirrored) * (turn2 * turn2 * turn);
    let both = facets(coat, lit);
    let below = gloss.under * (let_through(coat, both) / coats[coat].through_mean);
    return lit * (below + fresnel * (dense * dense * mask) + gloss.spread * (gloss.passed * (1.0 - both.x)));
}

/// Light that comes from everywhere: sky over a grey ground, as blurred as the facets are rough.
fn surroundings(r: vec3f, alpha: f32) -> vec3f {
    let level = clamp(0.5 + 0.5 * r.z / (0.1 + alpha), 0.0, 1.0);
    let sharp = mix(look.ambient_down, sky(r), level);
    let blurred = mix(look.ambient_down, look.ambient_up, 0.5 + 0.5 * r.z);
    return mix(sharp, blurred, alpha);
}

/// The counterpart of `shade` for a surface with a finish.
fn shade_gloss(gloss: Gloss, color: vec3f, sunlight: f32) -> vec3f {
    let coat = gloss.coat;
    let ambient = mix(look.ambient_down, look.ambient_up, 0.5 + 0.5 * gloss.normal.z);
    let r = reflect(-gloss.back, gloss.normal);
    let around = gloss.under * ambient + gloss.whole * surroundings(r, coats[coat].alpha);
    let direct = look.sun_color * sunlight * glossed(gloss, look.sun);
    let headlight = look.headlight * glossed(gloss, gloss.back);
    return around + direct + headlight + color * coats[coat].emission;
}
