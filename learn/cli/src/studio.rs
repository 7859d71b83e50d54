//! Cameras of all environments of a scene: what is recorded, and what policies are shown, is seen here.

use keiko_camera::{Camera, CameraError, CameraGroup, Channel, Tracer};
use keiko_data::Image;
use keiko_env::{TaskEnv, VecEnv};

use crate::args::DeviceArg;
use crate::eyes;

/// Cameras of all environments.
pub struct Studio {
    tracer: Tracer,
    /// One a camera: sizes may differ.
    groups: Vec<(Camera, CameraGroup)>,
    /// Who renders.
    pub renderer: String,
}

impl Studio {
    /// Opens the cameras.
    ///
    /// # Errors
    /// If the machine cannot render, or not that much.
    pub fn new(env: &TaskEnv, cameras: &[Camera], device: DeviceArg) -> anyhow::Result<Self> {
        let (backend, scene) = (eyes::backend(device)?, env.scene());
        let tracer = Tracer::new(&backend, &scene.model, env.spec().num_envs, &eyes::options_of(env))?;
        let group = |camera: &Camera| {
            let group = tracer.group(std::slice::from_ref(camera), &[Channel::Rgb])?;
            Ok::<_, CameraError>((camera.clone(), group))
        };
        let groups = cameras.iter().map(group).collect::<Result<_, _>>()?;
        Ok(Self { tracer, groups, renderer: backend.name() })
    }

    /// What the cameras see: images by camera and environment.
    ///
    /// # Errors
    /// If the device is lost.
    pub fn shoot(&self, env: &TaskEnv) -> Result<Vec<Vec<Image>>, CameraError> {
        for (camera, group) in &self.groups {
            eyes::dress(&self.tracer, group, camera, env)?;
        }
        self.tracer.pose(env.state());
        self.groups.iter().for_each(|(_, group)| self.tracer.render(group));
        let read = |(_, group): &(Camera, CameraGroup)| {
            let images = self.tracer.read(group)?;
            let [width, height] = images.size.map(|side| side as usize);
            let views = images.rgb().unwrap_or_default().chunks_exact(4 * width * height);
            let colors =
                |rgba: &[u8]| rgba.as_chunks::<4>().0.iter().flat_map(|p| [p[0], p[1], p[2]]).collect();
            Ok(views.map(|rgba| Image { height, width, pixels: colors(rgba) }).collect())
        };
        self.groups.iter().map(read).collect()
    }
}
