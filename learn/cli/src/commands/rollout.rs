//! `keiko rollout`: the trajectory of given controls, in MuJoCo's order and conventions.

use anyhow::{Context, bail, ensure};
use keiko_model::RobotModel;
use keiko_world::Field;

use crate::args::Rollout;
use crate::engine::{self, Batch, EngineArgs, columns};
use crate::exit::{Code, CommandResult, OrExit};
use crate::numpy::{Array, Npz, read_npy, write_npz};
use crate::output::Output;
use crate::states::{self, QuaternionOrder};

/// Most numbers of a trajectory \[f64\]: 8 GiB.
const MAX_NUMBERS: usize = 1 << 30;

/// Runs the command.
pub fn run(args: &Rollout, output: &mut Output) -> CommandResult {
    let model = states::load_model(&args.file, args.root.as_deref())?;
    let input = Input::read(args, &model).or_exit(Code::Usage)?;
    let trajectory = roll(&model, &input, &args.engine).or_exit(Code::Scene)?;
    let arrays = [("time", &trajectory.time), ("qpos", &trajectory.qpos), ("qvel", &trajectory.qvel)];
    write_npz(&args.out, &arrays).or_exit(Code::Machine)?;

    output.say(format!(
        "{}: {} environments, {} steps of {} s; {}",
        model.name,
        input.num_envs(),
        input.num_steps(),
        model.options.timestep,
        engine::describe(&trajectory.settings)
    ));
    for what in &trajectory.left_out {
        output.say(format!("left out: {what}"));
    }
    for (env, step) in &trajectory.broken {
        output.say(format!("environment {env} became unusable in step {step}; NaN from there on"));
    }
    output.say(format!("written: {}", args.out.display()));
    output.set("num_envs", input.num_envs());
    output.set("num_steps", input.num_steps());
    output.set("settings", trajectory.settings);
    output.set("left_out", trajectory.left_out);
    output.set("broken", trajectory.broken.len());
    Ok(if trajectory.broken.is_empty() { Code::Done } else { Code::Failed })
}

/// Controls and initial states, one for each environment; quaternions xyzw.
struct Input {
    /// `[N, T, nu]`.
    ctrl: Array,
    /// `[N, nq]`.
    qpos: Array,
    /// `[N, nv]`.
    qvel: Array,
}

impl Input {
    fn read(args: &Rollout, model: &RobotModel) -> anyhow::Result<Self> {
        let name = args.ctrl.display().to_string();
        let mut ctrl = read_npy(&args.ctrl)?;
        let nu = model.actuators.len();
        match ctrl.shape[..] {
            [steps, n] if n == nu => ctrl.shape = vec![1, steps, nu],
            [_, _, n] if n == nu => {}
            _ => bail!("{name}: shape {:?}; {} needs [T, {nu}] or [N, T, {nu}]", ctrl.shape, model.name),
        }
        ensure!(ctrl.shape[0] > 0, "{name}: no environments");
        ctrl.check_finite("ctrl").context(name)?;

        let (mut qpos, mut qvel) = (
            Array::new(&[1, model.num_qpos()], model.reference_qpos()),
            Array::new(&[1, model.num_dofs()], vec![0.0; model.num_dofs()]),
        );
        if let Some(path) = &args.states {
            let mut file = Npz::open(path)?;
            let name = path.display().to_string();
            qpos = file.get("qpos")?;
            states::check_rows(&qpos, "qpos", model.num_qpos(), &model.name).with_context(|| name.clone())?;
            states::check_quaternions(&qpos, model).with_context(|| name.clone())?;
            states::reorder(model, &mut qpos, QuaternionOrder::WxyzToXyzw);
            if let Some(given) = file.find("qvel")? {
                states::check_rows(&given, "qvel", model.num_dofs(), &model.name)
                    .with_context(|| name.clone())?;
                qvel = given;
            }
        }
        let num_envs = common_length(&[
            ("--envs", args.envs.unwrap_or(1)),
            ("ctrl", ctrl.shape[0]),
            ("qpos", qpos.shape[0]),
            ("qvel", qvel.shape[0]),
        ])?;
        let numbers =
            (ctrl.shape[1] + 1).checked_mul(num_envs * (model.num_qpos() + model.num_dofs()).max(1));
        ensure!(
            numbers.is_some_and(|n| n <= MAX_NUMBERS),
            "{num_envs} environments and {} steps are more than {MAX_NUMBERS} numbers",
            ctrl.shape[1]
        );
        let spread = |array| states::repeat(array, num_envs);
        Ok(Self { ctrl: spread(ctrl), qpos: spread(qpos), qvel: spread(qvel) })
    }

