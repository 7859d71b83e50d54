// Optical flow: where what is seen was seen before. The formulas of the CPU's `flow.rs`.

/// The point of the image [pixel] that shows what is at `offset` from the camera, in the world's axes; then 1, or 0 of
/// what is not before the camera.
fn seen_at(view: View, offset: vec3f) -> vec3f {
    let v = vec3f(dot(view.right, offset), dot(view.down, offset), dot(view.forward, offset));
    var flat = v.xy / v.z;
    if LENS && view.lens == KANNALA_BRANDT {
        let aside = length(v.xy);
        let angle = atan2(aside, v.z);
        let k = view.bend;
        let t2 = angle * angle;
        let reach = angle * (1.0 + t2 * (k.x + t2 * (k.y + t2 * (k.z + t2 * k.w))));
        flat = v.xy * (reach / max(aside, 1e-20));
    } else if LENS && view.lens == EQUIRECTANGULAR {
        flat = vec2f(atan2(v.x, v.z), atan2(v.y, length(v.xz)));
    } else {
        if v.z < 1e-6 {
            return vec3f(0.0);
        }
        if LENS && view.lens == BROWN_CONRADY {
            flat = distorted(view, flat);
        }
    }
    return vec3f(flat * view.focal + view.center, 1.0);
}

fn distorted(view: View, at: vec2f) -> vec2f {
    let k = view.bend;
    let r2 = dot(at, at);
    let radial = 1.0 + r2 * (k.x + r2 * (k.y + r2 * view.bend_5));
    return vec2f(
        at.x * radial + 2.0 * k.z * at.x * at.y + k.w * (r2 + 2.0 * at.x * at.x),
        at.y * radial + k.z * (r2 + 2.0 * at.y * at.y) + 2.0 * k.w * at.x * at.y,
    );
}

fn on_geom(instance: Instance, point: vec3f) -> vec3f {
    return vec3f(dot(instance.row_x.xyz, point), dot(instance.row_y.xyz, point), dot(instance.row_z.xyz, point))
        + vec3f(instance.row_x.w, instance.row_y.w, instance.row_z.w);
}

fn off_geom(instance: Instance, point: vec3f) -> vec3f {
    return instance.row_x.xyz * (point.x - instance.row_x.w)
        + instance.row_y.xyz * (point.y - instance.row_y.w)
        + instance.row_z.xyz * (point.z - instance.row_z.w);
}

/// How far what a ray sees has moved in the image, to the right and down [pixel]. `instance` is that of the geom at `point`, where one
/// is seen.
fn flow(view: View, view_index: u32, found: bool, instance: u32, point: vec3f, direction: vec3f) -> vec2f {
    let view_before = views_before[view_index];
    var now = direction;
    var before = direction;
    if found {
        // There and back both times: what rests has moved by exactly nothing.
        let local = on_geom(instances[instance], point);
        now = off_geom(instances[instance], local) - view.position;
        before = off_geom(instances_before[instance], local) - view_before.position;
    }
    let here = seen_at(view, now);
    let there = seen_at(view_before, before);
    if here.z * there.z == 0.0 {
        return vec2f(0.0);
    }
    var moved = here.xy - there.xy;
    if LENS && view.lens == EQUIRECTANGULAR {
        // The short way around.
        let turn = 6.283185307 * view.focal.x;
        moved.x -= turn * round(moved.x / turn);
    }
    return moved;
}
