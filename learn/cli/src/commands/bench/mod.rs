//! `keiko bench`: figures as lines `scene.metric value`.

mod cameras;
mod env;
mod live;
mod model;
mod models;
mod open;
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
        BenchWhat::Live(args) => live::run(args, output),
        BenchWhat::Open(args) => open::run(args, output),
        BenchWhat::Physics(args) => physics::run(args, output),
    }
}
