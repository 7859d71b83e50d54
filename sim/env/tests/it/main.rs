//! Tests of the vectorised environment.

mod common;
mod episodes;
mod registry;
mod terms;
mod texts;
