//! MuJoCo 4.0.0 behind [`Engine`]: the checks of the card measure it as they measure keiko's own executors.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use keiko_model::RobotModel;
use keiko_model::robot::JointKind;
use keiko_world::verify::{CheckError, Engine, Settings};
use keiko_world::{BatchState, EnvParameters, Executor, Fault, FaultCause, Field, SnapshotError};

use super::mjcf;

/// MuJoCo with attributes of `<option>`.
pub struct Mujoco {
    pub python: PathBuf,
    pub option: &'static str,
}

impl Engine for Mujoco {
    fn name(&self) -> &'static str {
        "mujoco"
    }

    fn build(
        &self,
        model: &RobotModel,
        num_envs: usize,
        settings: &Settings,
    ) -> Result<Box<dyn Executor>, CheckError> {
        let xml = mjcf::write(model, settings.timestep, self.option).map_err(CheckError::Build)?;
        let question = serde_json::json!({ "xml": xml, "num_envs": num_envs });
        let mut child = Command::new(&self.python)
            .args(["-c", include_str!("server.py")])
            // MuJoCo leaves a log of its warnings where it runs.
            .current_dir(keiko_testkit::cache_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        // Whatever happens from here on, the process is ended and waited for.
        let mut server = Server { child, input, output };
        writeln!(server.input, "{question}").expect("Python listens");
        let mut sizes = String::new();
        server.output.read_line(&mut sizes).expect("Python answers");
        let sizes: Vec<usize> = serde_json::from_str(&sizes).map_err(|_| {
            CheckError::Build(format!(
                "MuJoCo refuses the scene:\n{}",
                question["xml"].as_str().unwrap_or("")
            ))
        })?;
        let ours = [model.num_qpos(), model.num_dofs(), model.bodies.len(), model.actuators.len()];
        assert_eq!(sizes, ours, "nq, nv, nbody, nu of the scene as it was written and as MuJoCo reads it");
        let server = Mutex::new(server);
        Ok(Box::new(MujocoExecutor { server, num_envs, quaternions: quaternions(model) }))
    }

    fn lag(&self, settings: &Settings) -> f64 {
        // Runge-Kutta does not lag behind gravity.
        if self.option.contains("RK4") { 0.0 } else { settings.timestep }
    }
}

struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct MujocoExecutor {
    server: Mutex<Server>,
    num_envs: usize,
    /// Rows of `qpos` at which a quaternion starts.
    quaternions: Vec<usize>,
}

fn quaternions(model: &RobotModel) -> Vec<usize> {
    let start = |joint: &keiko_model::robot::Joint| match joint.kind {
        JointKind::Free => Some(joint.qpos_index + 3),
        JointKind::Ball => Some(joint.qpos_index),
        _ => None,
    };
    model.joints.iter().filter_map(start).collect()
}

impl MujocoExecutor {
    /// Sends a command and reads the state that comes back; which environments are broken.
    fn ask(&mut self, command: u8, numbers: &[f64], state: &mut BatchState) -> Vec<bool> {
        let mut fields = [
            &mut state.qpos,
            &mut state.qvel,
            &mut state.body_position,
            &mut state.body_rotation,
            &mut state.body_linear_velocity,
            &mut state.body_angular_velocity,
            &mut state.actuator_force,
        ];
        let rows: usize = fields.iter().map(|field| field.num_rows()).sum();
        let server = self.server.get_mut().expect("no thread panicked");
        let mut message = vec![command];
        message.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        server.input.write_all(&message).expect("Python listens");
        let mut answer = vec![0; 8 * self.num_envs * (1 + rows)];
        server.output.read_exact(&mut answer).expect("Python answers");
        let (words, _) = answer.as_chunks::<8>();
        let mut numbers = words.iter().map(|word| f64::from_le_bytes(*word) as f32);
        let broken: Vec<bool> = numbers.by_ref().take(self.num_envs).map(|fault| fault > 0.0).collect();
        for env in 0..self.num_envs {
            for (index, field) in fields.iter_mut().enumerate() {
                let mut column: Vec<f32> = numbers.by_ref().take(field.num_rows()).collect();
                // MuJoCo's quaternions begin with w.
                match index {
                    0 => self.quaternions.iter().for_each(|&at| column[at..at + 4].rotate_left(1)),
                    3 => column.chunks_mut(4).for_each(|quaternion| quaternion.rotate_left(1)),
                    _ => {}
                }
                field.set_column(env, column);
            }
        }
        broken
    }
}

impl Executor for MujocoExecutor {
    fn name(&self) -> &'static str {
        "mujoco"
    }

    fn num_envs(&self) -> usize {
        self.num_envs
    }

    fn reset(
        &mut self,
        mask: &[bool],
        qpos: &Field,
        qvel: &Field,
        parameters: &EnvParameters,
        state: &mut BatchState,
    ) {
        let all_ones = |field: &Field| field.as_slice().iter().all(|&scale| scale == 1.0);
        assert!(
            all_ones(&parameters.mass_scale) && all_ones(&parameters.friction_scale),
            "the scene as it is"
        );
        let mut numbers: Vec<f64> = mask.iter().map(|&restart| f64::from(u8::from(restart))).collect();
        for env in 0..self.num_envs {
            let mut column: Vec<f64> = qpos.column(env).map(f64::from).collect();
            self.quaternions.iter().for_each(|&at| column[at..at + 4].rotate_right(1));
            numbers.extend(column);
        }
        (0..self.num_envs).for_each(|env| numbers.extend(qvel.column(env).map(f64::from)));
        self.ask(b'R', &numbers, state);
        for (steps, _) in state.steps.iter_mut().zip(mask).filter(|(_, restart)| **restart) {
            *steps = 0;
        }
    }

    fn step(&mut self, ctrl: &Field, state: &mut BatchState) -> Vec<Fault> {
        let numbers: Vec<f64> = (0..self.num_envs).flat_map(|env| ctrl.column(env).map(f64::from)).collect();
        let broken = self.ask(b'S', &numbers, state);
        state.steps.iter_mut().for_each(|steps| *steps += 1);
        let fault =
            |(env, broken): (usize, bool)| broken.then_some(Fault { env, cause: FaultCause::Diverged });
        broken.into_iter().enumerate().filter_map(fault).collect()
    }

    fn add_velocity(&mut self, _: &[bool], _: &Field, _: &mut BatchState) {
        unreachable!("no check pushes");
    }

    fn set_wrench(&mut self, _: &[bool], _: &Field) {
        unreachable!("no check pulls");
    }

    fn save(&self) -> Vec<u8> {
        unreachable!("no check saves");
    }

    fn load(&mut self, _: &[u8]) -> Result<(), SnapshotError> {
        Err(SnapshotError("MuJoCo's state is not kept".into()))
    }
}
