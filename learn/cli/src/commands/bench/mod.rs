//! `keiko bench`: figures as lines `scene.metric value`.

mod models;
mod physics;
mod race;
mod rapier;
mod truth;
mod workload;

use crate::args::{Bench, BenchWhat};
use crate::exit::CommandResult;
use crate::output::Output;

/// Runs the command.
pub fn run(args: &Bench, output: &mut Output) -> CommandResult {
    match &args.what {
        BenchWhat::Rapier(args) => rapier::run(args, output),
        BenchWhat::Physics(args) => physics::run(args, output),
    }
}
