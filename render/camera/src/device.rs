//! Cameras on a GPU: buffers, pipelines, dispatches.

use std::sync::atomic::{AtomicBool, Ordering};

use keiko_gpu::camera as layout;
use keiko_gpu::camera::{Counts, Instance, Kind, Lamp, LensKind, Look, Material, View};
use keiko_gpu::{Access, Buffer, Compute, Gpu, Pass, Slot};
use keiko_model::camera::Channel;

use crate::CameraError;
use crate::assets::Assets;
use crate::images::Images;
use crate::rig::Bodies;
use crate::tracer::{TracerOptions, check_size};

/// A model's shapes on the device, and where they are in each environment.
#[derive(Debug)]
pub struct DeviceTracer {
    gpu: Gpu,
    num_envs: usize,
    num_bodies: usize,
    num_geoms: usize,
    shadows: bool,
    varied: bool,
    num_lamps: usize,
    lamps: Buffer,
    /// What lies on geoms, in the order of its bindings.
    coats: Vec<Buffer>,
    /// Whether some surface has a finish, and some a texture.
    coated: [bool; 2],
    has_mesh: bool,
    has_field: bool,
    bodies: [Buffer; 2],
    geoms: Buffer,
    instances: Buffer,
    place_geoms: Pass,
    /// What optical flow is measured from, where somebody asks for it.
    before: Option<Before>,
    /// The rest of what rays meet, in the order of its bindings.
    assets: Vec<Buffer>,
}

/// Poses before.
#[derive(Debug)]
struct Before {
    bodies: [Buffer; 2],
    instances: Buffer,
    place_geoms: Pass,
    /// Whether they were given; until then the others' are taken.
    given: AtomicBool,
}

impl DeviceTracer {
    /// Uploads what a model shows.
    ///
    /// # Errors
    /// [`CameraError::TooLarge`]; [`CameraError::Gpu`].
    pub fn new(
        gpu: &Gpu,
        assets: &Assets,
        [num_envs, num_bodies, num_lamps]: [usize; 3],
        options: &TracerOptions,
    ) -> Result<Self, CameraError> {
        let num_geoms = assets.geoms.len();
        // Environments that light and colours are given for.
        let each = if options.varied { num_envs } else { 1 };
        let bytes = |count: usize, size: usize| (count * size) as u64;
        for (what, bytes, advice) in [
            ("the triangles of its meshes", bytes(assets.triangles.len(), 48), "simplify them"),
            ("instances", bytes(num_envs * num_geoms, size_of::<Instance>()), "take fewer environments"),
            ("the texels of its textures", bytes(assets.texels.len(), 4), "make them smaller"),
            ("poses", bytes(num_envs * num_bodies, 16), "take fewer environments"),
            ("colours", bytes(each * num_geoms, size_of::<Material>()), "take fewer environments"),
        ] {
            check(gpu, what, bytes, advice)?;
        }
        let counts = Counts {
            environments: num_envs as u32,
            geoms: num_geoms as u32,
            bodies: num_bodies as u32,
            ..Counts::default()
        };
        let counts = gpu.uniform("counts", &counts);
        let geoms = gpu.buffer("geoms", &assets.geoms);
        let compute = Compute::new(gpu, &layout::pose_kernel(), "place_geoms", &[&pose_slots()], &[])?;
        let (cameras, views) = (gpu.empty("cameras", 4), gpu.empty("views", 4));
        let posed = || -> Result<_, CameraError> {
            let position = gpu.empty("body_position", bytes(num_envs * num_bodies, 12));
            let rotation = gpu.empty("body_rotation", bytes(num_envs * num_bodies, 16));
            let instances = gpu.empty("instances", bytes(num_envs * num_geoms, size_of::<Instance>()));
            let place =
                compute.bind(&[&[&counts, &position, &rotation, &geoms, &instances, &cameras, &views]])?;
            Ok(([position, rotation], instances, place))
        };
        let (bodies, instances, place_geoms) = posed()?;
        let before = match options.flow {
            true => {
                let (bodies, instances, place_geoms) = posed()?;
                Some(Before { bodies, instances, place_geoms, given: AtomicBool::new(false) })
            }
            false => None,
        };
        let rest = vec![
            gpu.buffer("nodes", &assets.nodes),
            gpu.buffer("triangles", &assets.triangles),
            gpu.buffer("fields", &assets.fields),
            gpu.buffer("heights", &assets.heights),
            gpu.buffer("materials", &assets.materials.repeat(each)),
            gpu.buffer("looks", &vec![options.look; each]),
        ];
        Ok(Self {
            gpu: gpu.clone(),
            num_envs,
            num_bodies,
            num_geoms,
            shadows: options.shadows,
            varied: options.varied,
            num_lamps,
            lamps: gpu.empty("lamps", bytes(num_envs * num_lamps, size_of::<Lamp>())),
            coats: vec![
                gpu.buffer("coats", &assets.coats),
                gpu.buffer("textures", &assets.textures),
                gpu.buffer("texels", &assets.texels),
                gpu.buffer("texcoords", &assets.texcoords),
            ],
            coated: assets.coated(),
            has_mesh: assets.has(Kind::Mesh),
            has_field: assets.has(Kind::HeightField),
            bodies,
            geoms,
            instances,
            place_geoms,
            before,
            assets: rest,
        })
    }

