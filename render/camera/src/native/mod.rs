//! Cameras on the CPU: packets of rays in the vector registers, rows of tiles over threads.
//!
//! Numbers are those of the physics (`keiko_dynamics::lane`): every operation rounds alike in every width, so that a pixel
//! does not depend on the processor's registers. The text that GPUs run has the same formulas, in WGSL.

#![allow(
    clippy::needless_range_loop,
    reason = "iterators take closures, which need not be compiled with the vector instructions of their caller"
)]

mod flow;
mod gloss;
mod lamps;
mod lens;
mod list;
mod mesh;
mod packet;
mod pixels;
mod place;
mod shade;
mod shapes;
mod surface;
mod terrain;
mod texture;
mod trace;
mod width;

use std::sync::{Mutex, MutexGuard, PoisonError};

use keiko_dynamics::lane::Isa;
use keiko_gpu::camera as layout;
use keiko_gpu::camera::{Instance, Lamp, Look, Material, TILE};
use keiko_model::camera::Channel;
use rayon::prelude::*;

use crate::CameraError;
use crate::assets::Assets;
use crate::images::Images;
use crate::rig;
use crate::tracer::{TracerOptions, check_size};
use list::Spheres;
use place::Bodies;
use trace::{Band, Scene, Shot};

/// How this tracer is called in messages.
pub const NAME: &str = "the CPU";
/// The largest array \[byte\]: that of wgpu's adapters, so that what fits here is no more than fits a GPU.
const LARGEST: u64 = i32::MAX as u64;
/// Triangles and geoms are counted in `f32`, which holds so many whole numbers.
const MOST_TRIANGLES: usize = 1 << 24;

/// A model's shapes, and where they are in each environment.
#[derive(Debug)]
pub struct NativeTracer {
    scene: Scene,
    num_envs: usize,
    isa: Isa,
    varied: bool,
    posed: Mutex<Posed>,
    dressed: Mutex<Dressed>,
}

/// Light and colours, of all environments or of each.
#[derive(Debug, Default)]
struct Dressed {
    /// `[environments]`.
    looks: Vec<Look>,
    /// `[environments, geoms]`.
    materials: Vec<Material>,
}

/// The poses given last.
#[derive(Debug, Default)]
struct Posed {
    bodies: rig::Bodies,
    /// `[environments, geoms]`.
    instances: Vec<Instance>,
    /// The same of the poses that optical flow is measured from, if there are any.
    before: Option<(rig::Bodies, Vec<Instance>)>,
    /// See [`Spheres`]; environments one after another.
    spheres: Vec<f32>,
    /// `[environments, lamps]`.
    lamps: Vec<Lamp>,
}

impl NativeTracer {
    /// # Errors
    /// [`CameraError::TooLarge`].
    pub fn new(assets: Assets, num_envs: usize, options: &TracerOptions) -> Result<Self, CameraError> {
        let most = (MOST_TRIANGLES * size_of::<layout::Triangle>()) as u64;
        let bytes = (assets.triangles.len() * size_of::<layout::Triangle>()) as u64;
        check_size(NAME, most, "the triangles of its meshes", bytes, "simplify them")?;
        let instances = vec![Instance::default(); num_envs * assets.geoms.len()];
        let spheres = vec![0.0; num_envs * 4 * Spheres::stride(assets.geoms.len())];
        let dressed = Dressed { looks: vec![options.look], materials: assets.materials.clone() };
        let coated = !assets.coats.is_empty();
        let texels = texture::linear(&assets);
        let scene = Scene { assets, shadows: options.shadows, coated, texels };
        let posed = Posed { instances, spheres, ..Posed::default() };
        Ok(Self {
            scene,
            num_envs,
            isa: Isa::detect(),
            varied: options.varied,
            posed: Mutex::new(posed),
            dressed: Mutex::new(dressed),
        })
    }

    /// Takes light and colours of all environments, `[num_envs]` and `[num_envs, geoms]`.
    pub fn dress(&self, looks: Vec<Look>, materials: Vec<Material>) {
        *lock(&self.dressed) = Dressed { looks, materials };
    }

    /// Gives a group other cameras, as many.
    pub fn aim(&self, group: &NativeGroup, cameras: Vec<layout::Camera>) {
        *lock(&group.cameras) = cameras;
    }

