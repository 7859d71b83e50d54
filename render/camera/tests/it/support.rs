//! Random scenes, poses and cameras; a device to render them on.

use std::path::Path;

use glam::{DQuat, DVec3, EulerRot};
use keiko_camera::{Backend, Camera, Channel, Images, Tracer, TracerOptions};
use keiko_gpu::{Gpu, adapters};
use keiko_model::Pose;
use keiko_model::camera::looking_along;
use keiko_model::lens::Lens;
use keiko_model::material::{Finish, Material, Texture, TextureKind, TextureUse};
use keiko_model::robot::{
    Body, Geom, HeightField, Inertial, Joint, JointKind, Mesh, RobotModel, Shape, Softness,
};
use keiko_world::BatchState;
use serde_json::{Value, json};

/// Set in a process that was started to render on a device.
const CHILD: &str = "KEIKO_TEST_GPU_CHILD";

/// Runs the test named on the CPU, and again on a device.
pub fn with_each(test: &str, body: impl Fn(&Backend)) {
    if std::env::var_os(CHILD).is_none() {
        body(&Backend::Cpu);
    }
    with_gpu(test, |gpu| body(&Backend::Gpu(gpu.clone())));
}

/// Runs the test named in a child process with a device. Software Vulkan of some distributions needs its vector
/// width set before the process starts.
pub fn with_gpu(test: &str, body: impl FnOnce(&Gpu)) {
    if std::env::var_os(CHILD).is_some() {
        return body(&Gpu::open().expect("an adapter was found"));
    }
    if adapters().is_empty() {
        let missing = "no adapter; install the package mesa-vulkan-drivers";
        return keiko_testkit::skip_or_fail(keiko_testkit::Skip(missing.to_owned()));
    }
    let output = std::process::Command::new(std::env::current_exe().expect("this test has a file"))
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .env("LP_NATIVE_VECTOR_WIDTH", "128")
        .output()
        .expect("this test runs again");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    println!("{text}");
}

/// Numbers that are the same everywhere (a linear congruential generator).
pub struct Random(pub u64);

impl Random {
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1u64 << 24) as f64
    }

    pub fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    fn vector(&mut self, low: f64, high: f64) -> DVec3 {
        DVec3::new(self.within(low, high), self.within(low, high), self.within(low, high))
    }

    fn rotation(&mut self) -> DQuat {
        DQuat::from_euler(
            EulerRot::XYZ,
            self.within(-3.0, 3.0),
            self.within(-1.5, 1.5),
            self.within(-3.0, 3.0),
        )
    }
}

/// A model with nothing in it but the world.
pub fn empty() -> RobotModel {
    let mut model = RobotModel { name: "clutter".to_owned(), ..RobotModel::default() };
    model.bodies.push(body("world", 0..0));
    model
}

/// Ground (a plane, or hills if `hills`), and three bodies of each kind of shape.
pub fn clutter(random: &mut Random, hills: bool) -> RobotModel {
    let mut model = empty();
    model.meshes.push(bumpy_ball(random));
    if hills {
        model.height_fields.push(terrain(random));
        let pose = Pose::from_position(DVec3::new(0.1, -0.2, -0.3));
        model.geoms.push(geom("ground", 0, pose, Shape::HeightField { height_field: 0 }));
    } else {
        model.geoms.push(geom("ground", 0, Pose::IDENTITY, Shape::Plane { half_size: [0.0; 2] }));
    }
    for round in 0..3 {
        for kind in 0..6 {
            let shape = match kind {
                0 => Shape::Sphere { radius: random.within(0.05, 0.2) },
                1 => Shape::Capsule {
                    radius: random.within(0.04, 0.1),
                    half_length: random.within(0.05, 0.25),
                },
                2 => Shape::Cylinder {
                    radius: random.within(0.04, 0.12),
                    half_length: random.within(0.05, 0.2),
                },
                3 => Shape::Box { half_size: random.vector(0.04, 0.2) },
                4 => Shape::Ellipsoid { radii: random.vector(0.05, 0.2) },
                _ => Shape::Mesh { mesh: 0 },
            };
            let name = format!("body_{round}_{kind}");
            let index = model.bodies.len();
            model.bodies.push(body(&name, index - 1..index));
            model.joints.push(free_joint(&name, index));
            let pose = Pose::new(random.vector(-0.1, 0.1), random.rotation());
            model.geoms.push(geom(&name, index, pose, shape));
        }
    }
    model
}

