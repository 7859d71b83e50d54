//! What is recorded: features, frames and episodes, before they are written.

use std::path::Path;
use std::sync::Arc;

use keiko_model::error::{ErrorKind, Result};
use keiko_video::VideoEncoder;

use crate::film::refused;
use crate::info::{Dtype, Feature};
use crate::parquet::Blobs;
use crate::stats::ColorCount;
use crate::store::refuse;
use crate::{ACTION, IMAGES, Image, STATE, SUCCESS, SURROUNDINGS};

/// Of so many frames of a video one needs no other: as lerobot has it, for frames that are drawn at random.
const KEY_INTERVAL: u32 = 2;

/// What every frame of a recording holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Frames a second.
    pub fps: u32,
    /// Which robot.
    pub robot_type: String,
    /// Names of the numbers of `observation.state`, in order.
    pub state: Vec<String>,
    /// Names of the numbers of `observation.environment_state`, in order; empty for a recording without it.
    pub surroundings: Vec<String>,
    /// Names of the numbers of `action`, in order.
    pub action: Vec<String>,
    /// Cameras: name, height, width.
    pub cameras: Vec<(String, usize, usize)>,
    /// Whether cameras are kept as videos: about a third of the space, and a little is lost of colours that change from
    /// pixel to pixel. Sides are even numbers from 16 on then.
    pub video: bool,
    /// Whether frames say if their episode reached its goal (`next.success`): needed where failures are kept too.
    pub label_success: bool,
}

impl Spec {
    /// The features that it asks for, counters left out.
    pub(crate) fn features(&self) -> Vec<Feature> {
        let vector = |name: &str, names: &[String]| Feature {
            name: name.into(),
            dtype: Dtype::Float32,
            shape: vec![names.len()],
            names: names.to_vec(),
        };
        let camera = |(name, height, width): &(String, usize, usize)| Feature {
            name: format!("{IMAGES}{name}"),
            dtype: if self.video { Dtype::Video } else { Dtype::Image },
            shape: vec![*height, *width, 3],
            names: ["height", "width", "channels"].map(str::to_owned).to_vec(),
        };
        let success = Feature { name: SUCCESS.into(), dtype: Dtype::Bool, shape: vec![1], names: Vec::new() };
        let surroundings = (!self.surroundings.is_empty()).then(|| vector(SURROUNDINGS, &self.surroundings));
        std::iter::once(vector(STATE, &self.state))
            .chain(surroundings)
            .chain(self.cameras.iter().map(camera))
            .chain([vector(ACTION, &self.action)])
            .chain(self.label_success.then_some(success))
            .collect()
    }

    /// Refuses what no dataset can hold.
    pub(crate) fn check(&self, folder: &Path) -> Result<()> {
        let wrong = |message: String| Err(refuse(ErrorKind::Value, folder, message));
        if self.fps == 0 {
            return wrong("a recording of 0 frames a second".into());
        }
        for (what, names) in [(STATE, &self.state), (ACTION, &self.action)] {
            if names.is_empty() {
                return wrong(format!("a recording without numbers in `{what}`"));
            }
        }
        for (name, height, width) in &self.cameras {
            if name.is_empty() || name.contains(['/', '\0']) || *height == 0 || *width == 0 {
                return wrong(format!("a camera `{name}` of {width} x {height} pixels"));
            }
            if self.video
                && let Err(error) = encoder(self, [*height, *width])
            {
                return wrong(format!("camera `{name}` as a video: {error}"));
            }
        }
        let mut names: Vec<_> = self.cameras.iter().map(|(name, ..)| name).collect();
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => wrong(format!("two cameras `{}`", pair[0])),
            None => Ok(()),
        }
    }
}

/// What is recorded of one control step.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Measurements of the robot.
    pub state: &'a [f32],
    /// State of the surroundings; empty where the recording has none.
    pub surroundings: &'a [f32],
    /// The action that followed.
    pub action: &'a [f32],
    /// An image for each camera.
    pub images: &'a [Image],
}

/// What a camera has seen in an episode, as it will be stored.
#[derive(Debug)]
pub(crate) enum Footage {
    /// A PNG file a frame.
    Png(Blobs),
    /// A video, from the first frame on.
    Film(Option<Box<VideoEncoder>>),
}

impl Footage {
    fn new(spec: &Spec) -> Self {
        if spec.video { Self::Film(None) } else { Self::Png(Blobs::default()) }
    }

