//! The tasks that have Gymnasium's names, against Gymnasium: observations, rewards and ends of the same states, and
//! robot files that move alike.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use keiko_env::{TaskEnv, VecEnv};
use keiko_testkit as testkit;
use keiko_world::Field;
use serde_json::{Value, json};

use crate::common::{actions, env, options, repository};

/// `f32` terms against Gymnasium's `f64`, for numbers of order one.
const TOLERANCE: f64 = 1e-5;
/// Our robot files against Gymnasium's in MuJoCo, relative: lengths are written with eight digits.
const SAME_ROBOT: f64 = 1e-6;

struct Task {
    scene: &'static str,
    id: &'static str,
    ours: &'static str,
    theirs: &'static str,
    /// Names of the reward terms: ours and Gymnasium's.
    rewards: &'static [(&'static str, &'static str)],
    /// Changes of the scene that bring states in which the task ends.
    ends: &'static [&'static str],
}

const TASKS: [Task; 3] = [
    Task {
        scene: "ant",
        id: "Ant-v5",
        ours: "ant/ant.xml",
        theirs: "ant.xml",
        rewards: &[
            ("forward", "reward_forward"),
            ("healthy", "reward_survive"),
            ("control", "reward_ctrl"),
            ("contact", "reward_contact"),
        ],
        ends: &["randomize.height={ term = \"base_pose\", z = [-0.7, 0.7], yaw = [-3.0, 3.0] }"],
    },
    Task {
        scene: "half-cheetah",
        id: "HalfCheetah-v5",
        ours: "half-cheetah/half-cheetah.xml",
        theirs: "half_cheetah.xml",
        rewards: &[("forward", "reward_forward"), ("control", "reward_ctrl")],
        ends: &[],
    },
    Task {
        scene: "inverted-pendulum",
        id: "InvertedPendulum-v5",
        ours: "inverted-pendulum/inverted-pendulum.xml",
        theirs: "inverted_pendulum.xml",
        rewards: &[("alive", "reward_survive")],
        ends: &["randomize.lean={ term = \"joint_position\", joints = [\"hinge\"], offset = [-0.15, 0.15] }"],
    },
];

impl Task {
    /// Our robot file and Gymnasium's.
    fn files(&self) -> Option<[PathBuf; 2]> {
        let wheel = testkit::available(testkit::wheel("gymnasium"))?;
        let ours =
            repository().join("assets/robots").join(self.ours).canonicalize().expect("it is committed");
        Some([ours, wheel.join("gymnasium/envs/mujoco/assets").join(self.theirs)])
    }
}

/// All that a step is judged by, in MuJoCo's order: an observation group beside the task's own.
const STATE: &str = "observe.state={ q = { term = \"qpos\", quaternions = \"wxyz\" }, v = { term = \"qvel\" }, \
                     forces = { term = \"contact_force\", bodies = [\"*\"] } }";

fn build(task: &Task, file: &Path, changes: &[&str], num_envs: usize) -> TaskEnv {
    let file = format!("robot.file={:?}", file.display().to_string());
    let overrides: Vec<&str> = [file.as_str(), STATE].into_iter().chain(changes.iter().copied()).collect();
    env(task.scene, &overrides, &options(num_envs, 3))
}

/// One environment's step as keiko saw it.
struct Seen {
    env: usize,
    question: Value,
    observation: Vec<f64>,
    reward: f64,
    terminated: bool,
    /// The sums over the episode that ended with the step, by name.
    sums: Option<HashMap<String, f64>>,
}

fn column(field: &Field, env: usize) -> Vec<f64> {
    field.column(env).map(f64::from).collect()
}

fn roll(env: &mut TaskEnv, steps: usize) -> Vec<Seen> {
    let (nq, nv) = (env.state().qpos.num_rows(), env.state().qvel.num_rows());
    let spec = env.spec().clone();
    let index = |name: &str| spec.observations.iter().position(|group| group.name == name).expect("a group");
    let (policy, state) = (index("policy"), index("state"));
    let split = |all: &[f64]| json!({ "qpos": all[..nq], "qvel": all[nq..nq + nv] });
    let mut seen = Vec::new();
    for step in 0..steps {
        let before = env.output().observations[state].clone();
        let action = actions(env, step, 0);
        env.step(&action);
        let output = env.output();
        for i in 0..spec.num_envs {
            let after = column(&output.final_observations[state], i);
            let ended = output.episodes.iter().find(|end| end.env == i);
            seen.push(Seen {
                env: i,
                question: json!({
                    "before": split(&column(&before, i)),
                    "after": split(&after),
                    "forces": after[nq + nv..],
                    "action": column(&action, i),
                }),
                observation: column(&output.final_observations[policy], i),
                reward: f64::from(output.reward[i]),
                terminated: output.terminated[i],
                sums: ended
                    .map(|end| spec.rewards.iter().cloned().zip(end.reward_sums.iter().copied()).collect()),
            });
        }
    }
    assert_eq!(env.num_faults(), 0);
    seen
}

