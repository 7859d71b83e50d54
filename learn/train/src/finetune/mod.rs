//! Supervised flow matching: a vision-language-action model learns from demonstrations.
//!
//! [`FineTuneSpec`] says how, [`Demonstrations`] from what, [`Learned`] which numbers change. [`FineTuner`] takes the
//! gradient steps; [`FineTuneDir`] keeps what must survive a kill, and [`Provenance`] what a model was made from.

pub mod augment;
pub mod data;
pub mod dir;
mod draws;
pub mod learned;
mod mixture;
pub mod optimizer;
mod probe;
pub mod provenance;
pub mod spec;
pub mod start;
pub mod tuner;

pub use data::Demonstrations;
pub use dir::FineTuneDir;
pub use learned::Learned;
pub use mixture::Mixture;
pub use provenance::Provenance;
pub use spec::{FineTuneSpec, Learn};
pub use tuner::{FineTuner, Losses, StepReport};
