//! Tells the program which source tree and compiler it was built from, for the run folder.

use std::process::Command;

fn main() {
    // A missing file would run this again at every build.
    for file in ["build.rs", "../../.git/HEAD", "../../.git/index"] {
        if std::path::Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    export("KEIKO_RUSTC_VERSION", Command::new(compiler).arg("--version"));
    export(
        "KEIKO_GIT_REVISION",
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]),
    );
}

/// Sets a variable for `option_env!`; nothing where the command is missing, as outside a git tree.
fn export(variable: &str, command: &mut Command) {
    if let Ok(output) = command.output()
        && output.status.success()
    {
        println!("cargo:rustc-env={variable}={}", String::from_utf8_lossy(&output.stdout).trim());
    }
}