/// Steps a task and compares each step with what Gymnasium makes of its two states.
fn compare(task: &Task, file: &Path) {
    const NUM_ENVS: usize = 8;
    let what = format!("{} on {}", task.scene, file.display());
    let changes: Vec<&str> = task.ends.iter().copied().chain(["episode.seconds=1.0"]).collect();
    let seen = roll(&mut build(task, file, &changes, NUM_ENVS), 60);
    let transitions: Vec<&Value> = seen.iter().map(|step| &step.question).collect();
    let question = json!({ "id": task.id, "file": file.display().to_string(), "transitions": transitions });
    let Some(answer) = testkit::available(testkit::ask_python(include_str!("gymnasium.py"), &question))
    else {
        return;
    };
    let answers = answer["answers"].as_array().expect("answers");
    assert_eq!(answers.len(), seen.len());

    let mut sums: Vec<HashMap<&str, f64>> = vec![HashMap::new(); NUM_ENVS];
    let (mut ends, mut forces) = (0, 0.0_f64);
    for (at, (step, theirs)) in seen.iter().zip(answers).enumerate() {
        let what = format!("{what}, step {}, environment {}", at / NUM_ENVS, step.env);
        let observation: Vec<f64> = numbers(&theirs["observation"]);
        forces = forces.max(numbers(&step.question["forces"]).iter().fold(0.0, |max, f| max.max(f.abs())));
        testkit::assert_all_close(
            &step.observation,
            &observation,
            TOLERANCE,
            &format!("{what}: observation"),
        );
        testkit::assert_close(step.reward, number(&theirs["reward"]), TOLERANCE, &format!("{what}: reward"));
        assert_eq!(theirs["terminated"], json!(step.terminated), "{what}: terminated");
        ends += usize::from(step.terminated);
        for (_, key) in task.rewards {
            *sums[step.env].entry(key).or_default() += number(&theirs["terms"][key]);
        }
        if let Some(ours) = &step.sums {
            for (name, key) in task.rewards {
                let tolerance = TOLERANCE * 25.0;
                testkit::assert_close(
                    ours[*name],
                    sums[step.env][key],
                    tolerance,
                    &format!("{what}: {name}"),
                );
            }
            sums[step.env].clear();
        }
    }
    assert!(seen.iter().any(|step| step.sums.is_some()), "{what}: no episode ended");
    assert_eq!(ends > 0, !task.ends.is_empty(), "{what}: {ends} terminations");
    assert_eq!(
        forces > 1.0,
        task.scene == "ant" || task.scene == "half-cheetah",
        "{what}: forces to {forces}"
    );
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap_or_else(|| panic!("{value} is not a list")).iter().map(number).collect()
}

#[test]
fn ant_sees_earns_and_ends_as_gymnasiums() {
    let Some(files) = TASKS[0].files() else { return };
    files.iter().for_each(|file| compare(&TASKS[0], file));
}

#[test]
fn half_cheetah_sees_earns_and_ends_as_gymnasiums() {
    let Some(files) = TASKS[1].files() else { return };
    files.iter().for_each(|file| compare(&TASKS[1], file));
}

#[test]
fn inverted_pendulum_sees_earns_and_ends_as_gymnasiums() {
    let Some(files) = TASKS[2].files() else { return };
    files.iter().for_each(|file| compare(&TASKS[2], file));
}

const STILL: [&str; 2] =
    ["randomize.start_positions={ term = \"qpos\" }", "randomize.start_velocities={ term = \"qvel\" }"];

#[test]
fn episodes_start_and_last_as_gymnasiums() {
    for task in &TASKS {
        let Some(files) = task.files() else { return };
        for file in &files {
            let what = format!("{} on {}", task.scene, file.display());
            let question = json!({ "id": task.id, "file": file.display().to_string(), "transitions": [] });
            let Some(answer) =
                testkit::available(testkit::ask_python(include_str!("gymnasium.py"), &question))
            else {
                return;
            };
            let env = build(task, file, &STILL, 1);
            testkit::assert_close(env.spec().control_dt, number(&answer["dt"]), 1e-12, &what);
            assert_eq!(json!(env.spec().max_episode_steps), answer["max_steps"], "{what}");
            let start = column(&env.output().observations[1], 0);
            let mut expected = numbers(&answer["init_qpos"]);
            expected.extend(numbers(&answer["init_qvel"]));
            testkit::assert_all_close(&start[..expected.len()], &expected, 1e-6, &what);
        }
    }
}

