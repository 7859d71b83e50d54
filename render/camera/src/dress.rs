//! From looks that were drawn to the tracer's light, colours and cameras.

use glam::{DQuat, DVec3, Vec3};
use keiko_gpu::camera as layout;
use keiko_gpu::camera::{Look, Material};
use keiko_model::camera::Camera;
use keiko_model::robot::{Geom, RobotModel};
use keiko_world::Looks;
use keiko_world::looks::CameraLook;

use crate::assets::Assets;
use crate::look;

/// What looks are changes of.
#[derive(Debug)]
pub struct Dresser {
    look: Look,
    /// The geoms that are seen, with their indices in the model.
    geoms: Vec<(usize, Geom)>,
    /// All geoms of the model.
    num_geoms: usize,
    /// Coats of each geom that is seen with each material of the model, one more than their indices, and whether they show a
    /// picture `[geoms, materials]`.
    wardrobe: Vec<(u32, bool)>,
}

impl Dresser {
    pub fn new(model: &RobotModel, assets: &Assets, look: Look) -> Self {
        let geom = |seen: &layout::Geom| (seen.id as usize, model.geoms[seen.id as usize].clone());
        Self {
            look,
            geoms: assets.geoms.iter().map(geom).collect(),
            num_geoms: model.geoms.len(),
            wardrobe: assets.wardrobe.iter().map(|coat| (*coat, assets.is_pictured(*coat))).collect(),
        }
    }

    /// Light of each environment.
    pub fn lights(&self, looks: &Looks, num_envs: usize) -> Vec<Look> {
        if looks.lights.is_empty() {
            return vec![self.look; num_envs];
        }
        assert_eq!(looks.lights.len(), num_envs, "lights");
        let of = |drawn: &keiko_world::looks::LightLook| {
            let mut look = self.look;
            let [x, y, z] = self.look.sun.map(f64::from);
            if drawn.azimuth.is_some() || drawn.elevation.is_some() {
                let azimuth = drawn.azimuth.unwrap_or_else(|| y.atan2(x));
                let elevation = drawn.elevation.unwrap_or_else(|| z.atan2(x.hypot(y)));
                let level = DVec3::new(azimuth.cos(), azimuth.sin(), 0.0);
                let sun = level * elevation.cos() + DVec3::Z * elevation.sin();
                look.sun = sun.as_vec3().to_array();
            }
            let scaled =
                |color: [f32; 3], factor: [f32; 3]| (Vec3::from(color) * Vec3::from(factor)).to_array();
            look.sun_color = scaled(look.sun_color, drawn.sun_factor);
            for color in [&mut look.ambient_up, &mut look.ambient_down, &mut look.zenith, &mut look.horizon] {
                *color = scaled(*color, drawn.sky_factor);
            }
            look
        };
        looks.lights.iter().map(of).collect()
    }

    /// Surfaces of each environment and geom that is seen.
    pub fn materials(&self, looks: &Looks, num_envs: usize) -> Vec<Material> {
        let given = !looks.colors.is_empty();
        assert!(!given || looks.colors.len() == num_envs * self.num_geoms, "colours");
        let made = !looks.materials.is_empty();
        assert!(!made || looks.materials.len() == num_envs * self.num_geoms, "materials");
        let num_materials = self.wardrobe.len() / self.geoms.len().max(1);
        let mut materials = Vec::with_capacity(num_envs * self.geoms.len());
        for env in 0..num_envs {
            for (at, (id, geom)) in self.geoms.iter().enumerate() {
                let rgb = [geom.rgba[0], geom.rgba[1], geom.rgba[2]];
                let rgb = if given { looks.colors[env * self.num_geoms + id] } else { rgb };
                let own = if made { looks.materials[env * self.num_geoms + id] } else { geom.material };
                let coat = own.map(|material| self.wardrobe[at * num_materials + material]);
                let (coat, is_pictured) = coat.unwrap_or_default();
                materials.push(look::material(&geom.shape, rgb, coat, is_pictured));
            }
        }
        materials
    }
}

/// A camera of the model as it is drawn for each environment; `index` is its place in the model. None where cameras are
/// not drawn.
pub fn aimed_each(camera: &Camera, index: usize, looks: &Looks, num_envs: usize) -> Vec<Camera> {
    let num_cameras = looks.cameras.len() / num_envs.max(1);
    let own = looks.cameras.iter().skip(index).step_by(num_cameras.max(1));
    own.map(|look| aimed(camera, look)).collect()
}

/// A camera as it is drawn.
pub fn aimed(camera: &Camera, look: &CameraLook) -> Camera {
    let mut camera = camera.clone().zoomed(look.zoom);
    camera.pose.position += camera.pose.rotation * DVec3::from(look.shift);
    camera.pose.rotation *= DQuat::from_scaled_axis(DVec3::from(look.turn));
    camera
}