    /// Puts every geom where its body is, and takes lamps of all environments.
    pub fn pose(&self, bodies: rig::Bodies, lamps: Vec<Lamp>) {
        let posed = &mut *lock(&self.posed);
        posed.lamps = lamps;
        posed.bodies = bodies;
        let geoms = &self.scene.assets.geoms;
        if geoms.is_empty() {
            return;
        }
        let bodies = Bodies::new(&posed.bodies, self.num_envs);
        let instances = posed.instances.par_chunks_mut(geoms.len());
        let spheres = posed.spheres.par_chunks_mut(4 * Spheres::stride(geoms.len()));
        instances.zip(spheres).enumerate().for_each(|(env, (instances, spheres))| {
            for (instance, geom) in instances.iter_mut().zip(geoms) {
                *instance = bodies.instance(env, geom);
            }
            Spheres::write(instances, spheres);
        });
    }

    /// Measures optical flow from these poses.
    pub fn pose_before(&self, bodies: rig::Bodies) {
        let geoms = &self.scene.assets.geoms;
        let placed = Bodies::new(&bodies, self.num_envs);
        let envs = (0..self.num_envs).into_par_iter();
        let of_env = |env| geoms.iter().map(|geom| placed.instance(env, geom)).collect::<Vec<_>>();
        let instances = envs.flat_map_iter(of_env).collect();
        lock(&self.posed).before = Some((bodies, instances));
    }

    /// Of cameras of one environment, or, where looks vary, of all of them.
    ///
    /// # Errors
    /// [`CameraError::TooLarge`].
    pub fn group(
        &self,
        cameras: Vec<layout::Camera>,
        size: [u32; 2],
        channels: &[Channel],
    ) -> Result<NativeGroup, CameraError> {
        let num_views = if self.varied { cameras.len() } else { self.num_envs * cameras.len() };
        let pixels = num_views as u64 * u64::from(size[0]) * u64::from(size[1]);
        let mut outputs = Vec::new();
        for channel in channels {
            let count = pixels * channel.count() as u64;
            let what = format!("the images `{}`", channel.name());
            let advice = "take fewer environments, fewer cameras or smaller images";
            check_size(NAME, LARGEST, &what, 4 * count, advice)?;
            outputs.push((*channel, vec![0; count as usize]));
        }
        let images = Images { num_views, size, channels: outputs };
        Ok(NativeGroup { cameras: Mutex::new(cameras), images: Mutex::new(images) })
    }

    /// Renders all views of a group, of the poses given last.
    pub fn render(&self, group: &NativeGroup) {
        let (posed, images) = (&*lock(&self.posed), &mut *lock(&group.images));
        let (dressed, cameras) = (&*lock(&self.dressed), &*lock(&group.cameras));
        let size = images.size.map(|side| side as usize);
        let (before, instances_before) =
            posed.before.as_ref().map_or((&posed.bodies, &posed.instances), |(bodies, at)| (bodies, at));
        let bodies = Bodies::new(&posed.bodies, self.num_envs);
        let before = Bodies::new(before, self.num_envs);
        let num_geoms = self.scene.assets.geoms.len();
        let num_lamps = posed.lamps.len() / self.num_envs.max(1);
        let stride = Spheres::stride(num_geoms);
        let views_of_env = images.num_views / self.num_envs.max(1);
        let bands_of_view = size[1].div_ceil(TILE as usize);
        bands(images).into_par_iter().enumerate().for_each(|(at, mut band)| {
            let view = at / bands_of_view;
            let env = view / views_of_env;
            let first = if dressed.looks.len() > 1 { env } else { 0 };
            let shot = Shot {
                scene: &self.scene,
                instances: &posed.instances[env * num_geoms..][..num_geoms],
                instances_before: &instances_before[env * num_geoms..][..num_geoms],
                spheres: Spheres { numbers: &posed.spheres[env * 4 * stride..][..4 * stride], stride },
                look: &dressed.looks[first],
                lamps: &posed.lamps[env * num_lamps..][..num_lamps],
                materials: &dressed.materials[first * num_geoms..][..num_geoms],
                view: bodies.view(env, &cameras[view % cameras.len()]),
                view_before: before.view(env, &cameras[view % cameras.len()]),
                size,
            };
            width::trace(self.isa, &shot, &mut band);
        });
    }
}

/// Cameras of one size with their images.
#[derive(Debug)]
pub struct NativeGroup {
    /// Of one environment, or of each.
    cameras: Mutex<Vec<layout::Camera>>,
    images: Mutex<Images>,
}

impl NativeGroup {
    /// A copy of the last images.
    pub fn read(&self) -> Images {
        lock(&self.images).clone()
    }
}