fn body(name: &str, joints: std::ops::Range<usize>) -> Body {
    Body {
        name: name.to_owned(),
        parent: 0,
        pose: Pose::IDENTITY,
        inertial: Inertial { mass: 1.0, moments: DVec3::ONE, ..Inertial::ZERO },
        joints,
        gravity_compensation: 0.0,
        mocap: false,
    }
}

fn free_joint(name: &str, body: usize) -> Joint {
    Joint {
        name: name.to_owned(),
        body,
        kind: JointKind::Free,
        axis: DVec3::Z,
        anchor: DVec3::ZERO,
        range: None,
        reference: 0.0,
        stiffness: 0.0,
        spring_reference: 0.0,
        damping: 0.0,
        armature: 0.0,
        friction_loss: 0.0,
        limit_softness: Softness::default(),
        limit_margin: 0.0,
        effort_range: None,
        velocity_limit: None,
        mimic: false,
        qpos_index: 7 * (body - 1),
        dof_index: 6 * (body - 1),
    }
}

pub fn geom(name: &str, body: usize, pose: Pose, shape: Shape) -> Geom {
    Geom {
        name: name.to_owned(),
        body,
        pose,
        shape,
        contype: 1,
        conaffinity: 1,
        condim: 3,
        friction: DVec3::ONE,
        restitution: 0.0,
        priority: 0,
        solmix: 1.0,
        softness: Softness::default(),
        margin: 0.0,
        gap: 0.0,
        group: 0,
        rgba: [0.5, 0.5, 0.5, 1.0],
        material: None,
    }
}

/// A closed surface of 512 triangles, not convex.
fn bumpy_ball(random: &mut Random) -> Mesh {
    let (rings, sectors) = (17, 16);
    let bump = random.within(0.1, 0.2);
    let point = |ring: usize, sector: usize| {
        let (a, b) = (
            std::f64::consts::PI * ring as f64 / (rings - 1) as f64,
            std::f64::consts::TAU * (sector % sectors) as f64 / sectors as f64,
        );
        let r = 0.18 * (1.0 + bump * (5.0 * a).sin() * (4.0 * b).sin());
        [r * a.sin() * b.cos(), r * a.sin() * b.sin(), r * a.cos()].map(|x| x as f32)
    };
    let mut mesh =
        Mesh { name: "bumpy".to_owned(), vertices: Vec::new(), triangles: Vec::new(), texcoords: Vec::new() };
    for ring in 0..rings {
        mesh.vertices.extend((0..sectors).map(|sector| point(ring, sector)));
    }
    let at = |ring: usize, sector: usize| (ring * sectors + sector % sectors) as u32;
    for ring in 0..rings - 1 {
        for sector in 0..sectors {
            let [a, b, c, d] =
                [at(ring, sector), at(ring + 1, sector), at(ring + 1, sector + 1), at(ring, sector + 1)];
            mesh.triangles.extend([[a, b, c], [a, c, d]]);
        }
    }
    mesh
}

