//! Rollouts, PPO, fine-tuning, checkpoints, run folders.

pub mod agent;
pub mod checkpoint;
pub mod chunk_eval;
mod clock;
pub mod device;
pub mod error;
pub mod eval;
pub mod finetune;
pub mod gae;
pub mod lock;
pub mod metrics;
pub mod observed;
pub mod ppo;
pub mod progress;
pub mod rollout;
pub mod run_dir;
pub mod storage;
pub mod tfevents;
pub mod trainer;

pub use checkpoint::CheckpointStore;
pub use chunk_eval::evaluate_chunks;
pub use device::{Device, DeviceChoice, Place};
pub use error::TrainError;
pub use eval::{EvalReport, evaluate, evaluate_seeing};
pub use keiko_policy::noise;
pub use observed::DeviceImages;
pub use run_dir::{RunDir, RunInfo, find_run};
pub use storage::{StorageError, StorageErrorKind};
pub use trainer::{IterationReport, Trainer};
