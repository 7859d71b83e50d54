// One thread a pixel, one workgroup a tile of 8 by 8 pixels of one view.

@group(0) @binding(0) var<storage, read> geoms: array<Geom>;
@group(0) @binding(1) var<storage, read> instances: array<Instance>;
@group(0) @binding(2) var<storage, read> nodes: array<Node>;
@group(0) @binding(3) var<storage, read> triangles: array<Triangle>;
@group(0) @binding(4) var<storage, read> fields: array<HeightField>;
@group(0) @binding(5) var<storage, read> heights: array<f32>;
/// Of each geom, and, where they vary, of each environment.
@group(0) @binding(6) var<storage, read> materials: array<Material>;
@group(0) @binding(7) var<storage, read> looks: array<Look>;
/// `[environments, lamps]`.
@group(0) @binding(8) var<storage, read> lamps: array<Lamp>;
@group(0) @binding(9) var<storage, read> coats: array<Coat>;
@group(0) @binding(10) var<storage, read> textures: array<Texture>;
/// Red, green, blue of 8 bits, sRGB.
@group(0) @binding(11) var<storage, read> texels: array<u32>;
/// Where the corners of triangles are in a picture `[triangles, 3]`; none without textures that need them.
@group(0) @binding(12) var<storage, read> texcoords: array<vec2f>;

@group(1) @binding(0) var<uniform> counts: Counts;
@group(1) @binding(1) var<storage, read> views: array<View>;
// Where they were before, for optical flow.
@group(1) @binding(2) var<storage, read> views_before: array<View>;
@group(1) @binding(3) var<storage, read> instances_before: array<Instance>;
/// How many views are asked for, then which.
@group(1) @binding(4) var<storage, read> asked: array<u32>;

// Outputs `[views, channels, height, width]`; those that are off are bound to something small and not written.
@group(2) @binding(0) var<storage, read_write> out_rgb: array<u32>;
@group(2) @binding(1) var<storage, read_write> out_rgb_float: array<f32>;
@group(2) @binding(2) var<storage, read_write> out_depth: array<f32>;
@group(2) @binding(3) var<storage, read_write> out_distance: array<f32>;
@group(2) @binding(4) var<storage, read_write> out_segmentation: array<i32>;
@group(2) @binding(5) var<storage, read_write> out_link: array<i32>;
@group(2) @binding(6) var<storage, read_write> out_class: array<i32>;
@group(2) @binding(7) var<storage, read_write> out_normals: array<f32>;
@group(2) @binding(8) var<storage, read_write> out_radiance: array<f32>;
@group(2) @binding(9) var<storage, read_write> out_flow: array<f32>;

override RGB: bool = false;
override RGB_FLOAT: bool = false;
override DEPTH: bool = false;
override DISTANCE: bool = false;
override SEGMENTATION: bool = false;
override LINK: bool = false;
override CLASS: bool = false;
override NORMALS: bool = false;
override RADIANCE: bool = false;
override FLOW: bool = false;
override SHADOWS: bool = true;
/// Whether there are lamps.
override LAMPS: bool = false;
/// Whether some surface has a finish, and some a texture.
override GLOSS: bool = false;
override TEXTURES: bool = false;
/// Whether some camera has a lens that bends rays.
override LENS: bool = false;
/// Which kinds the scene has: what is not there is not compiled.
override HAS_MESH: bool = true;
override HAS_HEIGHT_FIELD: bool = true;
/// For measurements: every ray tests every instance.
override CULL: bool = true;

const TILE: u32 = 8u;
const THREADS: u32 = 64u;
/// Instances that a tile can list; a tile with more tests all of them.
const LISTED: u32 = 256u;
const FAR_AWAY: f32 = 1e29;
/// The widest cone that is compared with spheres: its cosine.
const LEAST_COSINE: f32 = 0.1;
const NOTHING: u32 = 0xffffffffu;
/// Views in the second dimension of a dispatch; the rest is in the third.
const VIEWS_ACROSS: u32 = 32768u;

var<workgroup> seen: array<u32, LISTED>;
var<workgroup> num_seen: atomic<u32>;
var<workgroup> casters: array<u32, LISTED>;
var<workgroup> num_casters: atomic<u32>;
/// Least and most of the tile's lit points [mm], the most negated.
var<workgroup> bounds: array<atomic<i32>, 6>;
/// The tile's rays, where lenses bend them.
var<workgroup> bundle: array<vec3f, THREADS>;

/// The light of this thread's environment.
var<private> look: Look;