/// Gives the geoms of a clutter finishes and pictures, flat ones, cubes and by the corners of triangles; some stay as they are.
pub fn coat(model: &mut RobotModel) {
    let picture = |name: &str, kind: TextureKind, [width, height]: [usize; 2]| Texture {
        name: name.to_owned(),
        kind,
        width,
        height,
        pixels: (0..3 * width * height * kind.num_faces()).map(|k| (k * k / 7 + 31 * k) as u8).collect(),
    };
    model.textures =
        vec![picture("flat", TextureKind::Flat, [16, 10]), picture("cube", TextureKind::Cube, [8, 8])];
    let used = |texture: usize, uniform: bool| Some(TextureUse { texture, repeat: [2.0, 3.0], uniform });
    let finish = |roughness, metallic| Some(Finish { roughness, metallic, specular: 0.6, emission: 0.05 });
    for (name, finish, texture) in [
        ("plastic", finish(0.35, 0.0), None),
        ("metal", finish(0.3, 1.0), None),
        ("paper", None, used(0, true)),
        ("tin", finish(0.5, 0.8), used(0, false)),
        ("parcel", None, used(1, false)),
        ("glazed", finish(0.6, 0.0), used(1, true)),
    ] {
        model.materials.push(Material { name: name.to_owned(), finish, texture, rgba: None });
    }
    let mesh = &mut model.meshes[0];
    let place = |v: u32| {
        let [x, y, z] = mesh.vertices[v as usize];
        [2.0 * x + z, 3.0 * y - z]
    };
    mesh.texcoords = mesh.triangles.iter().map(|triangle| triangle.map(place)).collect();
    for (k, geom) in model.geoms.iter_mut().enumerate() {
        geom.material = ((k + 3) % 7).checked_sub(1);
        geom.rgba = [0.9, 0.7, 0.8, 1.0];
    }
}

fn terrain(random: &mut Random) -> HeightField {
    let (num_rows, num_cols) = (23, 31);
    HeightField {
        name: "hills".to_owned(),
        num_rows,
        num_cols,
        half_size: [6.0, 5.0],
        heights: (0..num_rows * num_cols).map(|_| random.within(0.0, 0.35) as f32).collect(),
        base: 0.2,
    }
}

/// Bodies strewn over two by two metres, otherwise in every environment.
pub fn strewn(model: &RobotModel, random: &mut Random, num_envs: usize) -> BatchState {
    let mut state = BatchState::new(model, num_envs);
    for env in 0..num_envs {
        for body in 1..model.bodies.len() {
            let position =
                DVec3::new(random.within(-1.0, 1.0), random.within(-1.0, 1.0), random.within(0.1, 1.0));
            let rotation = random.rotation();
            for (k, x) in position.to_array().into_iter().enumerate() {
                state.body_position.set(3 * body + k, env, x as f32);
            }
            for (k, x) in rotation.to_array().into_iter().enumerate() {
                state.body_rotation.set(4 * body + k, env, x as f32);
            }
        }
    }
    state
}

/// `world_from_body` as the state has it.
pub fn body_pose(state: &BatchState, body: usize, env: usize) -> Pose {
    if body == 0 {
        return Pose::IDENTITY;
    }
    let p = [0, 1, 2].map(|k| f64::from(state.body_position.get(3 * body + k, env)));
    let q = [0, 1, 2, 3].map(|k| f64::from(state.body_rotation.get(4 * body + k, env)));
    Pose::new(p.into(), DQuat::from_array(q).normalize())
}

/// A camera in the world that looks at a point near the middle.
pub fn camera_around(random: &mut Random, size: [u32; 2]) -> Camera {
    let (around, up) = (random.within(0.0, std::f64::consts::TAU), random.within(0.3, 0.8));
    let back = DVec3::new(up.cos() * around.cos(), up.cos() * around.sin(), up.sin());
    let target = DVec3::new(0.0, 0.0, 0.4);
    let pose = Pose::new(target + back * random.within(2.5, 3.5), looking_along(-back, DVec3::Z));
    Camera::new("around", 0, pose, size, 0.9)
}

/// A camera high over the middle, with a lens; of a fisheye a point by the side of the image is 100 degrees off the axis.
pub fn camera_above(random: &mut Random, size: [u32; 2], lens: Lens) -> Camera {
    let pose = Pose::new(
        DVec3::new(random.within(-1.3, -0.9), random.within(-0.3, 0.3), 1.9),
        looking_along(DVec3::new(1.0, random.within(-0.3, 0.3), -0.45), DVec3::Z),
    );
    let mut camera = Camera::new("above", 0, pose, size, 1.5);
    camera.lens = lens;
    if lens.is_wide() {
        camera.focal = [0.5 * f64::from(size[0]) / 1.75; 2];
    }
    camera
}