    fn push(&mut self, image: &Image, spec: &Spec) -> std::result::Result<(), keiko_video::VideoError> {
        match self {
            Self::Png(files) => files.push(&image.to_png()),
            Self::Film(film) => {
                if film.is_none() {
                    *film = Some(Box::new(encoder(spec, [image.height, image.width])?));
                }
                film.iter_mut().try_for_each(|film| film.push(&image.pixels))?;
            }
        }
        Ok(())
    }

    /// Frames so far.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Png(files) => files.len(),
            Self::Film(film) => film.as_ref().map_or(0, |film| film.num_frames() as usize),
        }
    }

    /// What they take \[byte\].
    pub(crate) fn num_bytes(&self) -> usize {
        match self {
            Self::Png(files) => files.num_bytes(),
            Self::Film(film) => film.as_ref().map_or(0, |film| film.num_bytes()),
        }
    }
}

/// What makes the video of a camera of `[height, width]` pixels.
fn encoder(spec: &Spec, size: [usize; 2]) -> std::result::Result<VideoEncoder, keiko_video::VideoError> {
    let [height, width] = size.map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    VideoEncoder::new([width, height], spec.fps.into(), KEY_INTERVAL)
}

/// An episode while it is recorded, in memory. Many can be in flight at once.
#[derive(Debug)]
pub struct Demonstration {
    pub(crate) spec: Arc<Spec>,
    pub(crate) state: Vec<f32>,
    pub(crate) surroundings: Vec<f32>,
    pub(crate) action: Vec<f32>,
    pub(crate) cameras: Vec<(Footage, ColorCount)>,
    pub(crate) frames: usize,
}

impl Demonstration {
    /// An empty one.
    pub fn new(spec: &Arc<Spec>) -> Self {
        let cameras = spec.cameras.iter().map(|_| (Footage::new(spec), ColorCount::new())).collect();
        let (state, surroundings, action) = (Vec::new(), Vec::new(), Vec::new());
        Self { spec: Arc::clone(spec), state, surroundings, action, cameras, frames: 0 }
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// If sizes are not those of the [`Spec`], or a number is not finite; nothing is added then. If an image cannot be
    /// encoded the episode cannot be saved any more.
    pub fn push(&mut self, moment: Moment<'_>) -> Result<()> {
        let Moment { state, surroundings, action, images } = moment;
        let place = Path::new("recording");
        let wrong = |message: String| Err(refuse(ErrorKind::Value, place, message));
        let frame = self.frames;
        for (what, names, values) in [
            (STATE, &self.spec.state, state),
            (SURROUNDINGS, &self.spec.surroundings, surroundings),
            (ACTION, &self.spec.action, action),
        ] {
            if values.len() != names.len() {
                return wrong(format!(
                    "`{what}` of {} numbers; the recording has {}",
                    values.len(),
                    names.len()
                ));
            }
            if let Some(at) = values.iter().position(|x| !x.is_finite()) {
                let (name, value) = (&names[at], values[at]);
                return wrong(format!(
                    "`{what}` is {value} for `{name}` in frame {frame}; allowed: finite numbers"
                ));
            }
        }
        if images.len() != self.cameras.len() {
            let count = self.cameras.len();
            return wrong(format!("{} images; the recording has {count} cameras", images.len()));
        }
        for (image, (name, height, width)) in images.iter().zip(&self.spec.cameras) {
            if (image.height, image.width, image.pixels.len()) != (*height, *width, 3 * height * width) {
                return wrong(format!(
                    "an image of {} x {} pixels; camera `{name}` gives {width} x {height}",
                    image.width, image.height
                ));
            }
        }
        for (image, (footage, colors)) in images.iter().zip(&mut self.cameras) {
            footage.push(image, &self.spec).map_err(|error| refused(place, error))?;
            colors.add(&image.pixels);
        }
        self.state.extend(state);
        self.surroundings.extend(surroundings);
        self.action.extend(action);
        self.frames += 1;
        Ok(())
    }

    /// Names of the features of cameras that are kept as videos, and the files; nothing can be added afterwards.
    pub(crate) fn finish_films(&mut self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut films = Vec::new();
        for ((footage, _), (name, ..)) in self.cameras.iter_mut().zip(&self.spec.cameras) {
            if let Footage::Film(film) = footage
                && let Some(film) = film.take()
            {
                let bytes = film.finish().map_err(|error| refused(Path::new("recording"), error))?;
                films.push((format!("{IMAGES}{name}"), bytes));
            }
        }
        Ok(films)
    }

    /// Frames so far.
    pub fn len(&self) -> usize {
        self.frames
    }

    /// Whether there is no frame yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A demonstration that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its frames.
    pub demonstration: Demonstration,
    /// What was to be done, in words.
    pub task: String,
    /// Whether it was.
    pub success: bool,
}
