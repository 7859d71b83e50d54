//! `keiko bench open`: what passes between a robot file and its first picture in the viewer.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use cpu_time::ProcessTime;
use keiko_model::import::{self, ImportOptions};
use keiko_viewer::{LoadOptions, Session, Source, View};
use serde_json::json;

use crate::args::BenchOpen;
use crate::exit::{Code, CommandResult, OrExit};
use crate::eyes;
use crate::output::Output;

/// A robot that was opened.
struct Opened {
    file: PathBuf,
    /// Reading the file and building the physics, preparing its shapes, the first picture: wall time \[s\].
    parts: [f64; 3],
    /// CPU time of all of it \[s\].
    cpu: f64,
    triangles: usize,
}

impl Opened {
    fn seconds(&self) -> f64 {
        self.parts.iter().sum()
    }
}

/// Runs the command.
pub fn run(args: &BenchOpen, output: &mut Output) -> CommandResult {
    let options = LoadOptions {
        num_envs: 1,
        seed: 1,
        physics: None,
        backend: eyes::backend(args.device).or_exit(Code::Machine)?,
    };
    let (mut opened, mut not_imported, mut failed) = (Vec::new(), 0, Vec::new());
    for (root, file) in files(&args.paths).or_exit(Code::Usage)? {
        let imports =
            import::load(&file, &ImportOptions { root: Some(root.clone()), ..ImportOptions::default() });
        if imports.is_err() {
            not_imported += 1;
            continue;
        }
        match open(&file, root, &options, args.size) {
            Ok(robot) => opened.push(robot),
            Err(error) => failed.push(format!("{}: {error:#}", file.display())),
        }
    }
    if opened.is_empty() && failed.is_empty() {
        return Err(anyhow::anyhow!("no robot file there imports")).or_exit(Code::Nothing);
    }
    opened.sort_by(|a, b| b.seconds().total_cmp(&a.seconds()));
    let slow = opened.iter().filter(|robot| robot.seconds() > args.demand).count();
    let titles = ["open", "load", "shapes", "picture", "cpu", "triangles"];
    output.say(titles.map(|title| format!("{title:>10}")).concat());
    for robot in opened.iter().take(args.worst) {
        let [load, shapes, picture] = robot.parts;
        output.say(format!(
            "{:10.3}{load:10.3}{shapes:10.3}{picture:10.3}{:10.3}{:10}  {}",
            robot.seconds(),
            robot.cpu,
            robot.triangles,
            robot.file.display()
        ));
    }
    failed.iter().for_each(|line| output.say(format!("not opened: {line}")));
    let mean = opened.iter().map(Opened::seconds).sum::<f64>() / opened.len().max(1) as f64;
    let worst = opened.first().map_or(0.0, Opened::seconds);
    let cpu = opened.iter().map(|robot| robot.cpu).fold(0.0, f64::max);
    output.say(format!(
        "{} robots open, {} do not, {not_imported} files do not import; slowest {worst:.3} s, most CPU time \
         {cpu:.3} s, mean {mean:.3} s; {slow} need more than {} s",
        opened.len(),
        failed.len(),
        args.demand
    ));
    output.set("opened", opened.len());
    output.set("not_opened", json!(failed));
    output.set("not_imported", not_imported);
    output.set("slowest_seconds", worst);
    output.set("most_cpu_seconds", cpu);
    output.set("mean_seconds", mean);
    output.set("over_demand", slow);
    Ok(if slow == 0 && failed.is_empty() { Code::Done } else { Code::Failed })
}

fn open(file: &Path, root: PathBuf, options: &LoadOptions, size: [u32; 2]) -> anyhow::Result<Opened> {
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    let source = Source::Robot { file: file.to_owned(), root: Some(root) };
    let session = Session::new(source, options.clone(), None)?;
    let load = start.elapsed().as_secs_f64();
    let mut view = View::new(&session)?;
    let shapes = start.elapsed().as_secs_f64() - load;
    view.coarse(&session, size)?;
    let picture = start.elapsed().as_secs_f64() - load - shapes;
    let triangles = session.model().meshes.iter().map(|mesh| mesh.triangles.len()).sum();
    Ok(Opened {
        file: file.to_owned(),
        parts: [load, shapes, picture],
        cpu: cpu.elapsed().as_secs_f64(),
        triangles,
    })
}

/// Robot files with the folders that their meshes may not leave.
fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<(PathBuf, PathBuf)>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut found = Vec::new();
            collect(path, &mut found).with_context(|| format!("{} cannot be searched", path.display()))?;
            found.sort();
            files.extend(found.into_iter().map(|file| (path.clone(), file)));
        } else {
            let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
            files.push((folder.to_owned(), path.clone()));
        }
    }
    Ok(files)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            collect(&path, found)?;
        } else if super::super::render::is_robot_file(&path.to_string_lossy()) {
            found.push(path);
        }
    }
    Ok(())
}
