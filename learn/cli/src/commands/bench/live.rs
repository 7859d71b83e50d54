//! `keiko bench live`: what it costs a batch that one of its environments is looked at, as a share of its CPU time.
//!
//! One batch steps in slices that take turns: nobody looks, a viewer looks. The viewer is a process of its own, which takes every
//! frame and asks for another environment after each; what it computes itself is not the batch's cost. All threads of this
//! process count, that of the socket too.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cpu_time::ProcessTime;
use keiko_env::{EnvOptions, Field, TaskEnv, VecEnv};
use keiko_model::compose::Scene;
use keiko_model::task::{TaskSpec, resolve_scene};
use keiko_viewer::live::{Guest, Host, Watched};
use serde_json::{Map, json};

use crate::args::BenchLive;
use crate::commands::random_actions::RandomActions;
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// Different actions, taken in turn: drawing them is not what is measured.
const ACTIONS: usize = 16;
/// Control steps before the measurement.
const WARM_UP: usize = 50;
/// Control steps before each slice.
const SETTLE: usize = 10;
/// Time in which the host has noticed that a viewer has gone.
const PARTING: Duration = Duration::from_millis(200);
/// Longest that a viewer takes to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a window does after it was drawn.
const REST: Duration = Duration::from_millis(2);

/// Runs the command.
pub fn run(args: &BenchLive, output: &mut Output) -> CommandResult {
    if let Some(socket) = &args.look {
        return look(socket).map(|()| Code::Done).or_exit(Code::Machine);
    }
    let mut figures = Map::new();
    for scene in &args.scenes {
        let task = TaskSpec::load(&resolve_scene(scene)?, &[])?;
        for (metric, value) in measure(&task, args).or_exit(Code::Machine)? {
            let key = format!("{}.{metric}", task.name);
            output.say(format!("{key} {value:.6}"));
            figures.insert(key, json!(value));
        }
    }
    output.set("figures", figures);
    Ok(Code::Done)
}

fn measure(task: &TaskSpec, args: &BenchLive) -> anyhow::Result<Vec<(&'static str, f64)>> {
    // Threads that wait for each other would be counted as work.
    let options = EnvOptions { num_envs: args.envs, threads: Some(1), ..EnvOptions::default() };
    let socket = std::env::temp_dir().join(format!("keiko-bench-live-{}", std::process::id()));
    let mut host = Host::open(&socket)?;
    let env = host.show(TaskEnv::new(task, &options)?, task)?;
    let mut random = RandomActions::new(1, env.spec().actions.len(), args.envs);
    let actions = (0..ACTIONS).map(|_| random.next().clone()).collect();
    let mut batch = Batch { env, actions, steps: 0 };
    batch.run(WARM_UP);
    let (mut costs, mut sums, mut frames) = (Vec::new(), [0.0; 2], 0);
    for pair in 0..args.slices {
        // What comes first in one pair comes last in the next: what drifts costs neither more than the other.
        let mut cpu = [0.0; 2];
        for watched in [pair % 2 == 1, pair % 2 == 0] {
            let viewer = if watched { Some(batch.meet(&socket)?) } else { None };
            batch.run(SETTLE);
            let before = batch.env.num_frames();
            cpu[usize::from(watched)] = batch.slice(args.seconds);
            frames += batch.env.num_frames() - before;
            drop(viewer);
            batch.part();
        }
        costs.push(cpu[1] / cpu[0] - 1.0);
        sums = [sums[0] + cpu[0], sums[1] + cpu[1]];
    }
    let count = costs.len() as f64;
    let mean = costs.iter().sum::<f64>() / count;
    let variance = costs.iter().map(|cost| (cost - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    let env_steps = args.envs as f64 * count;
    Ok(vec![
        ("microseconds_per_env_step_alone", 1e6 * sums[0] / env_steps),
        ("microseconds_per_env_step_watched", 1e6 * sums[1] / env_steps),
        ("frames_seen", frames as f64),
        ("cost_percent", 100.0 * mean),
        ("cost_standard_error_percent", 100.0 * (variance / count).sqrt()),
    ])
}

/// Environments that step under actions in turn.
struct Batch {
    env: Watched,
    actions: Vec<Field>,
    steps: usize,
}

impl Batch {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.env.step(&self.actions[self.steps % ACTIONS]);
            self.steps += 1;
        }
    }

    /// Steps until a viewer that is started sees something.
    fn meet(&mut self, socket: &Path) -> anyhow::Result<Viewer> {
        let (viewer, before) = (Viewer::start(socket)?, self.env.num_frames());
        let until = Instant::now() + PATIENCE;
        while self.env.num_frames() == before {
            ensure!(Instant::now() < until, "the viewer does not come");
            self.run(1);
        }
        Ok(viewer)
    }

    /// Steps until the host has noticed that the viewer has gone.
    fn part(&mut self) {
        let until = Instant::now() + PARTING;
        while Instant::now() < until {
            self.run(1);
        }
    }

    /// CPU time of a control step \[s\].
    fn slice(&mut self, seconds: f64) -> f64 {
        let (start, first) = (ProcessTime::now(), self.steps);
        loop {
            self.run(1);
            let cpu = start.elapsed().as_secs_f64();
            if cpu >= seconds {
                return cpu / (self.steps - first) as f64;
            }
        }
    }
}

/// The process that looks.
struct Viewer(Child);

impl Viewer {
    fn start(socket: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let mut command = Command::new(program);
        command.args(["bench", "live", "--look"]).arg(socket).stdin(Stdio::null());
        Ok(Self(command.spawn().context("the viewer does not start")?))
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // One that has stopped already is left alone.
        let _ = self.stop();
    }
}

/// Looks at one environment after the other until the run ends.
fn look(socket: &Path) -> anyhow::Result<()> {
    let (mut guest, hello) = Guest::attach(socket)?;
    let task = TaskSpec::parse(&hello.scene, &socket.with_extension("scene.toml"), &[])?;
    let (scene, _) = Scene::load(&task)?;
    guest.begin(scene.model.into(), &hello)?;
    let mut env = 0;
    guest.ask(env);
    loop {
        if let Some(frame) = guest.take() {
            env = (frame.env + 1) % hello.spec.num_envs;
            guest.ask(env);
        }
        if let Some(end) = guest.end() {
            anyhow::bail!(end);
        }
        std::thread::sleep(REST);
    }
}