/// A wide-angle lens as a calibration prints it.
pub const WIDE_ANGLE: Lens = Lens::BrownConrady { k1: -0.2834, k2: 0.0739, p1: 0.002, p2: -0.003, k3: 0.001 };
/// Columns are angles sideways, rows angles up and down.
pub const LIDAR: Lens = Lens::Equirectangular;
/// A fisheye likewise.
pub const FISHEYE: Lens = Lens::KannalaBrandt { k1: -0.0134, k2: 0.0021, k3: -0.0012, k4: 0.0001 };

/// Ray through the middle of a pixel: origin and unit direction in the world, and the share of its length that is depth.
pub fn pixel_ray(camera: &Camera, world_from_body: Pose, x: u32, y: u32) -> (DVec3, DVec3, f64) {
    let world_from_camera = world_from_body.compose(camera.pose);
    let pixel = [x, y].map(|at| f64::from(at) + 0.5);
    let d = match camera.lens {
        Lens::Pinhole => {
            let [x, y] = [0, 1].map(|k| (pixel[k] - camera.center[k]) / camera.focal[k]);
            DVec3::new(x, y, 1.0).normalize()
        }
        lens => {
            let ray = camera.ray(pixel).expect("the lens has a ray for all of its image");
            let seen = opencv(lens, ray);
            for k in 0..2 {
                let back = seen[k] * camera.focal[k] + camera.center[k];
                assert!((back - pixel[k]).abs() < 1e-6, "{lens:?}: {pixel:?} comes back at {seen:?}");
            }
            ray
        }
    };
    (world_from_camera.position, world_from_camera.rotation * d, d.z)
}

/// Where OpenCV's documentation says that a ray is seen: `projectPoints` and `fisheye::projectPoints`; of a panorama its angles.
pub fn opencv(lens: Lens, ray: DVec3) -> [f64; 2] {
    let r = ray.x.hypot(ray.y);
    match lens {
        Lens::Pinhole => [ray.x / ray.z, ray.y / ray.z],
        Lens::BrownConrady { k1, k2, p1, p2, k3 } => {
            let (x, y, r) = (ray.x / ray.z, ray.y / ray.z, r / ray.z);
            let radial = 1.0 + k1 * r.powi(2) + k2 * r.powi(4) + k3 * r.powi(6);
            [
                x * radial + 2.0 * p1 * x * y + p2 * (r.powi(2) + 2.0 * x.powi(2)),
                y * radial + p1 * (r.powi(2) + 2.0 * y.powi(2)) + 2.0 * p2 * x * y,
            ]
        }
        Lens::KannalaBrandt { k1, k2, k3, k4 } => {
            let t = r.atan2(ray.z);
            let bent = t * (1.0 + k1 * t.powi(2) + k2 * t.powi(4) + k3 * t.powi(6) + k4 * t.powi(8));
            [ray.x, ray.y].map(|aside| if r > 0.0 { bent * aside / r } else { 0.0 })
        }
        Lens::Equirectangular => [ray.x.atan2(ray.z), ray.y.atan2(ray.x.hypot(ray.z))],
    }
}

/// Renders cameras of one size.
pub fn render(
    backend: &Backend,
    model: &RobotModel,
    state: &BatchState,
    cameras: &[Camera],
    channels: &[Channel],
) -> Images {
    let options = TracerOptions { flow: channels.contains(&Channel::Flow), ..TracerOptions::default() };
    let tracer = Tracer::new(backend, model, state.qpos.num_envs().max(state.steps.len()), &options)
        .unwrap_or_else(|error| panic!("{error}"));
    tracer.pose(state);
    let group = tracer.group(cameras, channels).unwrap_or_else(|error| panic!("{error}"));
    tracer.render(&group);
    tracer.read(&group).unwrap_or_else(|error| panic!("{error}"))
}

