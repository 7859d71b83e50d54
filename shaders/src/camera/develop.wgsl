// From what rays saw to what is observed: means over the samples of a pixel, what sensors make of them, shift, limit and scale,
// and frames in a row, of which a slow camera's come later. The y and z dimensions are rows of the output; a thread makes every
// so many numbers of the new frame of its row, and moves the same numbers of the older ones.

struct Film {
    /// Environments whose frames are kept.
    environments: u32,
    /// Of a frame.
    planes: u32,
    width: u32,
    height: u32,
    /// Rays along each side of a pixel.
    samples: u32,
    /// Frames that are shown.
    stack: u32,
    /// Frames that are kept: those, and behind them those that are seen later.
    ring: u32,
    /// Numbers of a row of the output, and those before the frames.
    row: u32,
    start: u32,
    /// The observation is `scale * clamp(pixel - offset, -clip, clip)`.
    offset: f32,
    clip: f32,
    scale: f32,
}

/// One number of each pixel.
struct Plane {
    /// What red, green and blue weigh: bytes, or what a sensor makes of light.
    weights: vec3f,
    source: u32,
    /// Planes of a view in the source, and which of them it is.
    planes: u32,
    plane: u32,
    /// The class whose share is meant.
    class_id: i32,
    /// Times the mean of the rays.
    unit: f32,
}

/// A row of the output.
struct Show {
    environment: u32,
    what: u32,
    /// Place of the environment's oldest frame, which a new one takes.
    head: u32,
    /// Factor on the exposure.
    exposure: f32,
    /// What its noise is a function of.
    run_environment: u32,
    episode: u32,
    step: u32,
    pad: u32,
}

/// What changes from one dispatch to the next.
struct Sheet {
    rows: u32,
    /// Whether new frames are kept.
    keep: u32,
    /// Of the random numbers of sensors.
    key: vec2u,
}

@group(0) @binding(0) var<uniform> film: Film;
@group(0) @binding(1) var<storage, read> planes: array<Plane>;
@group(0) @binding(2) var<uniform> sensor: Sensor;
@group(0) @binding(3) var<uniform> sheet: Sheet;
@group(0) @binding(4) var<storage, read> shows: array<Show>;
/// Kept frames `[ring, environments, planes, height, width]`.
@group(0) @binding(5) var<storage, read_write> kept: array<f32>;

// `[environments, planes, height * samples, width * samples]`; those that no plane is taken from are something small.
@group(1) @binding(0) var<storage, read> rgb: array<u32>;
@group(1) @binding(1) var<storage, read> depth: array<f32>;
@group(1) @binding(2) var<storage, read> distances: array<f32>;
@group(1) @binding(3) var<storage, read> normals: array<f32>;
@group(1) @binding(4) var<storage, read> classes: array<i32>;
@group(1) @binding(5) var<storage, read> segmentation: array<i32>;
@group(1) @binding(6) var<storage, read> links: array<i32>;
@group(1) @binding(7) var<storage, read> radiance: array<f32>;
@group(1) @binding(8) var<storage, read> moved: array<f32>;

/// `[rows, row]`.
@group(2) @binding(0) var<storage, read_write> observed: array<f32>;

const THREADS: u32 = 64u;
/// Rows in the second dimension of a dispatch; the rest is in the third.
const ROWS_ACROSS: u32 = 32768u;
const RGB: u32 = 0u;
const DEPTH: u32 = 1u;
const DISTANCE: u32 = 2u;
const NORMALS: u32 = 3u;
const CLASS: u32 = 4u;
const SEGMENTATION: u32 = 5u;
const LINK: u32 = 6u;
const RADIANCE: u32 = 7u;
const FLOW: u32 = 8u;
const BEGINS: u32 = 1u;
const STAYS: u32 = 2u;

/// What a plane says of a ray.
fn said(plane: Plane, ray: u32) -> f32 {
    switch plane.source {
        case RGB: {
            let bits = rgb[ray];
            let bytes = vec3f(vec3u(bits, bits >> 8u, bits >> 16u) & vec3u(255u));
            return bytes.x * plane.weights.x + bytes.y * plane.weights.y + bytes.z * plane.weights.z;
        }
        case DEPTH: {
            return depth[ray];
        }
        case DISTANCE: {
            return distances[ray];
        }
        case NORMALS: {
            return normals[ray];
        }
        case CLASS: {
            return select(0.0, 1.0, classes[ray] == plane.class_id);
        }
        case SEGMENTATION: {
            return f32(segmentation[ray]);
        }
        case LINK: {
            return f32(links[ray]);
        }
        case RADIANCE: {
            return radiance[ray];
        }
        default: {
            return moved[ray];
        }
    }
}

/// Mean of the rays of a pixel.
fn mean(plane: Plane, environment: u32, pixel: u32) -> f32 {
    let row = pixel / film.width * film.samples;
    let column = pixel % film.width * film.samples;
    let width = film.width * film.samples;
    let first = (environment * plane.planes + plane.plane) * width * film.height * film.samples;
    var sum = 0.0;
    for (var y = row; y < row + film.samples; y++) {
        for (var x = column; x < column + film.samples; x++) {
            sum += said(plane, first + y * width + x);
        }
    }
    return plane.unit * (sum / f32(film.samples * film.samples));
}

/// A number of the new frame of a row, as it is observed.
fn value(show: Show, at: u32) -> f32 {
    let plane = planes[at / (film.width * film.height)];
    let pixel = at % (film.width * film.height);
    var number: f32;
    if plane.source == RADIANCE {
        var part = plane;
        var light: vec3f;
        for (part.plane = 0u; part.plane < 3u; part.plane++) {
            light[part.plane] = mean(part, show.environment, pixel);
        }
        number = dot(plane.weights, counted(light, show, pixel));
    } else {
        number = mean(plane, show.environment, pixel);
    }
    if sensor.measures == 1u && plane.source == DEPTH {
        number = measured(number, random(show, pixel, DEPTH_NOISE));
    }
    if sensor.measures == 1u && plane.source == DISTANCE {
        number = measured(number, random(show, pixel, DISTANCE_NOISE));
    }
    return film.scale * clamp(number - film.offset, -film.clip, film.clip);
}

@compute @workgroup_size(64)
fn develop(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let row = id.y + id.z * ROWS_ACROSS;
    if row >= sheet.rows {
        return;
    }
    let show = shows[row];
    let frame = film.planes * film.height * film.width;
    let slot = film.environments * frame;
    for (var at = id.x; at < frame; at += groups.x * THREADS) {
        let here = show.environment * frame + at;
        let out = row * film.row + film.start + at;
        if show.what == STAYS {
            for (var k = 0u; k < film.stack; k++) {
                observed[out + k * frame] = kept[(show.head + k) % film.ring * slot + here];
            }
            continue;
        }
        let newest = value(show, at);
        for (var k = 0u; k < film.stack; k++) {
            if show.what == BEGINS || k + 1u == film.ring {
                observed[out + k * frame] = newest;
            } else {
                observed[out + k * frame] = kept[(show.head + 1u + k) % film.ring * slot + here];
            }
        }
        for (var k = 0u; k < film.ring; k++) {
            if sheet.keep == 1u && (show.what == BEGINS || k == show.head) {
                kept[k * slot + here] = newest;
            }
        }
    }
}