struct Hit {
    t: f32,
    geom: u32,
    normal: vec3f,
    smooth_normal: vec3f,
    /// Of a mesh, and the weights of its second and third corner.
    triangle: u32,
    weights: vec2f,
}

/// Meets one instance at `limit` or before; with `any`, anywhere on it.
fn meet(instance: u32, geom: u32, origin: vec3f, direction: vec3f, limit: f32, any: bool, hit: ptr<function, Hit>) -> f32 {
    let radius = instances[instance].radius;
    let to_center = origin - instances[instance].center;
    let beside = to_center - dot(to_center, direction) * direction;
    if dot(beside, beside) > radius * radius {
        return MISS;
    }
    let row_x = instances[instance].row_x;
    let row_y = instances[instance].row_y;
    let row_z = instances[instance].row_z;
    let o = vec3f(dot(row_x.xyz, origin), dot(row_y.xyz, origin), dot(row_z.xyz, origin)) + vec3f(row_x.w, row_y.w, row_z.w);
    let d = vec3f(dot(row_x.xyz, direction), dot(row_y.xyz, direction), dot(row_z.xyz, direction));
    let size = geoms[geom].size;
    var t = MISS;
    var normal = vec3f(0.0, 0.0, 1.0);
    var smooth_normal = vec3f(0.0);
    var triangle = 0u;
    var weights = vec2f(0.0);
    switch geoms[geom].kind {
        case PLANE: {
            t = plane(o, d, size.xy);
        }
        case SPHERE: {
            t = sphere(o, d, size.x);
            normal = o + d * t;
        }
        case CAPSULE: {
            t = capsule(o, d, size.x, size.y, &normal);
        }
        case CYLINDER: {
            t = cylinder(o, d, size.x, size.y, &normal);
        }
        case BOX: {
            t = cuboid(o, d, size, &normal);
        }
        case ELLIPSOID: {
            t = ellipsoid(o, d, size, &normal);
        }
        case MESH: {
            if HAS_MESH {
                t = mesh(o, d, geoms[geom].asset, limit, any, &normal, &smooth_normal, &triangle, &weights);
            }
        }
        default: {
            if HAS_HEIGHT_FIELD {
                t = terrain(o, d, geoms[geom].asset, limit, any, &normal);
            }
        }
    }
    if t > limit || t >= MISS {
        return MISS;
    }
    if !any {
        if TEXTURES {
            (*hit).triangle = triangle;
            (*hit).weights = weights;
        }
        if all(smooth_normal == vec3f(0.0)) {
            smooth_normal = normal;
        }
        (*hit).normal = normalize(row_x.xyz * normal.x + row_y.xyz * normal.y + row_z.xyz * normal.z);
        (*hit).smooth_normal = normalize(
            row_x.xyz * smooth_normal.x + row_y.xyz * smooth_normal.y + row_z.xyz * smooth_normal.z,
        );
    }
    return t;
}

/// The direction of a ray through a point of the image [pixel], not normalised.
fn ray(view: View, pixel: vec2f) -> vec3f {
    let p = (pixel - view.center) / view.focal;
    if LENS && view.lens != PINHOLE {
        let d = bent(view, p);
        return view.right * d.x + view.down * d.y + view.forward * d.z;
    }
    return view.right * p.x + view.down * p.y + view.forward;
}

