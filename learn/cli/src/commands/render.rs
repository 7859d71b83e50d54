//! `keiko render`: what a camera of a scene or of a robot file sees.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{anyhow, bail};
use keiko_camera::{Camera, Channel, Images, Tracer, TracerOptions, standing};
use keiko_env::{EnvOptions, TaskEnv, VecEnv};
use keiko_model::RobotModel;
use keiko_model::error::nearest_name;
use keiko_model::import::{self, ImportOptions};
use keiko_model::task::{TaskSpec, resolve_scene};
use keiko_world::{BatchState, Field};
use serde_json::json;

use super::render_video;
use crate::args::Render;
use crate::exit::{Code, CommandResult, OrExit};
use crate::eyes;
use crate::numpy::{Column, write_columns};
use crate::output::Output;
use crate::{pictures, viewpoint};

/// What is looked at.
struct Subject {
    model: Arc<RobotModel>,
    state: BatchState,
    /// A control step ago, where optical flow is asked for.
    before: Option<BatchState>,
    /// Positions of the first picture `[nq]`.
    qpos: Vec<f64>,
    num_robot_bodies: usize,
    /// The environment, of a scene.
    env: Option<TaskEnv>,
    /// The camera that is meant if none is named.
    camera: Option<String>,
}

impl Subject {
    /// A control step without actions: there is no flow before something has moved.
    fn step(&mut self) -> anyhow::Result<()> {
        let Some(env) = &mut self.env else {
            bail!("--channels flow: a robot file has nothing that moves; name a scene");
        };
        let actions = Field::zeros(env.spec().actions.len(), 1);
        env.step(&actions);
        self.before = Some(std::mem::replace(&mut self.state, env.state().clone()));
        Ok(())
    }
}

/// Runs the command.
pub fn run(args: &Render, output: &mut Output) -> CommandResult {
    if args.out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("mp4")) {
        return render_video::run(args, output);
    }
    let kind = FileKind::of(&args.out).or_exit(Code::Usage)?;
    if args.actions.is_some() || args.policy.is_some() {
        let error = anyhow!("--actions and --policy are of videos: --out with a file that ends in .mp4");
        return Err(error).or_exit(Code::Usage);
    }
    if args.lights && !is_robot_file(&args.what) {
        let error = anyhow!("--lights is of robot files; for a scene: --set robot.lights=true");
        return Err(error).or_exit(Code::Usage);
    }
    let mut subject = match is_robot_file(&args.what) {
        true => robot(args)?,
        false => scene(args)?,
    };
    let (named, meant) = (args.camera.as_deref(), subject.camera.as_deref());
    let camera = viewpoint::choose(&subject.model, &subject.qpos, named, meant, args.size);
    let camera = camera.or_exit(Code::Usage)?;
    let channels = if args.channels.is_empty() { camera.channels.clone() } else { args.channels.clone() };
    if channels.contains(&Channel::Flow) {
        subject.step().or_exit(Code::Usage)?;
    }
    let backend = eyes::backend(args.device).or_exit(Code::Machine)?;
    let options = TracerOptions {
        shadows: !args.no_shadows,
        num_robot_bodies: subject.num_robot_bodies,
        varied: subject.env.as_ref().is_some_and(TaskEnv::looks_vary),
        flow: channels.contains(&Channel::Flow),
        ..TracerOptions::default()
    };
    let shoot = |camera: &Camera, channels: &[Channel]| -> anyhow::Result<Images> {
        let tracer = Tracer::new(&backend, &subject.model, 1, &options)?;
        let group = tracer.group(std::slice::from_ref(camera), channels)?;
        if let Some(before) = &subject.before {
            tracer.pose_before(before)?;
        }
        if let Some(env) = &subject.env {
            eyes::dress(&tracer, &group, camera, env)?;
        }
        tracer.pose(&subject.state);
        tracer.render(&group);
        Ok(tracer.read(&group)?)
    };
    let written = match kind {
        FileKind::Npz => {
            let images = shoot(&camera, &channels).or_exit(Code::Machine)?;
            write_columns(&args.out, &columns(&images)).or_exit(Code::Machine)?;
            vec![args.out.clone()]
        }
        FileKind::Png => {
            let mut written = Vec::new();
            for channel in &channels {
                // Four rays for each pixel of a picture for people.
                let smooth = matches!(channel, Channel::Rgb | Channel::RgbFloat | Channel::Radiance);
                let large = camera.clone().resized(camera.size.map(|n| 2 * n));
                let images = match smooth {
                    true => shoot(&large, &[Channel::Rgb]),
                    false => shoot(&camera, &[*channel]),
                }
                .or_exit(Code::Machine)?;
                let path = picture_path(&args.out, *channel, channels.len());
                pictures::write(&path, &images).or_exit(Code::Machine)?;
                written.push(path);
            }
            written
        }
    };
    let renderer = backend.name();
    let [width, height] = camera.size;
    output.say(format!("camera `{}`, {width} x {height}, on {renderer}", camera.name));
    for path in &written {
        output.say(format!("wrote {}", path.display()));
    }
    output.set("camera", camera.name);
    output.set("size", json!(camera.size));
    output.set("renderer", renderer);
    output.set("files", json!(written));
    Ok(Code::Done)
}

