//! What a dataset knows of a robot in a scene: which numbers are its state and its action, by name and in order.
//!
//! Recording, fine-tuning and acting all ask here, so that what a policy learned from is what it is given.

use std::path::Path;

use anyhow::bail;
use keiko_env::{TaskEnv, VecEnv};
use keiko_model::task::TaskSpec;
use keiko_world::BatchState;

/// How far a control step may be from a whole number of frames a second, relatively.
const RATE_TOLERANCE: f64 = 1e-6;

/// State and action of a robot.
#[derive(Clone, Debug, PartialEq)]
pub struct Embodiment {
    /// Name of the robot: that of its file.
    pub robot_type: String,
    /// Control steps a second.
    pub fps: u32,
    /// Scalar joints of the robot: their positions \[rad or m\] are the state.
    pub state: Vec<String>,
    /// Row of each in qpos.
    rows: Vec<usize>,
    /// Driven actuators, as the task drives them: the action in [-1, 1].
    pub action: Vec<String>,
}

impl Embodiment {
    /// Of the robot of a task.
    ///
    /// # Errors
    /// If the control step is no whole number of frames a second.
    pub fn of(task: &TaskSpec, env: &TaskEnv) -> anyhow::Result<Self> {
        let spec = env.spec();
        let rate = 1.0 / spec.control_dt;
        if (rate - rate.round()).abs() > RATE_TOLERANCE * rate {
            bail!(
                "a control step of {} s makes {rate:.3} frames a second, and datasets count whole ones; change \
                 physics.timestep or physics.decimation",
                spec.control_dt
            );
        }
        let scene = env.scene();
        let joints = &scene.model.joints[..scene.num_robot_joints];
        let scalar = joints.iter().filter(|joint| joint.kind.num_dofs() == 1);
        let (state, rows) = scalar.map(|joint| (joint.name.clone(), joint.qpos_index)).unzip();
        Ok(Self {
            robot_type: robot_name(&task.robot.file),
            fps: rate.round() as u32,
            state,
            rows,
            action: spec.actions.clone(),
        })
    }

    /// The state of an environment.
    pub fn state_of(&self, state: &BatchState, env: usize) -> Vec<f32> {
        self.rows.iter().map(|row| state.qpos.get(*row, env)).collect()
    }
}

/// A robot file's name without its ending: `panda` of `menagerie/panda.xml`.
fn robot_name(file: &Path) -> String {
    file.file_stem().map_or_else(|| "robot".into(), |stem| stem.to_string_lossy().into_owned())
}