    /// Puts every geom where its body is, and takes lamps of all environments.
    pub fn pose(&self, bodies: &Bodies, lamps: &[Lamp]) {
        self.gpu.write(&self.lamps, lamps);
        self.place(bodies, &self.bodies, &self.place_geoms);
        if let Some(before) = self.before.as_ref().filter(|before| !before.given.load(Ordering::Relaxed)) {
            self.place(bodies, &before.bodies, &before.place_geoms);
        }
    }

    /// Measures optical flow from these poses.
    pub fn pose_before(&self, bodies: &Bodies) {
        if let Some(before) = &self.before {
            before.given.store(true, Ordering::Relaxed);
            self.place(bodies, &before.bodies, &before.place_geoms);
        }
    }

    fn place(&self, bodies: &Bodies, [position, rotation]: &[Buffer; 2], place_geoms: &Pass) {
        self.gpu.write(position, &bodies.position);
        self.gpu.write(rotation, &bodies.rotation);
        self.gpu.run(&[(place_geoms, across(self.num_envs * self.num_geoms))]);
    }

    /// Takes light and colours of all environments, `[num_envs]` and `[num_envs, geoms]`.
    pub fn dress(&self, looks: &[Look], materials: &[Material]) {
        let [.., materials_buffer, looks_buffer] = self.assets.as_slice() else { return };
        self.gpu.write(materials_buffer, materials);
        self.gpu.write(looks_buffer, looks);
    }

    /// Gives a group other cameras, as many.
    pub fn aim(&self, group: &DeviceGroup, cameras: &[layout::Camera]) {
        self.gpu.write(&group.cameras, cameras);
    }

    /// Of cameras of one environment, or, where looks vary, of all of them.
    ///
    /// # Errors
    /// [`CameraError::TooLarge`]; [`CameraError::Gpu`].
    pub fn group(
        &self,
        cameras: &[layout::Camera],
        size: [u32; 2],
        channels: &[Channel],
    ) -> Result<DeviceGroup, CameraError> {
        let num_views = if self.varied { cameras.len() } else { self.num_envs * cameras.len() };
        let [width, height] = size;
        let pixels = num_views as u64 * u64::from(width) * u64::from(height);
        let advice = "take fewer environments, fewer cameras or smaller images";
        let counts = Counts {
            environments: self.num_envs as u32,
            geoms: self.num_geoms as u32,
            bodies: self.num_bodies as u32,
            cameras: (num_views / self.num_envs.max(1)) as u32,
            width,
            height,
            varied: u32::from(self.varied),
            lamps: self.num_lamps as u32,
        };
        let counts = self.gpu.uniform("counts", &counts);
        let mut outputs = Vec::new();
        for channel in channels {
            let bytes = 4 * pixels * channel.count() as u64;
            check(&self.gpu, &format!("the images `{}`", channel.name()), bytes, advice)?;
            outputs.push((*channel, self.gpu.empty(channel.name(), bytes)));
        }

        let compute =
            Compute::new(&self.gpu, &layout::pose_kernel(), "place_cameras", &[&pose_slots()], &[])?;
        let cameras_buffer = self.gpu.buffer("cameras", cameras);
        let instances = self.gpu.empty("instances", 4);
        let placed = |[position, rotation]: &[Buffer; 2]| -> Result<_, CameraError> {
            let views = self.gpu.empty("views", (num_views * size_of::<View>()) as u64);
            let place = compute.bind(&[&[
                &counts,
                position,
                rotation,
                &self.geoms,
                &instances,
                &cameras_buffer,
                &views,
            ]])?;
            Ok((views, place))
        };
        let (views, place) = placed(&self.bodies)?;
        let before = match &self.before {
            Some(before) if channels.contains(&Channel::Flow) => {
                Some((placed(&before.bodies)?, &before.instances))
            }
            _ => None,
        };
        let asked = self.gpu.empty("asked", 4 * (1 + num_views as u64));
        let nothing = self.gpu.empty("before", 4);
        let (views_before, instances_before) =
            before.as_ref().map_or((&nothing, &nothing), |((views, _), instances)| (views, *instances));

        let mut switches = vec![
            ("SHADOWS", self.shadows),
            ("LAMPS", self.num_lamps > 0),
            ("GLOSS", self.coated[0]),
            ("TEXTURES", self.coated[1]),
            ("LENS", cameras.iter().any(|camera| camera.lens != LensKind::Pinhole as u32)),
            ("HAS_MESH", self.has_mesh),
            ("HAS_HEIGHT_FIELD", self.has_field),
        ];
        switches
            .extend(Channel::ALL.iter().zip(layout::OUTPUTS).map(|(c, name)| (name, channels.contains(c))));
        let compute = Compute::new(&self.gpu, &layout::trace_kernel(), "trace", &trace_slots(), &switches)?;
        let scene: Vec<&Buffer> = [&self.geoms, &self.instances]
            .into_iter()
            .chain(&self.assets)
            .chain([&self.lamps])
            .chain(&self.coats)
            .collect();
        let unused: Vec<Buffer> = Channel::ALL.iter().map(|c| self.gpu.empty(c.name(), 4)).collect();
        let targets: Vec<&Buffer> = Channel::ALL
            .iter()
            .zip(&unused)
            .map(|(channel, unused)| {
                outputs.iter().find(|(has, _)| has == channel).map_or(unused, |(_, buffer)| buffer)
            })
            .collect();
        let shown = [&counts, &views, views_before, instances_before, &asked];
        let trace = compute.bind(&[&scene, &shown, &targets])?;
        let place = [Some(place), before.map(|((_, place), _)| place)].into_iter().flatten().collect();
        Ok(DeviceGroup { num_views, size, cameras: cameras_buffer, place, asked, trace, outputs })
    }

