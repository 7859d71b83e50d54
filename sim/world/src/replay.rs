//! The last control steps of every environment, and a file of them for one that broke.
//!
//! The file is safetensors: `qpos` `[K, nq]`, `qvel` `[K, nv]`, `ctrl` `[K, nu]`, all `f32`, oldest first, and
//! string metadata: `scene`, `env`, `cause`, `seed`, `step`, `joints` (names, one a line).

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bevy_ecs::prelude::Resource;
use keiko_model::RobotModel;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::executor::{BatchState, FaultCause};
use crate::field::Field;

/// Control steps that are kept.
pub const REPLAY_STEPS: usize = 50;

/// Largest replay file that is read, in bytes.
const MAX_FILE: u64 = 256 << 20;

/// The last [`REPLAY_STEPS`] control steps of all environments.
#[derive(Clone, Debug, Default, Resource)]
pub struct ReplayRing {
    sizes: [usize; 3],
    /// Per slot `qpos`, `qvel`, `ctrl` of all environments.
    slots: Vec<[Field; 3]>,
    /// Control steps recorded in each environment since its reset.
    count: Vec<u64>,
    /// Control steps recorded in all.
    total: u64,
}

/// What a replay is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayInfo {
    /// Name of the scene.
    pub scene: String,
    /// Which environment.
    pub env: u64,
    /// Why it stopped.
    pub cause: String,
    /// Seed of the run.
    pub seed: u64,
    /// Physics step at its end.
    pub step: u64,
    /// Names of the joints, in model order.
    pub joints: Vec<String>,
}

/// A replay file in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplayFile {
    /// What it is of.
    pub info: ReplayInfo,
    /// Control steps `K`.
    pub num_steps: usize,
    /// `[K, nq]`, row-major.
    pub qpos: Vec<f32>,
    /// `[K, nv]`, row-major.
    pub qvel: Vec<f32>,
    /// `[K, nu]`, row-major.
    pub ctrl: Vec<f32>,
}

/// A replay that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", path.display())]
pub struct ReplayError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub message: String,
}

impl ReplayRing {
    /// An empty ring.
    pub fn new(model: &RobotModel, num_envs: usize) -> Self {
        let sizes = [model.num_qpos(), model.num_dofs(), model.actuators.len()];
        let slot = || sizes.map(|rows| Field::zeros(rows, num_envs));
        Self { sizes, slots: (0..REPLAY_STEPS).map(|_| slot()).collect(), count: vec![0; num_envs], total: 0 }
    }

    /// Records the state before a control step and the control that it gets.
    pub fn record(&mut self, state: &BatchState, ctrl: &Field) {
        for (kept, now) in self.next_slot().iter_mut().zip([&state.qpos, &state.qvel, ctrl]) {
            kept.as_mut_slice().copy_from_slice(now.as_slice());
        }
    }

    /// Counts a control step and gives the place of its `qpos`, `qvel` and `ctrl`, to be filled.
    pub fn next_slot(&mut self) -> &mut [Field; 3] {
        let slot = (self.total % REPLAY_STEPS as u64) as usize;
        self.total += 1;
        self.count.iter_mut().for_each(|c| *c += 1);
        &mut self.slots[slot]
    }

    /// Forgets the past of one environment.
    pub fn reset_env(&mut self, env: usize) {
        self.count[env] = 0;
    }

    /// Forgets the past of environments that were reset.
    pub fn reset(&mut self, mask: &[bool]) {
        self.count.iter_mut().zip(mask).filter(|(_, m)| **m).for_each(|(c, _)| *c = 0);
    }

    /// The last steps of one environment, oldest first.
    pub fn extract(&self, env: usize, info: ReplayInfo) -> ReplayFile {
        let num_steps = self.count[env].min(self.total).min(REPLAY_STEPS as u64);
        let mut parts: [Vec<f32>; 3] = Default::default();
        for step in self.total - num_steps..self.total {
            let slot = &self.slots[(step % REPLAY_STEPS as u64) as usize];
            for (part, field) in parts.iter_mut().zip(slot) {
                part.extend(field.column(env));
            }
        }
        let [qpos, qvel, ctrl] = parts;
        ReplayFile { info, num_steps: num_steps as usize, qpos, qvel, ctrl }
    }