/// What is written.
#[derive(Clone, Copy)]
enum FileKind {
    Png,
    Npz,
}

impl FileKind {
    fn of(path: &Path) -> anyhow::Result<Self> {
        match path.extension().map(|e| e.to_string_lossy().to_lowercase()).as_deref() {
            Some("png") => Ok(Self::Png),
            Some("npz") => Ok(Self::Npz),
            _ => bail!("--out {}: a file that ends in .png, .npz or .mp4 is expected", path.display()),
        }
    }
}

/// Whether a robot file is meant rather than a scene.
pub fn is_robot_file(what: &str) -> bool {
    let extension = Path::new(what).extension().map(|e| e.to_string_lossy().to_lowercase());
    matches!(extension.as_deref(), Some("xml" | "urdf"))
}

/// The robot of a file at its first keyframe, or at its reference pose.
fn robot(args: &Render) -> CommandResult<Subject> {
    let options = ImportOptions { root: args.root.clone(), ..ImportOptions::default() };
    let mut model = import::load(Path::new(&args.what), &options)?.model;
    if args.lights {
        model.shine_as_file();
    }
    let qpos = model.keyframes.first().map_or_else(|| model.reference_qpos(), |key| key.qpos.clone());
    let state = standing(&model, std::slice::from_ref(&qpos));
    Ok(Subject {
        model: Arc::new(model),
        state,
        before: None,
        qpos,
        num_robot_bodies: usize::MAX,
        env: None,
        camera: None,
    })
}

/// An environment of a scene at the start of its first episode.
fn scene(args: &Render) -> CommandResult<Subject> {
    let file = resolve_scene(&args.what)?;
    let task = TaskSpec::load(&file, &args.overrides)?;
    let first_env = u32::try_from(args.env).or_exit(Code::Usage)?;
    let options = EnvOptions { num_envs: 1, seed: args.seed, first_env, ..EnvOptions::default() };
    let env = TaskEnv::new(&task, &options)?;
    let scene = env.scene();
    Ok(Subject {
        model: Arc::new(scene.model.clone()),
        qpos: env.state().qpos.column(0).map(f64::from).collect(),
        state: env.state().clone(),
        before: None,
        num_robot_bodies: scene.num_robot_bodies,
        camera: task.cameras.first().map(|camera| camera.name.clone()),
        env: Some(env),
    })
}

/// `picture.png`, or `picture.depth.png` where there are several.
fn picture_path(out: &Path, channel: Channel, count: usize) -> PathBuf {
    if count == 1 { out.to_owned() } else { out.with_extension(format!("{}.png", channel.name())) }
}

/// Arrays `[channels, height, width]`; colour of 8 bits as `[height, width, 3]`, as image libraries have it.
fn columns(images: &Images) -> Vec<Column> {
    let [width, height] = images.size.map(|n| n as usize);
    images
        .channels()
        .map(|channel| {
            let name = channel.name().to_owned();
            let bits = images.bits(channel).unwrap_or_default();
            if let (Channel::Rgb, Some(rgba)) = (channel, images.rgb()) {
                let bytes = rgba.as_chunks::<4>().0.iter().flat_map(|p| [p[0], p[1], p[2]]).collect();
                return Column { name, of: "|u1", shape: vec![height, width, 3], bytes };
            }
            let of = if images.ids(channel).is_some() { "<i4" } else { "<f4" };
            let bytes = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
            let mut shape = vec![height, width];
            if channel.count() > 1 {
                shape.insert(0, channel.count());
            }
            Column { name, of, shape, bytes }
        })
        .collect()
}

/// Reads `640x480`.
pub fn parse_size(text: &str) -> Result<[u32; 2], String> {
    const MOST: u32 = 8192;
    let side = |text: &str| text.parse().ok().filter(|n| (1..=MOST).contains(n));
    text.split_once('x')
        .and_then(|(width, height)| Some([side(width)?, side(height)?]))
        .ok_or_else(|| format!("WIDTHxHEIGHT is expected, each from 1 to {MOST}"))
}

/// Reads the name of a channel.
pub fn parse_channel(text: &str) -> Result<Channel, String> {
    let names = || Channel::ALL.into_iter().map(Channel::name);
    Channel::ALL.into_iter().find(|channel| channel.name() == text).ok_or_else(|| {
        let hint = nearest_name(text, names()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        format!("there are {}{hint}", names().collect::<Vec<_>>().join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_channels_are_read_or_refused() {
        assert_eq!(parse_size("640x480"), Ok([640, 480]));
        for wrong in ["640", "640x", "0x480", "640x-1", "640x480x3", "9999x10"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_channel("depth"), Ok(Channel::Depth));
        assert!(parse_channel("depht").is_err_and(|error| error.contains("did you mean `depth`?")));
    }

    #[test]
    fn several_channels_get_a_file_each() {
        let path = |count| picture_path(Path::new("a/b.png"), Channel::Depth, count);
        assert_eq!((path(1), path(2)), (PathBuf::from("a/b.png"), PathBuf::from("a/b.depth.png")));
    }
}
