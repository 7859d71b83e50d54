//! `keiko bench cameras`: images per CPU-second and per second, of robot files with the meshes that they show.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, anyhow};
use cpu_time::ProcessTime;
use glam::DQuat;
use keiko_camera::{Backend, Camera, Channel, Tracer, TracerOptions, overview, standing};
use keiko_gpu::{Gpu, GpuError};
use keiko_model::RobotModel;
use keiko_model::import::{self, ImportOptions};
use keiko_world::rng::EnvRng;
use serde_json::{Map, json};

use super::models;
use crate::args::{BenchCameras, DeviceArg};
use crate::exit::{Code, CommandResult, OrExit};
use crate::numpy::Array;
use crate::output::Output;
use crate::states::{QuaternionOrder, reorder};

/// What an image holds.
const CHANNELS: [Channel; 2] = [Channel::Rgb, Channel::Depth];
/// How far joints are from the pose of the file, so that no two environments show the same \[rad or m\].
const SPREAD: f64 = 0.1;
/// Images before the clock starts: the first compile a GPU's kernel.
const WARM_UP: usize = 2;
/// Stream number of the joint offsets.
const STREAM: u32 = 0xCA3E;

/// Runs the command.
pub fn run(args: &BenchCameras, output: &mut Output) -> CommandResult {
    let names = if args.models.is_empty() { vec!["panda".to_owned()] } else { args.models.clone() };
    let scenes = models::find(&names, args.peer_args.assets.as_deref()).or_exit(Code::Usage)?;
    let tracers = tracers(args.device).or_exit(Code::Machine)?;
    output.say(format!("rgb and depth, {} environments", args.envs));
    for (name, backend) in &tracers {
        output.say(format!("{name}: {}", backend.name()));
    }
    let mut figures = Map::new();
    for scene in scenes {
        let options = ImportOptions { root: scene.root.clone(), ..ImportOptions::default() };
        let model = import::load(&scene.file, &options)?.model;
        for size in &args.sizes {
            for shadows in [false, true] {
                let [width, height] = *size;
                let light = if shadows { "_shadows" } else { "" };
                let name = format!("{}_{width}x{height}{light}", scene.name);
                let views = Views::new(&model, *size, args.envs);
                let peer = match args.peer {
                    Some(_) => {
                        Some(ask_peer(&scene.file, &model, &views, shadows, args).or_exit(Code::Machine)?)
                    }
                    None => None,
                };
                let mut measured: Vec<(String, f64)> =
                    peer.iter().map(|peer| ("peer_images_per_cpu_second".to_owned(), *peer)).collect();
                for (tracer, backend) in &tracers {
                    let speed = measure(backend, &model, &views, shadows, args).or_exit(Code::Machine)?;
                    measured.push((format!("{tracer}_images_per_cpu_second"), speed.per_cpu_second));
                    measured.push((format!("{tracer}_images_per_second"), speed.per_second));
                    let ratio = peer.map(|peer| speed.per_cpu_second / peer);
                    measured.extend(ratio.map(|ratio| (format!("{tracer}_over_peer"), ratio)));
                }
                for (metric, value) in measured {
                    output.say(format!("{name}.{metric} {value:.3}"));
                    figures.insert(format!("{name}.{metric}"), json!(value));
                }
            }
        }
    }
    let names: Map<_, _> =
        tracers.iter().map(|(name, backend)| ((*name).to_owned(), json!(backend.name()))).collect();
    output.set("tracers", names);
    output.set("figures", figures);
    Ok(Code::Done)
}

/// What is measured: all that the machine has, unless one was asked for.
fn tracers(device: DeviceArg) -> Result<Vec<(&'static str, Backend)>, GpuError> {
    let cpu = ("cpu", Backend::Cpu);
    Ok(match device {
        DeviceArg::Cpu => vec![cpu],
        DeviceArg::Gpu => vec![("gpu", Backend::Gpu(Gpu::open()?))],
        DeviceArg::Auto => match Gpu::open() {
            Ok(gpu) => vec![cpu, ("gpu", Backend::Gpu(gpu))],
            Err(GpuError::NoAdapter) => vec![cpu],
            Err(error) => return Err(error),
        },
    })
}

