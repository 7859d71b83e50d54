//! An environment as a video in real time: one frame before every action.

use std::path::Path;

use keiko_camera::{Camera, CameraGroup, Channel, Tracer, TracerOptions, halved};
use keiko_env::{Field, TaskEnv, VecEnv};
use keiko_model::task::TaskSpec;
use keiko_video::{VideoError, VideoWriter};
use keiko_world::BatchState;

use super::actor::Actor;
use crate::args::DeviceArg;
use crate::exit::{Code, CommandResult, Failure, OrExit};
use crate::eyes;
use crate::viewpoint::{self, OVERVIEW};

/// Height that the images of a scene's camera are brought to, by a whole number \[pixel\]: most are made for networks.
const HEIGHT: u32 = 240;
/// Images of an overview, where nobody gave a size \[pixel\]: a film has hundreds of them.
const OVERVIEW_SIZE: [u32; 2] = [320, 240];
/// The robot's first body: what the overview follows.
const BASE: usize = 1;

/// How it is filmed.
#[derive(Clone, Copy, Debug, Default)]
pub struct FilmOptions<'a> {
    /// Camera of the scene or of its robot file, or `overview`; the scene's first by default, else `overview`.
    pub camera: Option<&'a str>,
    /// Size of the images; by default the camera's own, times a whole number where it is low.
    pub size: Option<[u32; 2]>,
    /// Leaves out the sun's shadows.
    pub no_shadows: bool,
    /// Where it is traced.
    pub device: DeviceArg,
}

/// A camera at work on an environment alone.
pub struct Film {
    tracer: Tracer,
    group: CameraGroup,
    video: VideoWriter,
    /// Where the robot was when the filming began, if the camera follows it \[m\].
    started_at: Option<[f32; 2]>,
    /// From where.
    pub camera: Camera,
    /// Who renders.
    pub renderer: String,
}

impl Film {
    /// Opens the camera and the file.
    ///
    /// # Errors
    /// There is no such camera, no such size of videos, a GPU was asked for that is not there, or the file cannot be written.
    pub fn create(
        path: &Path,
        task: &TaskSpec,
        env: &TaskEnv,
        options: FilmOptions<'_>,
    ) -> CommandResult<Self> {
        let scene = env.scene();
        let qpos: Vec<f64> = env.state().qpos.column(0).map(f64::from).collect();
        let first = task.cameras.first().map(|camera| camera.name.as_str());
        let is_overview = options.camera.or(first).unwrap_or(OVERVIEW) == OVERVIEW;
        let size = options.size.or(is_overview.then_some(OVERVIEW_SIZE));
        let camera = viewpoint::choose(&scene.model, &qpos, options.camera, first, size);
        let camera = camera.or_exit(Code::Usage)?;
        let camera = if options.size.is_some() { camera } else { enlarged(camera) };
        let video = VideoWriter::create(path, camera.size, 1.0 / env.spec().control_dt)?;
        let backend = eyes::backend(options.device).or_exit(Code::Machine)?;
        let tracing = TracerOptions { shadows: !options.no_shadows, ..eyes::options_of(env) };
        let tracer = Tracer::new(&backend, &scene.model, 1, &tracing).or_exit(Code::Machine)?;
        // Four rays for each pixel, as in pictures for people.
        let large = camera.clone().resized(camera.size.map(|side| 2 * side));
        let group = tracer.group(&[large], &[Channel::Rgb]).or_exit(Code::Machine)?;
        let started_at = (camera.name == OVERVIEW).then(|| base(env.state()));
        Ok(Self { tracer, group, video, started_at, camera, renderer: backend.name() })
    }

    /// A frame of where things are now.
    ///
    /// # Errors
    /// The device or the disk fails.
    pub fn frame(&mut self, env: &TaskEnv) -> CommandResult<()> {
        let large = self.camera.clone().resized(self.camera.size.map(|side| 2 * side));
        eyes::dress(&self.tracer, &self.group, &large, env).or_exit(Code::Machine)?;
        match self.started_at {
            Some(start) => self.tracer.pose(&moved(env.state(), start)),
            None => self.tracer.pose(env.state()),
        }
        self.tracer.render(&self.group);
        let images = self.tracer.read(&self.group).or_exit(Code::Machine)?;
        let [width, height] = self.camera.size.map(|side| side as usize);
        let pixels = halved(images.rgb().unwrap_or_default(), width, height);
        Ok(self.video.push(pixels.as_flattened())?)
    }