    fn num_envs(&self) -> usize {
        self.ctrl.shape[0]
    }

    fn num_steps(&self) -> usize {
        self.ctrl.shape[1]
    }
}

/// The length that all have, where one stands for any.
fn common_length(lengths: &[(&str, usize)]) -> anyhow::Result<usize> {
    let (first, most) = *lengths.iter().max_by_key(|(_, n)| *n).context("no lengths")?;
    match lengths.iter().find(|(_, n)| *n != most && *n != 1) {
        Some((name, n)) => {
            bail!("{n} environments by {name}, {most} by {first}; allowed: the same number, or one")
        }
        None => Ok(most),
    }
}

/// What came out; quaternions wxyz.
struct Trajectory {
    time: Array,
    qpos: Array,
    qvel: Array,
    settings: serde_json::Map<String, serde_json::Value>,
    left_out: Vec<String>,
    /// Environments that became unusable, and in which step.
    broken: Vec<(usize, usize)>,
}

fn roll(model: &RobotModel, input: &Input, engine: &EngineArgs) -> anyhow::Result<Trajectory> {
    let (num_envs, num_steps) = (input.num_envs(), input.num_steps());
    let (nq, nv, nu) = (model.num_qpos(), model.num_dofs(), model.actuators.len());
    let mut batch = Batch::new(model, num_envs, engine, 1)?;
    batch.reset(&vec![true; num_envs], &columns(&input.qpos), &columns(&input.qvel));

    let filled =
        |n| Array::new(&[num_envs, num_steps + 1, n], vec![f64::NAN; num_envs * (num_steps + 1) * n]);
    let (mut qpos, mut qvel) = (filled(nq), filled(nv));
    let mut ctrl = Field::zeros(nu, num_envs);
    let mut broken: Vec<(usize, usize)> = Vec::new();
    for step in 0..=num_steps {
        if step > 0 {
            for env in 0..num_envs {
                let at = (step - 1) * nu;
                ctrl.set_column(env, input.ctrl.row(env)[at..at + nu].iter().map(|u| *u as f32));
            }
            let faults = batch.step(&ctrl);
            for fault in
                faults.iter().filter(|f| broken.iter().all(|(env, _)| *env != f.env)).collect::<Vec<_>>()
            {
                broken.push((fault.env, step));
            }
        }
        for env in (0..num_envs).filter(|env| broken.iter().all(|(b, _)| b != env)) {
            let at = env * (num_steps + 1) + step;
            let copy = |to: &mut Array, from: &Field, n: usize| {
                to.data[at * n..(at + 1) * n]
                    .iter_mut()
                    .zip(from.column(env))
                    .for_each(|(t, f)| *t = f.into());
            };
            copy(&mut qpos, &batch.state.qpos, nq);
            copy(&mut qvel, &batch.state.qvel, nv);
        }
    }
    states::reorder(model, &mut qpos, QuaternionOrder::XyzwToWxyz);
    let time = (0..=num_steps).map(|step| step as f64 * model.options.timestep).collect();
    Ok(Trajectory {
        time: Array::new(&[num_steps + 1], time),
        qpos,
        qvel,
        settings: batch.engine.settings,
        left_out: batch.engine.left_out,
        broken,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stands_for_any() {
        assert_eq!(common_length(&[("a", 1), ("b", 4), ("c", 1)]).unwrap(), 4);
        assert_eq!(common_length(&[("a", 1), ("b", 1)]).unwrap(), 1);
        let error = common_length(&[("a", 2), ("b", 4)]).unwrap_err().to_string();
        assert!(error.contains("2 environments by a, 4 by b"), "{error}");
        assert!(common_length(&[("a", 0), ("b", 4)]).is_err());
    }
}
