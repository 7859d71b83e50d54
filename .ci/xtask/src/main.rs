//! Project tasks: `cargo xtask ci`, `cargo xtask tidy`, `cargo xtask setup`. No dependencies, so that the first
//! command on a new machine starts at once.

mod ci;
mod command;
mod setup;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <task>

  ci       all that must pass: set-up, tidy, format, lints, build, tests, smoke, examples, documentation
  tidy     the project rules alone: layers, versions, manifests, file sizes, scenes, paths, licences
  setup    installs what tests need, when it may; otherwise names the packages
";

fn main() -> ExitCode {
    let root = workspace_root();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let succeeded = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ci"] => ci::run(&root),
        ["tidy"] => tidy::run(&root),
        ["setup"] => setup::run(),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            true
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}