@compute @workgroup_size(8, 8, 1)
fn trace(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let slot = group.z * VIEWS_ACROSS + group.y;
    if slot >= asked[0] {
        return;
    }
    let view_index = asked[1u + slot];
    let tiles_across = (counts.width + TILE - 1u) / TILE;
    let corner = vec2u(group.x % tiles_across, group.x / tiles_across) * TILE;
    let view = views[view_index];
    let environment = view_index / counts.cameras;
    let first = environment * counts.geoms;
    look = looks[environment * counts.varied];
    let pixel = corner + vec2u(thread % TILE, thread / TILE);
    let inside = pixel.x < counts.width && pixel.y < counts.height;
    // A lens may have no rays beyond its image.
    let last = vec2f(f32(counts.width), f32(counts.height)) - 0.5;
    let middle = select(vec2f(pixel) + 0.5, min(vec2f(pixel) + 0.5, last), LENS);
    let direction = normalize(ray(view, middle));

    if thread == 0u {
        atomicStore(&num_seen, 0u);
        atomicStore(&num_casters, 0u);
    }
    if thread < 6u {
        atomicStore(&bounds[thread], 0x7fffffff);
    }
    if LENS {
        bundle[thread] = direction;
    }
    workgroupBarrier();
    if CULL {
        // A cone about the tile's rays against bounding spheres.
        var axis: vec3f;
        var cosine = 1.0;
        if LENS {
            // Corners do not bound what a lens bends.
            axis = vec3f(0.0);
            for (var k = 0u; k < THREADS; k++) {
                axis += bundle[k];
            }
            axis = normalize(axis);
            for (var k = 0u; k < THREADS; k++) {
                cosine = min(cosine, dot(axis, bundle[k]));
            }
        } else {
            let low = vec2f(corner);
            let high = low + f32(TILE);
            let r00 = normalize(ray(view, low));
            let r10 = normalize(ray(view, vec2f(high.x, low.y)));
            let r01 = normalize(ray(view, vec2f(low.x, high.y)));
            let r11 = normalize(ray(view, high));
            axis = normalize(r00 + r10 + r01 + r11);
            cosine = min(min(dot(axis, r00), dot(axis, r10)), min(dot(axis, r01), dot(axis, r11)));
        }
        let sine = sqrt(max(0.0, 1.0 - cosine * cosine)) * 1.001 + 1e-4;
        for (var i = thread; i < counts.geoms; i += THREADS) {
            let radius = instances[first + i].radius;
            let v = instances[first + i].center - view.position;
            let z = dot(v, axis);
            let beside = sqrt(max(0.0, dot(v, v) - z * z));
            // A cone that is nearly a half space or more is no help, nor is one without an axis.
            if radius > UNBOUNDED || !(cosine > LEAST_COSINE) || (beside * cosine - z * sine <= radius && z > -radius) {
                let slot = atomicAdd(&num_seen, 1u);
                if slot < LISTED {
                    seen[slot] = i;
                }
            }
        }
    }
    workgroupBarrier();

    let listed = atomicLoad(&num_seen);
    let use_list = CULL && listed <= LISTED;
    let candidates = select(counts.geoms, listed, use_list);
    let forward = dot(direction, view.forward);
    // Some lenses also look where there is no depth: nothing is seen before this distance.
    let start = select(view.near / forward, view.near, LENS && is_wide(view));
    let origin = view.position + direction * start;
    var hit = Hit(FAR_AWAY, NOTHING, vec3f(0.0), vec3f(0.0), 0u, vec2f(0.0));
    for (var k = 0u; k < candidates; k++) {
        var i = k;
        if use_list {
            i = seen[k];
        }
        var this_hit = hit;
        let t = meet(first + i, i, origin, direction, hit.t, false, &this_hit);
        // Of two at the same place the first geom counts: the list has no order.
        if t < hit.t || (t == hit.t && i < hit.geom) {
            hit = this_hit;
            hit.t = t;
            hit.geom = i;
        }
    }
    let found = hit.geom != NOTHING;

    var light = vec3f(0.0);
    if RGB || RGB_FLOAT || RADIANCE {
        var sunlight = 1.0;
        let point = origin + direction * hit.t;
        if SHADOWS {
            sunlight = in_sun(point, hit, found && inside, first, thread);
        }
        light = sky(direction);
        if found {
            let geom = hit.geom;
            let row_x = instances[first + geom].row_x;
            let row_y = instances[first + geom].row_y;
            let row_z = instances[first + geom].row_z;
            let local = vec3f(
                dot(row_x.xyz, point) + row_x.w, dot(row_y.xyz, point) + row_y.w, dot(row_z.xyz, point) + row_z.w,
            );
            let far = hit.t + start;
            let footprint = far / view.focal.x / max(abs(dot(hit.normal, direction)), 0.02);
            let material = geoms[geom].material + first * counts.varied;
            var base = base_color(material, local, footprint);
            var normal = hit.smooth_normal;
            if dot(normal, direction) > 0.0 {
                normal = hit.normal;
            }
            let coat = materials[material].coat - 1u;
            let is_coated = (GLOSS || TEXTURES) && materials[material].coat > 0u;
            if TEXTURES && is_coated && coats[coat].texture > 0u {
                base *= textured(coat, local, hit, footprint);
            }
            var surface: vec3f;
            var gloss: Gloss;
            let is_glossy = GLOSS && is_coated && coats[coat].alpha > 0.0;
            if is_glossy {
                gloss = gloss_of(coat, base, normal, direction);
                surface = shade_gloss(gloss, base, sunlight);
            } else {
                surface = shade(base, normal, direction, sunlight);
            }
            if LAMPS {
                surface += lamplight(base, normal, direction, hit, point, environment, is_glossy, gloss);
            }
            let fade = select(0.0, 1.0 - exp2(-far / look.haze), geoms[geom].kind == PLANE);
            light = mix(surface, look.horizon, fade);
        }
    }
    if !inside {
        return;
    }
    let area = counts.width * counts.height;
    let at = pixel.y * counts.width + pixel.x;
    let single = view_index * area + at;
    let triple = view_index * 3u * area + at;
    let color = encode(light);
    if RGB {
        out_rgb[single] = pack4x8unorm(vec4f(color, 1.0));
    }
    if RGB_FLOAT {
        out_rgb_float[triple] = color.x;
        out_rgb_float[triple + area] = color.y;
        out_rgb_float[triple + 2u * area] = color.z;
    }
    let distance = select(FAR_AWAY, hit.t + start, found);
    if DEPTH {
        out_depth[single] = select(view.far, min(distance * forward, view.far), found);
    }
    if DISTANCE {
        out_distance[single] = min(distance, view.far);
    }
    let geom = select(0u, hit.geom, found);
    if SEGMENTATION {
        out_segmentation[single] = select(-1, i32(geoms[geom].id), found);
    }
    if LINK {
        out_link[single] = select(-1, i32(geoms[geom].body), found);
    }
    if CLASS {
        out_class[single] = select(-1, i32(geoms[geom].class_id), found);
    }
    if NORMALS {
        out_normals[triple] = hit.normal.x;
        out_normals[triple + area] = hit.normal.y;
        out_normals[triple + 2u * area] = hit.normal.z;
    }
    if RADIANCE {
        out_radiance[triple] = light.x;
        out_radiance[triple + area] = light.y;
        out_radiance[triple + 2u * area] = light.z;
    }
    if FLOW {
        let moved = flow(view, view_index, found, first + geom, origin + direction * hit.t, direction);
        let double = view_index * 2u * area + at;
        out_flow[double] = moved.x;
        out_flow[double + area] = moved.y;
    }
}

