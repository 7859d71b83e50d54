//! The lanes executor: the batched engine, as many environments in a vector register as the processor holds.
//!
//! The engine is `keiko_dynamics`. Here is what an executor adds: the width of this processor, parameters and delays of
//! each environment, faults, snapshots, and the columns of the batch state.

mod executor;
mod snapshot;

pub use executor::{LanesExecutor, Start, Starter, publish, publish_alone, wrenches};
pub use keiko_dynamics::any::Width;
