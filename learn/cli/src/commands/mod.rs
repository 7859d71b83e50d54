//! One file a command.

mod actor;
mod bench;
mod curve;
mod data;
mod dynamics;
mod envs;
mod eval;
mod eval_policy;
mod film;
mod finetune;
mod import;
mod junit;
mod play;
mod random_actions;
mod record;
pub mod render;
mod render_video;
mod rollout;
mod run_files;
mod smoke;
mod soak;
mod train;
mod verify;
mod verify_bits;
mod verify_mujoco;
mod verify_smolvla;
mod view;
mod view_actors;

use keiko_world::verify::bits::Claim;

use crate::args::{Cli, Command, VerifyWhat};
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// Runs the command that was typed.
pub fn run(cli: &Cli) -> CommandResult {
    if cli.threads > 0 {
        rayon::ThreadPoolBuilder::new().num_threads(cli.threads).build_global().or_exit(Code::Machine)?;
    }
    let mut output = Output::new(cli.json);
    let code = match &cli.command {
        Command::Train(args) => train::run(args, &mut output),
        Command::FineTune(args) => finetune::run(args, &mut output),
        Command::Play(args) => play::run(args, &mut output),
        Command::Eval(args) => eval::run(args, &mut output),
        Command::Curve(args) => curve::run(args, &mut output),
        Command::Record(args) => record::run(args, &mut output),
        Command::Data(args) => data::run(args, &mut output),
        Command::Smoke(args) => smoke::run(args, &mut output),
        Command::Bench(args) => bench::run(args, &mut output),
        Command::Dynamics(args) => dynamics::run(args, &mut output),
        Command::Rollout(args) => rollout::run(args, &mut output),
        Command::Import(args) => import::run(args, &mut output),
        Command::Verify(args) => match &args.what {
            VerifyWhat::Physics(args) => verify::run(args, &mut output),
            VerifyWhat::Rapier(args) => verify::run_beside_rapier(args, &mut output),
            VerifyWhat::Determinism(args) => verify_bits::run(Claim::Determinism, args, &mut output),
            VerifyWhat::Batch(args) => verify_bits::run(Claim::Batch, args, &mut output),
            VerifyWhat::Threads(args) => verify_bits::run(Claim::Threads, args, &mut output),
            VerifyWhat::Reset(args) => verify_bits::run(Claim::Reset, args, &mut output),
            VerifyWhat::SmolVla(args) => verify_smolvla::run(args, &mut output),
            VerifyWhat::Mujoco(args) => verify_mujoco::run(args, &mut output),
        },
        Command::Render(args) => render::run(args, &mut output),
        Command::View(args) => view::run(args, &mut output),
        Command::Envs(args) => envs::run(args, &mut output),
    };
    if let Err(failure) = &code {
        output.set("error", format!("{:#}", failure.error));
    }
    output.finish();
    code
}
