//! What a dataset knows of a robot in a scene: which numbers are its state and its action, by name and in order.
//!
//! Recording, fine-tuning and acting all ask here, so that what a policy learned from is what it is given.

use std::collections::BTreeSet;
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
    /// Where things are that can be named, then where the ones are that are: see [`Embodiment::surroundings_of`].
    pub surroundings: Vec<String>,
    /// Bodies of the things that can be named.
    things: Vec<usize>,
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
        let (things, surroundings) = surroundings(task, env);
        Ok(Self {
            robot_type: robot_name(&task.robot.file),
            fps: rate.round() as u32,
            state,
            rows,
            surroundings,
            things,
            action: spec.actions.clone(),
        })
    }

    /// The state of an environment.
    pub fn state_of(&self, state: &BatchState, env: usize) -> Vec<f32> {
        self.rows.iter().map(|row| state.qpos.get(*row, env)).collect()
    }

    /// Origins in the world \[m\] of all things that can be named, of the thing that is, and of the target that is, if any.
    /// Empty for a task without words.
    pub fn surroundings_of(
        &self,
        state: &BatchState,
        named: Option<(usize, Option<usize>)>,
        env: usize,
    ) -> Vec<f32> {
        let named = named.into_iter().flat_map(|(object, target)| std::iter::once(object).chain(target));
        let bodies = self.things.iter().copied().chain(named);
        bodies.flat_map(|body| [0, 1, 2].map(|k| state.body_position.get(3 * body + k, env))).collect()
    }
}

/// Bodies of the things that can be named, and names of the numbers of the surroundings.
fn surroundings(task: &TaskSpec, env: &TaskEnv) -> (Vec<usize>, Vec<String>) {
    let Some(language) = &task.language else { return Default::default() };
    let mut props: Vec<&str> = language.objects.iter().map(|object| object.prop.as_str()).collect();
    for object in &language.objects {
        props.extend(language.targets.iter().filter_map(|target| target.prop_of(object)));
    }
    let bodies = &env.scene().model.bodies;
    let body = |prop: &&str| bodies.iter().position(|body| body.name == *prop);
    let mut things: Vec<usize> = props.iter().filter_map(body).collect();
    let mut known = BTreeSet::new();
    things.retain(|body| known.insert(*body));
    let named = if language.targets.is_empty() { &["object"][..] } else { &["object", "target"] };
    let what = things.iter().map(|body| bodies[*body].name.as_str()).chain(named.iter().copied());
    let surroundings = what.flat_map(|what| ["x", "y", "z"].map(|axis| format!("{what}.{axis}"))).collect();
    (things, surroundings)
}

/// A robot file's name without its ending: `panda` of `menagerie/panda.xml`.
fn robot_name(file: &Path) -> String {
    file.file_stem().map_or_else(|| "robot".into(), |stem| stem.to_string_lossy().into_owned())
}
