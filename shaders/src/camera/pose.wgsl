// Where geoms and cameras are, from the poses of their bodies. One thread each.

@group(0) @binding(0) var<uniform> counts: Counts;
/// Rows by environments, as the simulator has them: `[3 bodies, environments]`.
@group(0) @binding(1) var<storage, read> body_position: array<f32>;
/// `[4 bodies, environments]`, quaternions xyzw.
@group(0) @binding(2) var<storage, read> body_rotation: array<f32>;
@group(0) @binding(3) var<storage, read> geoms: array<Geom>;
@group(0) @binding(4) var<storage, read_write> instances: array<Instance>;
@group(0) @binding(5) var<storage, read> cameras: array<Camera>;
@group(0) @binding(6) var<storage, read_write> views: array<View>;

struct Pose {
    position: vec3f,
    rotation: vec4f,
}

fn rotate(q: vec4f, v: vec3f) -> vec3f {
    let t = 2.0 * cross(q.xyz, v);
    return v + q.w * t + cross(q.xyz, t);
}

fn product(a: vec4f, b: vec4f) -> vec4f {
    return vec4f(a.w * b.xyz + b.w * a.xyz + cross(a.xyz, b.xyz), a.w * b.w - dot(a.xyz, b.xyz));
}

/// `world_from_part` of something fixed to a body; the world itself stands at the origin.
fn pose_of(environment: u32, body: u32, position: vec3f, rotation: vec4f) -> Pose {
    if body == 0u {
        return Pose(position, normalize(rotation));
    }
    let n = counts.environments;
    let p = 3u * body * n + environment;
    let q = 4u * body * n + environment;
    let at = vec3f(body_position[p], body_position[p + n], body_position[p + 2u * n]);
    let turn = vec4f(
        body_rotation[q], body_rotation[q + n], body_rotation[q + 2u * n], body_rotation[q + 3u * n],
    );
    return Pose(at + rotate(turn, position), normalize(product(turn, rotation)));
}

@compute @workgroup_size(64)
fn place_geoms(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = id.x + id.y * groups.x * 64u;
    if index >= counts.environments * counts.geoms {
        return;
    }
    let geom = geoms[index % counts.geoms];
    let pose = pose_of(index / counts.geoms, geom.body, geom.position, geom.rotation);
    let x = rotate(pose.rotation, vec3f(1.0, 0.0, 0.0));
    let y = rotate(pose.rotation, vec3f(0.0, 1.0, 0.0));
    let z = rotate(pose.rotation, vec3f(0.0, 0.0, 1.0));
    instances[index] = Instance(
        vec4f(x, -dot(x, pose.position)),
        vec4f(y, -dot(y, pose.position)),
        vec4f(z, -dot(z, pose.position)),
        pose.position + rotate(pose.rotation, geom.center),
        geom.radius,
    );
}

@compute @workgroup_size(64)
fn place_cameras(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = id.x + id.y * groups.x * 64u;
    if index >= counts.environments * counts.cameras {
        return;
    }
    let camera = cameras[select(index % counts.cameras, index, counts.varied != 0u)];
    let pose = pose_of(index / counts.cameras, camera.body, camera.position, camera.rotation);
    views[index] = View(
        pose.position,
        camera.near,
        rotate(pose.rotation, vec3f(1.0, 0.0, 0.0)),
        camera.far,
        rotate(pose.rotation, vec3f(0.0, 1.0, 0.0)),
        camera.lens,
        rotate(pose.rotation, vec3f(0.0, 0.0, 1.0)),
        camera.bend_5,
        camera.focal,
        camera.center,
        camera.bend,
    );
}
