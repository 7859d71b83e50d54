//! A run in another process: where its environments were when they were last looked at.

use std::path::Path;
use std::sync::Arc;

use keiko_env::EnvSpec;
use keiko_model::TaskSpec;
use keiko_model::compose::Scene;
use keiko_model::kinematics::forward_kinematics;
use keiko_model::robot::RobotModel;
use keiko_world::simulation::spawn_model;
use keiko_world::{BatchState, World};

use crate::ViewError;
use crate::live::{Frame, Guest, Hello, LiveError};

/// Numbers of all environments together that a viewer keeps.
const MOST_NUMBERS: usize = 1 << 28;

/// A run that is looked at. Nothing can be done to it.
pub struct Remote {
    /// The composed model.
    pub model: Arc<RobotModel>,
    /// The entities of the model.
    pub world: World,
    /// What the run says of itself.
    pub hello: Hello,
    /// Index of the robot's base.
    pub base: usize,
    /// The robot's bodies are `1..num_robot_bodies`.
    pub num_robot_bodies: usize,
    /// Name of the task.
    pub name: String,
    guest: Guest,
    /// Columns of environments that nobody has looked at are those of the default pose.
    state: BatchState,
    frame: Option<Frame>,
}

impl Remote {
    /// Goes to a run and makes its scene.
    ///
    /// # Errors
    /// As [`Guest::attach`]; a robot file that is not there any more.
    pub fn attach(socket: &Path) -> Result<Self, ViewError> {
        let (mut guest, hello) = Guest::attach(socket)?;
        // A scene as it was resolved names its robot by an absolute path.
        let task = TaskSpec::parse(&hello.scene, &socket.with_extension("scene.toml"), &[])?;
        let (scene, _) = Scene::load(&task)?;
        let garbled = |reason: String| LiveError::Garbled { path: socket.to_owned(), reason };
        let alone = at_default(&scene);
        let num_envs = hello.spec.num_envs;
        let rows: usize = alone.fields().iter().map(|field| field.num_rows()).sum();
        if num_envs == 0 || rows.saturating_mul(num_envs) > MOST_NUMBERS {
            return Err(garbled(format!("a batch of {num_envs} environments")).into());
        }
        let mut state = BatchState::new(&scene.model, num_envs);
        for env in 0..num_envs {
            state.set_column(env, &alone, 0);
        }
        let model = Arc::new(scene.model);
        let mut world = World::new();
        spawn_model(&mut world, &model);
        guest.begin(model.clone(), &hello)?;
        guest.ask(0);
        Ok(Self {
            model,
            world,
            hello,
            base: scene.base,
            num_robot_bodies: scene.num_robot_bodies,
            name: task.name,
            guest,
            state,
            frame: None,
        })
    }

    /// Shapes and names.
    pub fn spec(&self) -> &EnvSpec {
        &self.hello.spec
    }

    /// Where environments were when they were last looked at.
    pub fn state(&self) -> &BatchState {
        &self.state
    }

    /// The frame that is shown.
    pub fn frame(&self) -> Option<&Frame> {
        self.frame.as_ref()
    }

    /// Wants to see an environment.
    pub fn ask(&mut self, env: usize) {
        self.guest.ask(env);
    }

    /// The newest frame that has come of an environment, once.
    pub fn take(&self, env: usize) -> Option<Frame> {
        self.guest.take().filter(|frame| frame.env == env)
    }

    /// Goes away; what was seen last stays.
    pub fn leave(&mut self) {
        self.guest.leave();
    }

    /// Why no more frames come, once.
    pub fn end(&self) -> Option<String> {
        self.guest.end()
    }

    /// Shows a frame.
    pub fn show(&mut self, frame: Frame) {
        self.state.set_column(frame.env, &frame.state, 0);
        self.frame = Some(frame);
    }
}

/// One environment that rests at the scene's default pose.
fn at_default(scene: &Scene) -> BatchState {
    let model = &scene.model;
    let mut alone = BatchState::new(model, 1);
    alone.qpos.set_column(0, scene.default_qpos.iter().map(|q| *q as f32));
    let poses = forward_kinematics(model, &scene.default_qpos);
    alone.body_position.set_column(0, poses.iter().flat_map(|pose| pose.position.as_vec3().to_array()));
    alone.body_rotation.set_column(0, poses.iter().flat_map(|pose| pose.rotation.as_quat().to_array()));
    alone
}