    /// Writes the last steps of an environment that broke.
    ///
    /// # Errors
    /// Where the file cannot be written; nothing half-written is left under its name.
    pub fn write_replay(
        &self,
        path: &Path,
        env: usize,
        cause: FaultCause,
        info: ReplayInfo,
    ) -> Result<(), ReplayError> {
        let info = ReplayInfo { env: env as u64, cause: format!("{cause:?}"), ..info };
        write_replay(path, &self.extract(env, info), self.sizes)
    }
}

/// Writes a replay of a model with `[nq, nv, nu]` numbers a step: first beside its name, then renamed.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_replay(path: &Path, replay: &ReplayFile, sizes: [usize; 3]) -> Result<(), ReplayError> {
    let refuse = |message: String| ReplayError { path: path.to_owned(), message };
    let parts = [("qpos", &replay.qpos), ("qvel", &replay.qvel), ("ctrl", &replay.ctrl)];
    let bytes = parts.map(|(_, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    let mut views = Vec::new();
    for (k, (name, _)) in parts.iter().enumerate() {
        let view = TensorView::new(Dtype::F32, vec![replay.num_steps, sizes[k]], &bytes[k]);
        views.push((*name, view.map_err(|e| refuse(e.to_string()))?));
    }
    let info = &replay.info;
    let metadata = HashMap::from([
        ("scene".to_owned(), info.scene.clone()),
        ("env".to_owned(), info.env.to_string()),
        ("cause".to_owned(), info.cause.clone()),
        ("seed".to_owned(), info.seed.to_string()),
        ("step".to_owned(), info.step.to_string()),
        ("joints".to_owned(), info.joints.join("\n")),
    ]);
    let data = serialize(views, Some(metadata)).map_err(|e| refuse(e.to_string()))?;
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(&data).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The error that matters is the first one.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(|e| refuse(e.to_string()))
}

/// Reads a replay.
///
/// # Errors
/// Where the file cannot be read, is larger than 256 MiB, or is not a replay.
pub fn read_replay(path: &Path) -> Result<ReplayFile, ReplayError> {
    let refuse = |message: String| ReplayError { path: path.to_owned(), message };
    let size = fs::metadata(path).map_err(|e| refuse(e.to_string()))?.len();
    if size > MAX_FILE {
        return Err(refuse(format!("{size} bytes, the limit is {MAX_FILE}")));
    }
    let data = fs::read(path).map_err(|e| refuse(e.to_string()))?;
    let (_, header) = SafeTensors::read_metadata(&data).map_err(|e| refuse(e.to_string()))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let text = |key: &str| metadata.get(key).cloned().ok_or_else(|| refuse(format!("no metadata `{key}`")));
    let number = |key: &str| {
        text(key)?.parse::<u64>().map_err(|_| refuse(format!("metadata `{key}` is not a number")))
    };
    let tensors = SafeTensors::deserialize(&data).map_err(|e| refuse(e.to_string()))?;
    let tensor = |name: &str| -> Result<(usize, Vec<f32>), ReplayError> {
        let view = tensors.tensor(name).map_err(|e| refuse(e.to_string()))?;
        let [steps, _] = view.shape()[..] else { return Err(refuse(format!("`{name}` is not a table"))) };
        if view.dtype() != Dtype::F32 {
            return Err(refuse(format!("`{name}` is not f32")));
        }
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Ok((steps, values.collect()))
    };
    let ((num_steps, qpos), (steps_v, qvel), (steps_u, ctrl)) =
        (tensor("qpos")?, tensor("qvel")?, tensor("ctrl")?);
    if num_steps != steps_v || num_steps != steps_u {
        return Err(refuse(format!("qpos, qvel and ctrl have {num_steps}, {steps_v} and {steps_u} steps")));
    }
    let info = ReplayInfo {
        scene: text("scene")?,
        env: number("env")?,
        cause: text("cause")?,
        seed: number("seed")?,
        step: number("step")?,
        joints: text("joints")?.lines().map(str::to_owned).collect(),
    };
    Ok(ReplayFile { info, num_steps, qpos, qvel, ctrl })
}