    /// Renders all views of a group, of the poses given last. Returns at once; the device works on.
    pub fn render(&self, group: &DeviceGroup) {
        self.render_some(group, &(0..group.num_views as u32).collect::<Vec<_>>());
    }

    /// The same of some views; images of the others stay as they were.
    pub fn render_some(&self, group: &DeviceGroup, views: &[u32]) {
        let num_views = views.len() as u32;
        self.gpu.write(&group.asked, &[&[num_views], views].concat());
        let tiles = group.size.map(|n| n.div_ceil(layout::TILE));
        let across_views = num_views.clamp(1, layout::VIEWS_ACROSS);
        let grid = [tiles[0] * tiles[1], across_views, num_views.div_ceil(layout::VIEWS_ACROSS)];
        let place = group.place.iter().map(|place| (place, across(group.num_views)));
        let passes: Vec<(&Pass, [u32; 3])> = place.chain([(&group.trace, grid)]).collect();
        self.gpu.run(&passes);
    }

    /// Waits for the last images of a group and copies them to the host.
    ///
    /// # Errors
    /// [`CameraError::Gpu`] if the device is lost.
    pub fn read(&self, group: &DeviceGroup) -> Result<Images, CameraError> {
        let buffers: Vec<&Buffer> = group.outputs.iter().map(|(_, buffer)| buffer).collect();
        let bits = self.gpu.read(&buffers)?;
        let channels = group.outputs.iter().map(|(channel, _)| *channel).zip(bits).collect();
        Ok(Images { num_views: group.num_views, size: group.size, channels })
    }
}

/// Cameras of one size with their images on the device.
#[derive(Debug)]
pub struct DeviceGroup {
    num_views: usize,
    size: [u32; 2],
    cameras: Buffer,
    /// Of cameras now, and before where that is asked for.
    place: Vec<Pass>,
    /// How many views are traced, then which.
    asked: Buffer,
    trace: Pass,
    outputs: Vec<(Channel, Buffer)>,
}

impl DeviceGroup {
    /// The images of a channel on the device.
    pub fn output(&self, channel: Channel) -> Option<&Buffer> {
        self.outputs.iter().find(|(has, _)| *has == channel).map(|(_, buffer)| buffer)
    }
}

/// Workgroups for one thread each, in two dimensions: one holds no more than 65,535.
fn across(threads: usize) -> [u32; 3] {
    let groups = (threads as u32).div_ceil(layout::POSE_THREADS).max(1);
    let rows = groups.div_ceil(32_768);
    [groups.div_ceil(rows), rows, 1]
}

fn pose_slots() -> [Slot; 7] {
    use Access::{Read, ReadWrite};
    [
        Slot::Uniform,
        Slot::Storage(Read),
        Slot::Storage(Read),
        Slot::Storage(Read),
        Slot::Storage(ReadWrite),
        Slot::Storage(Read),
        Slot::Storage(ReadWrite),
    ]
}

fn trace_slots() -> [&'static [Slot]; 3] {
    const READ: Slot = Slot::Storage(Access::Read);
    const WRITE: Slot = Slot::Storage(Access::ReadWrite);
    [&[READ; 13], &[Slot::Uniform, READ, READ, READ, READ], &[WRITE; 10]]
}

fn check(gpu: &Gpu, what: &str, bytes: u64, advice: &'static str) -> Result<(), CameraError> {
    check_size(&gpu.adapter.get_info().name, gpu.largest_binding(), what, bytes, advice)
}