/// The rows of tiles of all views, in order.
fn bands(images: &mut Images) -> Vec<Band<'_>> {
    let [width, height] = images.size.map(|side| side as usize);
    let (plane, rows) = (width * height, height.div_ceil(TILE as usize));
    let band = |at: usize| Band { row: at % rows, planes: Default::default() };
    let mut bands: Vec<Band<'_>> = (0..images.num_views * rows).map(band).collect();
    for (channel, bits) in &mut images.channels {
        for (at, plane) in bits.chunks_mut(plane).enumerate() {
            let (view, part) = (at / channel.count(), at % channel.count());
            for (row, pixels) in plane.chunks_mut(TILE as usize * width).enumerate() {
                bands[view * rows + row].planes[*channel as usize][part] = pixels;
            }
        }
    }
    bands
}

/// What is behind a lock that nobody holds for long: a thread that panicked while it held one left whole numbers.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use glam::DVec3;
    use keiko_model::camera::Camera;
    use keiko_model::compose::Scene;
    use keiko_model::robot::{Geom, HeightField, Mesh, RobotModel, Shape};
    use keiko_model::{Pose, TaskSpec};

    use super::*;
    use crate::rig::Rigs;
    use crate::{overview, standing};

    /// The cartpole with one more of each kind of shape beside it.
    fn model() -> RobotModel {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes/cartpole/scene.toml");
        let spec = TaskSpec::load(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
        let mut model = Scene::load(&spec).unwrap_or_else(|error| panic!("{error}")).0.model;
        let vertices = vec![[0.0, 0.0, 0.4], [0.3, 0.0, 0.0], [-0.2, 0.3, 0.0], [-0.2, -0.3, 0.0]];
        let triangles = vec![[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]];
        model.meshes.push(Mesh {
            name: "tetrahedron".to_owned(),
            vertices,
            triangles,
            texcoords: Vec::new(),
        });
        model.height_fields.push(HeightField {
            name: "hills".to_owned(),
            num_rows: 3,
            num_cols: 4,
            half_size: [1.0, 1.0],
            heights: (0..12).map(|k| 0.1 * ((7 * k) % 5) as f32).collect(),
            base: 0.1,
        });
        let template = model.geoms[0].clone();
        let shapes = [
            Shape::Sphere { radius: 0.2 },
            Shape::Capsule { radius: 0.1, half_length: 0.2 },
            Shape::Cylinder { radius: 0.15, half_length: 0.2 },
            Shape::Box { half_size: DVec3::new(0.1, 0.2, 0.15) },
            Shape::Ellipsoid { radii: DVec3::new(0.1, 0.2, 0.15) },
            Shape::Mesh { mesh: model.meshes.len() - 1 },
            Shape::HeightField { height_field: model.height_fields.len() - 1 },
        ];
        for (k, shape) in shapes.into_iter().enumerate() {
            let angle = k as f64;
            let pose = Pose::from_position(DVec3::new(angle.cos(), angle.sin(), 0.2 * angle));
            let (name, rgba) = (format!("shape {k}"), [0.4, 0.5, 0.6, 1.0]);
            model.geoms.push(Geom { name, body: 0, pose, shape, group: 0, rgba, ..template.clone() });
        }
        model
    }

    fn images(model: &RobotModel, camera: &Camera, isa: Isa) -> Images {
        let assets = Assets::new(model, false, |_| 0);
        let mut tracer = NativeTracer::new(assets, 1, &TracerOptions::default()).expect("it fits");
        tracer.isa = isa;
        let rigs = Rigs::new(model);
        tracer.pose(rigs.place(&standing(model, &[model.reference_qpos()])), Vec::new());
        let group = tracer.group(vec![rigs.mirror(camera)], camera.size, &Channel::ALL).expect("it fits");
        tracer.render(&group);
        group.read()
    }

    #[test]
    fn neither_registers_nor_threads_change_a_bit() {
        let model = model();
        let camera = overview(&model, &model.reference_qpos(), [101, 75]);
        let detected = Isa::detect();
        let expected = images(&model, &camera, detected);
        let ids = expected.ids(Channel::Segmentation).expect("asked for");
        let seen = (0..model.geoms.len() as i32).filter(|id| ids.contains(id)).count();
        assert!(seen > 7, "{seen} geoms are seen");
        for isa in [Isa::Avx2, Isa::Portable].into_iter().filter(|isa| isa.width() < detected.width()) {
            assert!(images(&model, &camera, isa) == expected, "{isa:?} is not {detected:?}");
        }
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
        assert!(alone.install(|| images(&model, &camera, detected)) == expected);
    }
}
