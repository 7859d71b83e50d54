//! SmolVLA (Shukor et al. 2025, arXiv:2506.01844): images, an instruction and the robot's state to a chunk of
//! actions, by flow matching.
//!
//! A vision transformer turns each camera image into a few tokens; a language model reads them with the
//! instruction and the state; a smaller transformer, the action expert, attends to the keys and values of every
//! layer of the language model and says how noise should move to become actions. One struct family serves all
//! sizes; [`Preset`] names some. Tensors carry the names and shapes of lerobot's published checkpoint.

pub mod attention;
pub mod bpe;
pub mod checkpoint;
pub mod config;
pub mod decoder;
pub mod flow;
pub mod lora;
pub mod manifest;
pub mod normalize;
pub mod policy;
pub mod preprocess;
pub mod tokenizer;
pub mod vision;
pub mod weights;

pub use checkpoint::Checkpoint;
pub use config::{Preset, Sizes, VlaConfig, VlmConfig};
pub use flow::{Flow, Inputs, Memory, Prefix};
pub use lora::Delta;
pub use manifest::TensorSpec;
pub use policy::VlaPolicy;
pub use preprocess::Images;
pub use tokenizer::Tokenizer;
pub use weights::Weights;