/// What is rendered: one camera, and joint positions that differ from environment to environment.
struct Views {
    camera: Camera,
    positions: Vec<Vec<f64>>,
}

impl Views {
    fn new(model: &RobotModel, size: [u32; 2], num_envs: usize) -> Self {
        let home = model.keyframes.first().map_or_else(|| model.reference_qpos(), |key| key.qpos.clone());
        let near_home = |env| {
            let mut rng = EnvRng::new(1, env, 0, STREAM);
            let mut qpos = home.clone();
            for joint in model.joints.iter().filter(|joint| joint.kind.num_dofs() == 1) {
                qpos[joint.qpos_index] += rng.uniform(-SPREAD, SPREAD);
            }
            qpos
        };
        Self {
            camera: overview(model, &home, size),
            positions: (0..num_envs as u32).map(near_home).collect(),
        }
    }
}

/// How fast a tracer is.
struct Speed {
    per_cpu_second: f64,
    per_second: f64,
}

/// Poses, renders and reads back until the CPU time is used up.
fn measure(
    backend: &Backend,
    model: &RobotModel,
    views: &Views,
    shadows: bool,
    args: &BenchCameras,
) -> anyhow::Result<Speed> {
    let state = standing(model, &views.positions);
    let options = TracerOptions { shadows, ..TracerOptions::default() };
    let tracer = Tracer::new(backend, model, args.envs, &options)?;
    let group = tracer.group(std::slice::from_ref(&views.camera), &CHANNELS)?;
    let once = || {
        tracer.pose(&state);
        tracer.render(&group);
        tracer.read(&group)
    };
    for _ in 0..WARM_UP {
        once()?;
    }
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let mut images = 0.0;
    while cpu.elapsed().as_secs_f64() < args.seconds && wall.elapsed().as_secs_f64() < 10.0 * args.seconds {
        once()?;
        images += args.envs as f64;
    }
    let (cpu, wall) = (cpu.elapsed().as_secs_f64(), wall.elapsed().as_secs_f64());
    Ok(Speed { per_cpu_second: images / cpu, per_second: images / wall })
}

/// Images per CPU-second of the peer: the same file, camera, positions and image, in a process of its own.
fn ask_peer(
    file: &Path,
    model: &RobotModel,
    views: &Views,
    shadows: bool,
    args: &BenchCameras,
) -> anyhow::Result<f64> {
    let mut positions = Array::new(&[args.envs, model.num_qpos()], views.positions.concat());
    reorder(model, &mut positions, QuaternionOrder::XyzwToWxyz);
    let rows: Vec<&[f64]> = (0..args.envs).map(|env| positions.row(env)).collect();
    // MuJoCo's cameras have y upwards and look along -z; its quaternions begin with the scalar part.
    let rotation = views.camera.pose.rotation * DQuat::from_rotation_x(std::f64::consts::PI);
    let question = json!({
        "file": std::path::absolute(file)?,
        "position": views.camera.pose.position.to_array(),
        "rotation": [rotation.w, rotation.x, rotation.y, rotation.z],
        "fov_y": views.camera.fov_y().to_degrees(),
        "size": views.camera.size,
        "positions": rows,
        "shadows": shadows,
        "seconds": args.seconds,
    });
    let python = &args.peer_args.python;
    let hint = || {
        let python = python.display();
        format!(
            "{python}: a Python with `mujoco_warp` is needed (`pip install mujoco-warp==4.0.0`); name it with --python PATH"
        )
    };
    let mut child = Command::new(python)
        .args(["-c", include_str!("cameras_peer.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(hint)?;
    let mut stdin = child.stdin.take().context("a child without pipes")?;
    // A child that ends early closes the pipe; what it said matters more than the write that failed.
    let _ = stdin.write_all(question.to_string().as_bytes());
    drop(stdin);
    let said = child.wait_with_output()?;
    let (out, errors) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    let answer: Option<serde_json::Value> = out.lines().last().and_then(|l| serde_json::from_str(l).ok());
    answer
        .and_then(|answer| answer["images_per_cpu_second"].as_f64())
        .ok_or_else(|| {
            anyhow!("the peer gave no figure: {}", errors.lines().last().unwrap_or("nothing said"))
        })
        .with_context(hint)
}
