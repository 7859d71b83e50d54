// Lenses: from points of the image to rays. The formulas, and where they come from, are in `lens.rs` of the model.

const PINHOLE: u32 = 0u;
const BROWN_CONRADY: u32 = 1u;
const KANNALA_BRANDT: u32 = 2u;
const EQUIRECTANGULAR: u32 = 3u;
/// Newton's steps (`keiko_model::lens::LENS_STEPS`).
const LENS_STEPS: u32 = 8u;

/// The ray in the camera's frame, not normalised, that is seen at a point [focal length] of its image.
fn bent(view: View, point: vec2f) -> vec3f {
    switch view.lens {
        case BROWN_CONRADY: {
            return vec3f(straightened(view, point), 1.0);
        }
        case KANNALA_BRANDT: {
            return unrolled(view, point);
        }
        case EQUIRECTANGULAR: {
            return vec3f(sin(point.x) * cos(point.y), sin(point.y), cos(point.x) * cos(point.y));
        }
        default: {
            return vec3f(point, 1.0);
        }
    }
}

/// Whether a view also looks beside and behind the camera.
fn is_wide(view: View) -> bool {
    return view.lens == KANNALA_BRANDT || view.lens == EQUIRECTANGULAR;
}

/// Where a pinhole would see what is seen at a point.
fn straightened(view: View, point: vec2f) -> vec2f {
    let k1 = view.bend.x;
    let k2 = view.bend.y;
    let p1 = view.bend.z;
    let p2 = view.bend.w;
    let k3 = view.bend_5;
    var at = point;
    for (var step = 0u; step < LENS_STEPS; step++) {
        let r2 = dot(at, at);
        let radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3));
        let slope = k1 + r2 * (2.0 * k2 + 3.0 * r2 * k3);
        let across = 2.0 * (at.x * at.y * slope + p1 * at.x + p2 * at.y);
        let along_x = radial + 2.0 * (at.x * at.x * slope + p1 * at.y + 3.0 * p2 * at.x);
        let along_y = radial + 2.0 * (at.y * at.y * slope + 3.0 * p1 * at.y + p2 * at.x);
        let there = vec2f(
            at.x * radial + 2.0 * p1 * at.x * at.y + p2 * (r2 + 2.0 * at.x * at.x),
            at.y * radial + p1 * (r2 + 2.0 * at.y * at.y) + 2.0 * p2 * at.x * at.y,
        );
        let off = point - there;
        let scale = 1.0 / (along_x * along_y - across * across);
        at += scale * vec2f(along_y * off.x - across * off.y, along_x * off.y - across * off.x);
    }
    return at;
}

/// The ray at the angle that a fisheye shows so far from the middle.
fn unrolled(view: View, point: vec2f) -> vec3f {
    let k = view.bend;
    let reach = length(point);
    var angle = reach;
    for (var step = 0u; step < LENS_STEPS; step++) {
        let t2 = angle * angle;
        let there = angle * (1.0 + t2 * (k.x + t2 * (k.y + t2 * (k.z + t2 * k.w))));
        let slope = 1.0 + t2 * (3.0 * k.x + t2 * (5.0 * k.y + t2 * (7.0 * k.z + t2 * 9.0 * k.w)));
        angle += (reach - there) / slope;
    }
    let aside = select(sin(angle) / reach, 1.0, reach < 1e-8);
    return vec3f(point * aside, cos(angle));
}
