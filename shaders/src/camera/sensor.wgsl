// What sensors make of perfect pictures: shot and read noise, steps, gaps. The formulas of the host's `sensor.rs`.

/// A camera's sensors.
struct Sensor {
    /// Whether it measures depths.
    measures: u32,
    exposure: f32,
    full_well: f32,
    /// Variance of the read noise.
    read: f32,
    /// The highest number of a colour.
    levels: f32,
    gain: f32,
    /// Spread of a depth: this, with the depth and with its square.
    still: f32,
    linear: f32,
    square: f32,
    /// What is read of nothing.
    missing: f32,
    dropout: f32,
    step: f32,
    nearest: f32,
    farthest: f32,
    /// Depth of what is not there.
    far: f32,
}

const STEP_BITS: u32 = 24u;
const COLOR_NOISE: u32 = 0u;
const DEPTH_NOISE: u32 = 1u;
const DISTANCE_NOISE: u32 = 2u;

/// Four random numbers of a pixel in a row of the output.
fn random(show: Show, pixel: u32, purpose: u32) -> vec4u {
    let stream = (purpose << STEP_BITS) | (show.step & ((1u << STEP_BITS) - 1u));
    return philox(vec4u(pixel, show.episode, show.run_environment, stream), sheet.key);
}

/// A colour, coded as sRGB in [0, 1], of the light of a pixel.
fn counted(light: vec3f, show: Show, pixel: u32) -> vec3f {
    let bits = random(show, pixel, COLOR_NOISE);
    let noise = vec3f(normal_pair(bits.x, bits.y), normal_pair(bits.z, bits.w).x);
    let expected = max(show.exposure * light * sensor.exposure, vec3f(0.0)) * sensor.full_well;
    let electrons = clamp(expected + sqrt(expected + sensor.read) * noise, vec3f(0.0), vec3f(sensor.full_well));
    let linear = clamp(electrons * sensor.gain / sensor.full_well, vec3f(0.0), vec3f(1.0));
    let high = 1.055 * pow(max(linear, vec3f(1e-6)), vec3f(1.0 / 2.4)) - 0.055;
    let coded = select(high, 12.92 * linear, linear <= vec3f(0.0031308));
    return floor(coded * sensor.levels + 0.5) / sensor.levels;
}

/// What is read of a depth or distance.
fn measured(z: f32, bits: vec4u) -> f32 {
    if z >= sensor.far || unit(bits.z) <= sensor.dropout {
        return sensor.missing;
    }
    let spread = sensor.still + abs(z) * (sensor.linear + abs(z) * sensor.square);
    var read = z + spread * normal_pair(bits.x, bits.y).x;
    if sensor.step > 0.0 {
        read = floor(read / sensor.step + 0.5) * sensor.step;
    }
    return select(sensor.missing, read, read >= sensor.nearest && read <= sensor.farthest);
}
