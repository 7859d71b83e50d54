//! Networks: no simulator, no device chosen.
//!
//! A [`NetworkShape`] says what an actor and a critic look like and where each weight lies in one flat
//! parameter vector. [`ActorCritic`] computes with it in burn tensors, for learning; [`HostNet`] computes the
//! same in plain Rust, for acting. A [`Policy`] is what is saved, shipped and run: actor weights, observation
//! statistics and the names and order of everything that goes in and out. [`vla`] is the model that sees and reads.
//! [`ChunkPolicy`] is how all of them look from outside: images, instruction and state to a chunk of actions.

pub mod activation;
pub mod chunk;
pub mod encoder;
pub mod error;
pub mod host;
pub mod network;
pub mod noise;
pub mod normalizer;
pub mod policy;
pub mod shape;
pub mod vla;

pub use activation::Activation;
pub use chunk::{ChunkPolicy, ChunkQueue, ChunkShape, Observation};
pub use encoder::{Convolution, EncoderShape};
pub use error::PolicyError;
pub use host::{HostMlp, HostNet};
pub use network::{ActorCritic, Mlp, Net};
pub use normalizer::RunningNormalizer;
pub use policy::{Policy, PolicyConfig, TermSize};
pub use shape::{Head, MlpShape, NetShape, NetworkShape, TensorSlot};
