//! The command `keiko`: parse, dispatch, exit. All work is in the library crates.

mod args;
mod commands;
mod embodiment;
mod engine;
mod exit;
mod eyes;
mod model_args;
mod mujoco;
mod numpy;
mod output;
mod pictures;
mod senses;
mod signals;
mod states;
mod studio;
mod view_args;
mod viewpoint;

use std::process::ExitCode;

use clap::Parser;

use crate::exit::Failure;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    match commands::run(&cli) {
        Ok(code) => code.into(),
        Err(Failure { code, error }) => {
            output::complain(format!("error: {error:#}"));
            code.into()
        }
    }
}
