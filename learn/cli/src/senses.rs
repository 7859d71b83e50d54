//! What a policy that sees and reads is given in a scene: its cameras, the state of its robot, and words.

use anyhow::{Context, anyhow};
use keiko_camera::{Camera, CameraError};
use keiko_env::TaskEnv;
use keiko_model::task::TaskSpec;
use keiko_policy::vla::config::FeatureType;
use keiko_policy::vla::{Checkpoint, VlaConfig};
use keiko_train::chunk_eval::Seen;
use keiko_train::finetune::data::Robot;
use keiko_train::finetune::start::check_robot;

use crate::args::DeviceArg;
use crate::embodiment::Embodiment;
use crate::exit::{Code, CommandResult, OrExit};
use crate::studio::Studio;

/// What comes before a camera's name in the name of its feature.
const IMAGES: &str = keiko_data::IMAGES;

/// Cameras, state and words of a scene as a policy takes them.
pub struct Senses {
    embodiment: Embodiment,
    studio: Studio,
    /// Of the cameras, as the policy has them.
    names: Vec<String>,
    /// Instructions by number.
    texts: Vec<String>,
}

impl Senses {
    /// Of a policy in a scene; `robot` is the one that it learned on.
    ///
    /// # Errors
    /// A policy that does not fit the scene, or a machine that cannot render.
    pub fn new(
        checkpoint: &Checkpoint,
        robot: Option<&Robot>,
        task: &TaskSpec,
        env: &TaskEnv,
        device: DeviceArg,
    ) -> CommandResult<Self> {
        let embodiment = Embodiment::of(task, env).or_exit(Code::Usage)?;
        let there = Robot {
            robot_type: Some(embodiment.robot_type.clone()),
            fps: embodiment.fps.into(),
            state: embodiment.state.clone(),
            action: embodiment.action.clone(),
        };
        if let Some(robot) = robot {
            check_robot(robot, &there)?;
        }
        let dims = [checkpoint.config.state_dim(), checkpoint.config.action_dim()];
        if dims != [there.state.len(), there.action.len()] {
            let error = anyhow!(
                "the policy has a state of {} and actions of {} numbers, the robot {} and {}",
                dims[0],
                dims[1],
                there.state.len(),
                there.action.len()
            );
            return Err(error).or_exit(Code::Usage);
        }
        let cameras = cameras(&checkpoint.config, env).or_exit(Code::Usage)?;
        let studio = Studio::new(env, &cameras, device).or_exit(Code::Machine)?;
        let texts = match &task.language {
            Some(language) => language.instructions().into_iter().map(|sentence| sentence.text).collect(),
            None => vec![task.description.clone()],
        };
        let names = cameras.iter().map(|camera| format!("{IMAGES}{}", camera.name)).collect();
        Ok(Self { embodiment, studio, names, texts })
    }

    /// Instructions of the scene by number; at least one.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The instruction of an environment's episode.
    pub fn text_of(&self, env: &TaskEnv, which: usize) -> &str {
        let number = env.instructions().map_or(0, |numbers| numbers[which]);
        self.text(number)
    }

    /// An instruction by number; the first where there are fewer.
    pub fn text(&self, number: usize) -> &str {
        self.texts.get(number).or(self.texts.first()).map_or("", String::as_str)
    }

    /// What some environments show now, with what each of them is told.
    ///
    /// # Errors
    /// If the renderer lost its device.
    pub fn look(&self, env: &TaskEnv, envs: &[usize], told: Vec<String>) -> Result<Seen, CameraError> {
        let shots = self.studio.shoot(env)?;
        let images = self.names.iter().zip(&shots).map(|(name, shots)| {
            let pixels = envs.iter().flat_map(|&env| &shots[env].pixels).copied().collect();
            let (width, height) = shots.first().map_or((0, 0), |image| (image.width, image.height));
            (name.clone(), width, height, pixels)
        });
        let state = env.state();
        let states = envs.iter().flat_map(|&env| self.embodiment.state_of(state, env)).collect();
        Ok(Seen { images: images.collect(), instructions: told, states })
    }
}

/// The scene's cameras that a policy looks through, in its sizes.
fn cameras(config: &VlaConfig, env: &TaskEnv) -> anyhow::Result<Vec<Camera>> {
    let known = &env.scene().model.cameras;
    let features = config.input_features.0.iter().filter(|(_, feature)| feature.kind == FeatureType::Visual);
    features
        .map(|(feature, of)| {
            let name = feature.strip_prefix(IMAGES).unwrap_or(feature);
            let camera = known.iter().find(|camera| camera.name == name).with_context(|| {
                let there = known.iter().map(|camera| camera.name.as_str()).collect::<Vec<_>>().join(", ");
                format!("the policy looks through a camera `{name}`; the scene has {there}")
            })?;
            match of.shape[..] {
                [_, height, width] => Ok(camera.clone().resized([width as u32, height as u32])),
                _ => Err(anyhow!("the policy's `{feature}` has the shape {:?}", of.shape)),
            }
        })
        .collect()
}