/// Renders cameras of one size, of bodies that were elsewhere before.
pub fn render_moved(
    backend: &Backend,
    model: &RobotModel,
    [before, state]: [&BatchState; 2],
    cameras: &[Camera],
    channels: &[Channel],
) -> Images {
    let options = TracerOptions { flow: true, ..TracerOptions::default() };
    let num_envs = state.body_position.num_envs();
    let tracer = Tracer::new(backend, model, num_envs, &options).unwrap_or_else(|error| panic!("{error}"));
    tracer.pose_before(before).unwrap_or_else(|error| panic!("{error}"));
    tracer.pose(state);
    let group = tracer.group(cameras, channels).unwrap_or_else(|error| panic!("{error}"));
    tracer.render(&group);
    tracer.read(&group).unwrap_or_else(|error| panic!("{error}"))
}

/// A PNG file whose rows are stored as they are (RFC 1950 and 1951 without compression).
pub fn png(width: u32, height: u32, color: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    let mut rows = Vec::new();
    for y in 0..height {
        rows.push(0);
        (0..width).for_each(|x| rows.extend(color(x, y)));
    }
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
            })
        })
    };
    let (a, b) = rows.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (a + b) % 65_521)
    });
    let count = rows.len() as u16;
    let mut packed = vec![0x78, 1, 1];
    packed.extend([count.to_le_bytes(), (!count).to_le_bytes()].concat());
    packed.extend(&rows);
    packed.extend((b << 16 | a).to_be_bytes());
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, content) in [(b"IHDR", header), (b"IDAT", packed), (b"IEND", Vec::new())] {
        file.extend((content.len() as u32).to_be_bytes());
        let checked = [&kind[..], &content].concat();
        file.extend(&checked);
        file.extend(crc(&checked).to_be_bytes());
    }
    file
}

/// Renders a file from a camera with OpenGL, if the machine has it, in the first keyframe where there is one. What is round is made
/// of many pieces: as they come, a sphere of 28 slices is flat by 6 thousandths of its radius.
const RENDERER: &str = r#"
import json, os, sys
os.environ["MUJOCO_GL"] = "egl"
question = json.load(sys.stdin)
try:
    import mujoco
    spec = mujoco.MjSpec.from_file(question["file"])
    camera = spec.worldbody.add_camera()
    camera.name = "eye"
    camera.pos, camera.quat, camera.fovy = question["position"], question["rotation"], question["fov_y"]
    spec.visual.quality.offsamples = 0
    spec.visual.quality.numslices = spec.visual.quality.numstacks = 256
    model = spec.compile()
    data = mujoco.MjData(model)
    if model.nkey:
        mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_forward(model, data)
    renderer = mujoco.Renderer(model, question["size"][1], question["size"][0])
    renderer.update_scene(data, camera="eye")
    scope = {"mujoco": mujoco, "renderer": renderer}
    exec(question["render"], scope)
    print(json.dumps(scope["answer"]))
except Exception as error:
    print(json.dumps(str(error)))
"#;

/// The `answer` of a text in Python that asks MuJoCo's `renderer` for what a camera of the world sees of a file; none, with a word,
/// where there is no MuJoCo or no OpenGL.
pub fn mujoco_renders(file: &Path, eye: &Camera, render: &str) -> Option<Value> {
    // MuJoCo's cameras have y upwards and look along -z.
    let turn = eye.pose.rotation * DQuat::from_rotation_x(std::f64::consts::PI);
    let question = json!({
        "file": file,
        "position": eye.pose.position.to_array(),
        "rotation": [turn.w, turn.x, turn.y, turn.z],
        "fov_y": eye.fov_y().to_degrees(),
        "size": eye.size,
        "render": render,
    });
    let answer = keiko_testkit::available(keiko_testkit::ask_python(RENDERER, &question))?;
    if answer.is_string() {
        // Only machines with OpenGL have this judge.
        println!("skipped: MuJoCo does not render here: {answer}");
        return None;
    }
    Some(answer)
}