/// Mean and variance of what each environment starts with, less where it starts without noise.
fn moments(task: &Task, rows: std::ops::Range<usize>) -> (f64, f64, f64, usize) {
    const NUM_ENVS: usize = 300;
    let file = task.files().map(|[ours, _]| ours).expect("asked for before");
    let still = column(&build(task, &file, &STILL, 1).output().observations[1], 0);
    let env = build(task, &file, &[], NUM_ENVS);
    let field = &env.output().observations[1];
    let draws: Vec<f64> = rows
        .flat_map(|row| field.row(row).iter().map(move |x| (row, *x)))
        .map(|(row, x)| f64::from(x) - still[row])
        .collect();
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (mean, variance, draws.iter().fold(0.0, |max, x| x.abs().max(max)), draws.len())
}

#[test]
fn starts_are_spread_as_gymnasiums() {
    // Rows of scalar joints in qpos, of all dofs, the half width of the uniform noise, and the deviation of the normal
    // noise, or none where velocities are uniform too: `reset_model` of each of Gymnasium's environments.
    let cases =
        [(0, 7..15, 15..29, 0.1, Some(0.1)), (1, 0..9, 9..18, 0.1, Some(0.1)), (2, 0..2, 2..4, 0.01, None)];
    for (index, positions, velocities, half, std) in cases {
        let task = &TASKS[index];
        if task.files().is_none() {
            return;
        }
        let uniform = |rows| {
            let (mean, variance, largest, n) = moments(task, rows);
            // Five standard errors; the fourth moment of a uniform draw is a⁴ / 5.
            let error = 5.0 / (n as f64).sqrt();
            testkit::assert_close(mean, 0.0, error * half / 3f64.sqrt(), task.scene);
            let spread = half * half * (1.0 / 5.0 - 1.0 / 9.0_f64).sqrt();
            testkit::assert_close(variance, half * half / 3.0, error * spread, task.scene);
            assert!(largest <= half + 1e-6 && largest > 0.95 * half, "{}: {largest}", task.scene);
        };
        uniform(positions);
        let Some(std) = std else {
            uniform(velocities);
            continue;
        };
        let (mean, variance, largest, n) = moments(task, velocities);
        let error = 5.0 / (n as f64).sqrt();
        testkit::assert_close(mean, 0.0, error * std, task.scene);
        testkit::assert_close(variance, std * std, error * 2f64.sqrt() * std * std, task.scene);
        assert!(largest > 2.5 * std, "{}: {largest} is not of a normal draw", task.scene);
    }
}

/// Both files in MuJoCo at the same states: sizes, names of joints, and the largest relative differences.
const ROBOTS: &str = r#"
import json, sys
import mujoco, numpy as np
models = [mujoco.MjModel.from_xml_path(path) for path in sys.argv[1:3]]
rng = np.random.default_rng(7)
worst, contacts = {}, 0
for _ in range(50):
    a = models[0]
    q = a.qpos0 + rng.uniform(-0.8, 0.8, a.nq)
    v, u = rng.normal(size=a.nv), rng.uniform(-1, 1, a.nu)
    found = []
    for m in models:
        d = mujoco.MjData(m)
        d.qpos[:], d.qvel[:], d.ctrl[:] = q, v, u
        mujoco.mj_forward(m, d)
        columns = []
        for k in range(m.nv):
            unit, out = np.zeros(m.nv), np.zeros(m.nv)
            unit[k] = 1.0
            mujoco.mj_mulM(m, d, out, unit)
            columns.append(out)
        found.append({"xpos": d.xpos.copy(), "mass": np.array(columns), "bias": d.qfrc_bias.copy(),
                      "passive": d.qfrc_passive.copy(), "actuator": d.qfrc_actuator.copy(), "qacc": d.qacc.copy(),
                      "contacts": np.array([float(d.ncon)])})
    contacts += int(found[0]["contacts"][0])
    for key in found[0]:
        x, y = found[0][key], found[1][key]
        worst[key] = max(worst.get(key, 0.0), float(np.abs(x - y).max() / max(1.0, np.abs(y).max())))
describe = lambda m: [m.nq, m.nv, m.nu, m.nbody, [m.joint(j).name for j in range(m.njnt)],
                      [int(m.jnt_type[j]) for j in range(m.njnt)], m.actuator_trnid[:, 0].tolist(),
                      m.actuator_ctrlrange.tolist(), m.jnt_range.tolist(), [int(b) for b in m.jnt_bodyid]]
print()
print(json.dumps({"shapes": [describe(m) for m in models], "worst": worst, "contacts": contacts}))
"#;

#[test]
fn our_robots_move_as_gymnasiums() {
    for task in &TASKS {
        let Some([ours, theirs]) = task.files() else { return };
        let Some(answer) = testkit::available(testkit::run_python(ROBOTS, &[&ours, &theirs])) else { return };
        assert_eq!(answer["shapes"][0], answer["shapes"][1], "{}", task.scene);
        assert_eq!(number(&answer["contacts"]) > 0.0, task.scene != "inverted-pendulum", "{}", task.scene);
        for (key, worst) in answer["worst"].as_object().expect("a table") {
            testkit::assert_close(number(worst), 0.0, SAME_ROBOT, &format!("{}: {key}", task.scene));
        }
    }
}
