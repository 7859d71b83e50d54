// Random numbers of a pixel: a function of run, environment, episode, step and camera. The formulas of the host's `moment.rs`.

const WEYL: vec2u = vec2u(0x9e3779b9u, 0xbb67ae85u);
const MULTIPLIERS: vec2u = vec2u(0xd2511f53u, 0xcd9e8d57u);
const ROUNDS: u32 = 10u;

/// The high and the low half of a product.
fn product(a: u32, b: u32) -> vec2u {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross = vec2u((a & 0xffffu) * (b >> 16u), (a >> 16u) * (b & 0xffffu));
    let middle = (low >> 16u) + (cross.x & 0xffffu) + (cross.y & 0xffffu);
    return vec2u((a >> 16u) * (b >> 16u) + (cross.x >> 16u) + (cross.y >> 16u) + (middle >> 16u), a * b);
}

/// One block of Philox4x32-10.
fn philox(from_counter: vec4u, from_key: vec2u) -> vec4u {
    var counter = from_counter;
    var key = from_key;
    for (var round = 0u; round < ROUNDS; round++) {
        if round > 0u {
            key += WEYL;
        }
        let a = product(MULTIPLIERS.x, counter.x);
        let b = product(MULTIPLIERS.y, counter.z);
        counter = vec4u(b.x ^ counter.y ^ key.x, b.y, a.x ^ counter.w ^ key.y, a.y);
    }
    return counter;
}

/// Uniform in (0, 1], 24 bits.
fn unit(bits: u32) -> f32 {
    return (f32(bits >> 8u) + 0.5) / 16777216.0;
}

/// Two normal numbers (Box and Muller). Devices may give sines of few digits, so these are polynomials about the nearest quarter
/// turn.
fn normal_pair(a: u32, b: u32) -> vec2f {
    let radius = sqrt(-2.0 * log(unit(a)));
    let turns = unit(b);
    let quarter = floor(4.0 * turns + 0.5);
    let angle = 6.283185307 * (turns - 0.25 * quarter);
    let s = angle * angle;
    let sine = angle * (1.0 + s * (-1.0 / 6.0 + s * (1.0 / 120.0 - s / 5040.0)));
    let cosine = 1.0 + s * (-0.5 + s * (1.0 / 24.0 + s * (-1.0 / 720.0 + s / 40320.0)));
    var at = vec2f(cosine, sine);
    switch u32(quarter) & 3u {
        case 1u: {
            at = vec2f(-sine, cosine);
        }
        case 2u: {
            at = -at;
        }
        case 3u: {
            at = vec2f(sine, -cosine);
        }
        default: {}
    }
    return radius * at;
}
