//! One file a command.

mod bench;
mod envs;
mod eval;
mod import;
mod junit;
mod play;
mod random_actions;
mod run_files;
mod smoke;
mod train;
mod verify;

use crate::args::{Cli, Command};
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
        Command::Play(args) => play::run(args, &mut output),
        Command::Eval(args) => eval::run(args, &mut output),
        Command::Smoke(args) => smoke::run(args, &mut output),
        Command::Bench(args) => bench::run(args, &mut output),
        Command::Import(args) => import::run(args, &mut output),
        Command::Verify(args) => verify::run(args, &mut output),
        Command::Envs(args) => envs::run(args, &mut output),
    };
    if let Err(failure) = &code {
        output.set("error", format!("{:#}", failure.error));
    }
    output.finish();
    code
}
