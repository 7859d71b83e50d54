//! Who makes pictures of a batch, seen from below: the simulator asks, and knows no graphics interface.

use keiko_model::camera::{Camera, PixelChannel};

use crate::{BatchState, Looks, Moment};

/// A picture that is wanted of every environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// From where, and how large.
    pub camera: Camera,
    /// What is seen, in this order.
    pub channels: Vec<PixelChannel>,
    /// Rays along each side of a pixel; the pixel is their mean.
    pub samples: u32,
    /// Index of the camera in the model: its noise is its own.
    pub camera_index: u32,
}

impl Picture {
    /// Channels, height and width.
    pub fn shape(&self) -> [usize; 3] {
        let [width, height] = self.camera.size.map(|n| n as usize);
        [self.channels.iter().map(|channel| channel.count()).sum(), height, width]
    }
}

/// Makes the pictures that it was built for, of as many environments as it was built for.
pub trait Renderer: Send {
    /// Gives environments other looks from now on.
    ///
    /// # Errors
    /// That it was built for environments that all look alike.
    fn dress(&mut self, looks: &Looks) -> Result<(), String>;

    /// Looks at the bodies of a state from every camera. The image of an environment depends on its bodies, its looks
    /// and its moment alone.
    ///
    /// # Errors
    /// What the device says, in words.
    fn render(&mut self, state: &BatchState, moments: &[Moment]) -> Result<(), String>;

    /// Goes on from a state that was rendered by somebody else: what moves is seen to move from there.
    fn remember(&mut self, _state: &BatchState, _moments: &[Moment]) {}

    /// The last images of one of the pictures `[num_envs, channels, height, width]`.
    fn pixels(&self, picture: usize) -> &[f32];
}
