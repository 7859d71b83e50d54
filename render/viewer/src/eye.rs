//! The tracer of the viewport: one environment, any camera, at a resolution that keeps up with the hand.

use std::borrow::Cow;

use glam::DVec3;
use keiko_camera::{Backend, Camera, CameraError, CameraGroup, Channel, Images, Tracer};
use keiko_model::Pose;
use keiko_model::robot::RobotModel;
use keiko_world::BatchState;

use crate::project::Projection;
use crate::session::Session;
use crate::subject::Subject;
use crate::wardrobe;

/// Groups that are kept: a window has few sizes at a time.
const MOST_GROUPS: usize = 8;
/// MJCF's custom: geoms of this group and above are not looked at.
const HIDDEN_GROUP: i32 = 3;

/// Which shapes are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shapes {
    /// Those that are made to be looked at; all of them in models that tell none apart.
    #[default]
    Visual,
    /// Those that collide.
    Collision,
}

/// Looks at one environment.
#[derive(Debug)]
pub struct Eye {
    tracer: Tracer,
    groups: Vec<(Vec<Channel>, CameraGroup)>,
    /// The poses of the environment that was looked at last.
    posed: BatchState,
}

impl Eye {
    /// For one environment of a subject.
    ///
    /// # Errors
    /// As [`Tracer::new`].
    pub fn new(backend: &Backend, subject: &Subject, shapes: Shapes) -> Result<Self, CameraError> {
        let model = dressed(&subject.model, shapes);
        let tracer = Tracer::new(backend, &model, 1, &subject.looks())?;
        Ok(Self { tracer, groups: Vec::new(), posed: BatchState::new(&model, 1) })
    }

    /// Looks at the environment that is shown from now on, as it is drawn.
    ///
    /// # Errors
    /// As [`Tracer::dress`].
    pub fn pose(&mut self, session: &Session) -> Result<(), CameraError> {
        let (state, env) = (session.state(), session.env());
        if let Some(looks) = wardrobe::looks(session.subject(), &[env]) {
            self.tracer.dress(&looks)?;
        }
        self.posed.body_position.set_column(0, state.body_position.column(env));
        self.posed.body_rotation.set_column(0, state.body_rotation.column(env));
        self.tracer.pose(&self.posed);
        Ok(())
    }

    /// What a camera sees.
    ///
    /// # Errors
    /// As [`Tracer::group`] and [`Tracer::read`].
    pub fn look(&mut self, camera: &Camera, channels: &[Channel]) -> Result<Images, CameraError> {
        let lenses = !camera.lens.is_pinhole();
        let known = |(has, group): &(Vec<Channel>, CameraGroup)| {
            has == channels && group.size == camera.size && group.lenses == lenses
        };
        let index = match self.groups.iter().position(known) {
            Some(index) => {
                self.tracer.aim(&self.groups[index].1, std::slice::from_ref(camera))?;
                index
            }
            None => {
                if self.groups.len() == MOST_GROUPS {
                    self.groups.remove(0);
                }
                let group = self.tracer.group(std::slice::from_ref(camera), channels)?;
                self.groups.push((channels.to_vec(), group));
                self.groups.len() - 1
            }
        };
        let group = &self.groups[index].1;
        self.tracer.render(group);
        self.tracer.read(group)
    }

    /// The geom under a pixel of a camera on a body at `world_from_rig`, and where its surface is in the world \[m\].
    ///
    /// # Errors
    /// As [`Eye::look`].
    pub fn pick(
        &mut self,
        camera: &Camera,
        world_from_rig: Pose,
        pixel: [f64; 2],
    ) -> Result<Option<(usize, DVec3)>, CameraError> {
        // An image of the one pixel.
        let mut narrow = camera.clone();
        narrow.size = [1, 1];
        narrow.center = [0, 1].map(|k| camera.center[k] - pixel[k] + 0.5);
        let images = self.look(&narrow, &[Channel::Distance, Channel::Segmentation])?;
        let first = |values: Option<&[f32]>| values.and_then(|values| values.first().copied());
        let geom = images.ids(Channel::Segmentation).and_then(|ids| usize::try_from(*ids.first()?).ok());
        let distance = first(images.floats(Channel::Distance)).unwrap_or_default();
        let projection = Projection::new(camera, world_from_rig);
        let point = projection.pose.position + projection.ray(pixel) * f64::from(distance);
        Ok(geom.map(|geom| (geom, point)))
    }
}

/// A model whose shapes of a kind are in sight.
pub fn dressed(model: &RobotModel, shapes: Shapes) -> Cow<'_, RobotModel> {
    match shapes {
        Shapes::Visual => Cow::Borrowed(model),
        Shapes::Collision => Cow::Owned(collision_model(model)),
    }
}

/// The model with what collides in sight and the rest out of it; geoms keep their numbers.
fn collision_model(model: &RobotModel) -> RobotModel {
    let mut model = model.clone();
    for geom in &mut model.geoms {
        geom.group = if geom.collides() { 0 } else { HIDDEN_GROUP };
        if geom.collides() {
            geom.rgba[3] = 1.0;
        }
    }
    model
}

/// Keeps an image as fine as the time allows.
#[derive(Clone, Copy, Debug)]
pub struct Resolution {
    /// Time that a pixel takes \[s\], a running mean.
    pixel: f64,
}

impl Default for Resolution {
    fn default() -> Self {
        Self { pixel: 6e-8 }
    }
}

impl Resolution {
    /// Pixels of the screen to a pixel of the image, on each side, where an image may take `budget` \[s\].
    pub fn divisor(&self, size: [u32; 2], budget: f64) -> u32 {
        let pixels = f64::from(size[0]) * f64::from(size[1]);
        let fits = |divisor: &u32| pixels * self.pixel <= budget * f64::from(divisor * divisor);
        (1..8).find(fits).unwrap_or(8)
    }

    /// Learns from an image.
    pub fn took(&mut self, size: [u32; 2], seconds: f64) {
        let pixels = (f64::from(size[0]) * f64::from(size[1])).max(1.0);
        self.pixel += 0.2 * (seconds / pixels - self.pixel);
    }
}