/// How far from a point a ray must start, so that it does not meet the point's own surface.
fn offset_of(point: vec3f, t: f32) -> f32 {
    return 1e-4 + 2e-6 * (abs(point.x) + abs(point.y) + abs(point.z)) + 1e-5 * t;
}

/// 1 where the sun reaches a point, 0 where something stands between. All threads of a tile come here together: the
/// casters that could shade any of its points are listed first.
fn in_sun(point: vec3f, hit: Hit, found: bool, first: u32, thread: u32) -> f32 {
    let turned = found && dot(hit.normal, look.sun) > 0.0;
    // Off the surface by more than the error of the point.
    let begin = point + hit.normal * offset_of(point, hit.t);
    let reach = abs(begin) < vec3f(1e6);
    let asked = turned && all(reach);
    if asked {
        for (var a = 0u; a < 3u; a++) {
            atomicMin(&bounds[a], i32(floor(begin[a] * 1000.0)));
            atomicMin(&bounds[a + 3u], -i32(ceil(begin[a] * 1000.0)));
        }
    }
    workgroupBarrier();
    let low = 1e-3 * vec3f(f32(atomicLoad(&bounds[0])), f32(atomicLoad(&bounds[1])), f32(atomicLoad(&bounds[2])));
    let high = -1e-3 * vec3f(f32(atomicLoad(&bounds[3])), f32(atomicLoad(&bounds[4])), f32(atomicLoad(&bounds[5])));
    if high.x >= low.x {
        let center = 0.5 * (low + high);
        // 2 mm for the rounding, and what f32 loses far from the origin.
        let around = 0.5 * length(high - low) + 2e-3 + 1e-6 * length(center);
        for (var i = thread; i < counts.geoms; i += THREADS) {
            let v = instances[first + i].center - center;
            let z = dot(v, look.sun);
            let beside = v - look.sun * z;
            let reach = instances[first + i].radius + around;
            if geoms[i].kind != PLANE && z > -reach && dot(beside, beside) < reach * reach {
                let slot = atomicAdd(&num_casters, 1u);
                if slot < LISTED {
                    casters[slot] = i;
                }
            }
        }
    }
    workgroupBarrier();
    if !turned {
        return 0.0;
    }
    if !asked {
        return 1.0;
    }
    let listed = atomicLoad(&num_casters);
    let use_list = listed <= LISTED;
    let candidates = select(counts.geoms, listed, use_list);
    var unused: Hit;
    for (var k = 0u; k < candidates; k++) {
        var i = k;
        if use_list {
            i = casters[k];
        }
        if geoms[i].kind != PLANE && meet(first + i, i, begin, look.sun, FAR_AWAY, true, &unused) < MISS {
            return 0.0;
        }
    }
    return 1.0;
}
