//! `keiko data`: what a dataset holds, and whether it is sound.

use std::path::Path;

use keiko_data::{Dataset, ErrorKind, check};
use serde_json::json;

use crate::args::{Data, DataWhat};
use crate::exit::{Code, CommandResult, Failure};
use crate::output::Output;

/// Tasks that are named.
const SHOWN: usize = 12;

/// Runs the command.
pub fn run(args: &Data, output: &mut Output) -> CommandResult {
    match &args.what {
        DataWhat::Check { dir } => check_folder(dir, output),
    }
}

fn check_folder(dir: &Path, output: &mut Output) -> CommandResult {
    let dataset = Dataset::open(dir).map_err(refused)?;
    let info = dataset.info();
    let robot = info.robot_type.as_deref().unwrap_or("unknown");
    output.say(format!(
        "robot {robot}, {} frames a second, {} episodes, {} frames, {} tasks",
        info.fps,
        info.total_episodes,
        info.total_frames,
        info.tasks.len()
    ));
    for feature in &info.features {
        let names =
            if feature.names.is_empty() { String::new() } else { format!("  {}", feature.names.join(" ")) };
        output.say(format!("  {:<28} {:<8} {:?}{names}", feature.name, feature.dtype.name(), feature.shape));
    }
    for task in info.tasks.iter().take(SHOWN) {
        output.say(format!("  task: {task}"));
    }
    if info.tasks.len() > SHOWN {
        output.say(format!("  and {} more tasks", info.tasks.len() - SHOWN));
    }
    let report = check(dir).map_err(refused)?;
    for finding in &report.findings {
        output.say(format!("found: {finding}"));
    }
    let images = report.images;
    output.say(match report.findings.len() {
        0 => format!("sound: {images} images, every checksum and every counter"),
        count => format!("{count} findings"),
    });
    output.set("episodes", report.episodes);
    output.set("frames", report.frames);
    output.set("images", images);
    output.set("findings", json!(report.findings));
    Ok(if report.findings.is_empty() { Code::Done } else { Code::Failed })
}

/// A dataset that is refused is a wrong argument; a disk that fails is the machine's.
pub fn refused(error: keiko_data::Error) -> Failure {
    let code = if error.kind == ErrorKind::Io { Code::Machine } else { Code::Usage };
    Failure { code, error: error.into() }
}