    /// Films until the episode ends.
    ///
    /// # Errors
    /// As [`Film::frame`]; the environment fails.
    pub fn episode(&mut self, env: &mut TaskEnv, actor: &mut Actor) -> CommandResult<()> {
        let mut actions = Field::zeros(env.spec().actions.len(), 1);
        loop {
            self.frame(env)?;
            actor.act(env, &mut actions);
            env.step(&actions);
            if let Some(failure) = env.failure() {
                return Err(anyhow::anyhow!("{failure}")).or_exit(Code::Machine);
            }
            if !env.output().episodes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Ends the video; the number of its frames.
    ///
    /// # Errors
    /// The disk fails.
    pub fn finish(self) -> CommandResult<u64> {
        let frames = self.video.num_frames();
        self.video.finish()?;
        Ok(frames)
    }
}

impl From<VideoError> for Failure {
    fn from(error: VideoError) -> Self {
        let code = match error {
            VideoError::Size(_) | VideoError::Rate(_) => Code::Usage,
            _ => Code::Machine,
        };
        Self { code, error: error.into() }
    }
}

/// The same view with at least [`HEIGHT`] rows of even numbers of pixels.
fn enlarged(camera: Camera) -> Camera {
    let mut times = HEIGHT.div_ceil(camera.size[1]);
    if camera.size.iter().any(|side| !(side * times).is_multiple_of(2)) {
        times += 1;
    }
    let size = camera.size.map(|side| side * times);
    camera.resized(size)
}

/// Where the robot stands.
fn base(state: &BatchState) -> [f32; 2] {
    let has_robot = state.body_position.num_rows() > 3 * BASE;
    [0, 1].map(|k| if has_robot { state.body_position.get(3 * BASE + k, 0) } else { 0.0 })
}

/// The state with the whole world, ground included, moved so that the robot stands at `start`: what a camera sees that
/// keeps its distance to the robot.
fn moved(state: &BatchState, start: [f32; 2]) -> BatchState {
    let mut state = state.clone();
    let now = base(&state);
    for row in 0..state.body_position.num_rows() {
        if let k @ 0..2 = row % 3 {
            let position = state.body_position.get(row, 0);
            state.body_position.set(row, 0, position - (now[k] - start[k]));
        }
    }
    state
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that lacks what it needs should fail where it stands")]
mod tests {
    use keiko_model::Pose;
    use keiko_model::import::{self, ImportOptions};

    use super::*;

    #[test]
    fn low_images_are_brought_up_to_even_sizes() {
        let size = |size| enlarged(Camera::new("c", 0, Pose::IDENTITY, size, 0.8)).size;
        assert_eq!(size([96, 48]), [480, 240]);
        assert_eq!(size([96, 96]), [288, 288]);
        assert_eq!(size([640, 480]), [640, 480]);
        // Three times would be odd.
        assert_eq!(size([101, 81]), [404, 324]);
        assert_eq!(size([321, 241]), [642, 482]);
    }

    #[test]
    fn a_camera_that_follows_sees_the_world_pass_by() {
        let robot = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/robots/quadruped/quadruped.xml");
        let model = import::load(robot.as_ref(), &ImportOptions::default()).unwrap().model;
        let mut state = BatchState::new(&model, 1);
        let foot = 3 * (model.bodies.len() - 1);
        for (row, value) in [(3, 5.0), (4, -2.0), (5, 0.75), (foot, 5.25), (foot + 1, -2.5), (foot + 2, 0.5)]
        {
            state.body_position.set(row, 0, value);
        }
        let seen = moved(&state, [1.0, 1.0]);
        let at = |row: usize| [0, 1, 2].map(|k| seen.body_position.get(row + k, 0));
        assert_eq!((at(0), at(3), at(foot)), ([-4.0, 3.0, 0.0], [1.0, 1.0, 0.75], [1.25, 0.5, 0.5]));
    }
}
