//! `keiko bench`: figures as lines `scene.metric value`.

mod cameras;
mod env;
mod model;
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
        BenchWhat::Cameras(args) => cameras::run(args, output),
        BenchWhat::Model(args) => model::run(args, output),
        BenchWhat::Env(args) => env::run(args, output),
        BenchWhat::Rapier(args) => rapier::run(args, output),
        BenchWhat::Physics(args) => physics::run(args, output),
    }
}
