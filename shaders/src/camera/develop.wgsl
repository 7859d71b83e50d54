// From what rays saw to what is observed: means over the samples of a pixel, shift, limit and scale, and frames in a row.
// The y and z dimensions are rows of the output; a thread makes every so many numbers of the new frame of its row, and
// moves the same numbers of the older ones.

struct Film {
    /// Environments whose frames are kept.
    environments: u32,
    /// Of a frame.
    planes: u32,
    width: u32,
    height: u32,
    /// Rays along each side of a pixel.
    samples: u32,
    /// Frames.
    stack: u32,
    /// Numbers of a row of the output, and those before the frames.
    row: u32,
    start: u32,
    /// The observation is `scale * clamp(pixel - offset, -clip, clip)`.
    offset: f32,
    clip: f32,
    scale: f32,
    pad: f32,
}

/// One number of each pixel.
struct Plane {
    /// What one byte of red, green and blue weighs.
    weights: vec3f,
    source: u32,
    /// Planes of a view in the source, and which of them it is.
    planes: u32,
    plane: u32,
    /// The class whose share is meant.
    class_id: i32,
    pad: u32,
}

/// A row of the output.
struct Show {
    environment: u32,
    /// Where its new frame is in the sources.
    view: u32,
    what: u32,
    pad: u32,
}

/// What changes from one dispatch to the next.
struct Moment {
    rows: u32,
    /// Place of the oldest frame, which a new one takes.
    head: u32,
    /// Whether new frames are kept.
    keep: u32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> film: Film;
@group(0) @binding(1) var<storage, read> planes: array<Plane>;
@group(0) @binding(2) var<uniform> moment: Moment;
@group(0) @binding(3) var<storage, read> shows: array<Show>;
/// Kept frames `[stack, environments, planes, height, width]`.
@group(0) @binding(4) var<storage, read_write> kept: array<f32>;

// `[views, planes, height * samples, width * samples]`; those that no plane is taken from are something small.
@group(1) @binding(0) var<storage, read> rgb: array<u32>;
@group(1) @binding(1) var<storage, read> depth: array<f32>;
@group(1) @binding(2) var<storage, read> distances: array<f32>;
@group(1) @binding(3) var<storage, read> normals: array<f32>;
@group(1) @binding(4) var<storage, read> classes: array<i32>;
@group(1) @binding(5) var<storage, read> segmentation: array<i32>;
@group(1) @binding(6) var<storage, read> links: array<i32>;

/// `[rows, row]`.
@group(2) @binding(0) var<storage, read_write> observed: array<f32>;

const THREADS: u32 = 64u;
/// Rows in the second dimension of a dispatch; the rest is in the third.
const ROWS_ACROSS: u32 = 32768u;
const RGB: u32 = 0u;
const DEPTH: u32 = 1u;
const DISTANCE: u32 = 2u;
const CLASS: u32 = 4u;
const SEGMENTATION: u32 = 5u;
const LINK: u32 = 6u;
const BEGINS: u32 = 1u;
const STAYS: u32 = 2u;

/// Mean of the rays of a pixel.
fn mean(view: u32, at: u32) -> f32 {
    let pixels = film.width * film.height;
    let plane = planes[at / pixels];
    let pixel = at % pixels;
    let row = pixel / film.width * film.samples;
    let column = pixel % film.width * film.samples;
    let width = film.width * film.samples;
    let first = (view * plane.planes + plane.plane) * pixels * film.samples * film.samples;
    var sum = 0.0;
    for (var y = row; y < row + film.samples; y++) {
        for (var x = column; x < column + film.samples; x++) {
            let ray = first + y * width + x;
            switch plane.source {
                case RGB: {
                    let bits = rgb[ray];
                    let bytes = vec3f(vec3u(bits, bits >> 8u, bits >> 16u) & vec3u(255u));
                    sum += bytes.x * plane.weights.x + bytes.y * plane.weights.y + bytes.z * plane.weights.z;
                }
                case DEPTH: {
                    sum += depth[ray];
                }
                case DISTANCE: {
                    sum += distances[ray];
                }
                case CLASS: {
                    sum += select(0.0, 1.0, classes[ray] == plane.class_id);
                }
                case SEGMENTATION: {
                    sum += f32(segmentation[ray]);
                }
                case LINK: {
                    sum += f32(links[ray]);
                }
                default: {
                    sum += normals[ray];
                }
            }
        }
    }
    return sum / f32(film.samples * film.samples);
}

@compute @workgroup_size(64)
fn develop(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let row = id.y + id.z * ROWS_ACROSS;
    if row >= moment.rows {
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
                observed[out + k * frame] = kept[(moment.head + k) % film.stack * slot + here];
            }
            continue;
        }
        let value = film.scale * clamp(mean(show.view, at) - film.offset, -film.clip, film.clip);
        for (var k = 0u; k + 1u < film.stack; k++) {
            let place = (moment.head + 1u + k) % film.stack * slot + here;
            if show.what == BEGINS {
                observed[out + k * frame] = value;
                if moment.keep == 1u {
                    kept[place] = value;
                }
            } else {
                observed[out + k * frame] = kept[place];
            }
        }
        observed[out + (film.stack - 1u) * frame] = value;
        if moment.keep == 1u {
            kept[moment.head * slot + here] = value;
        }
    }
}
