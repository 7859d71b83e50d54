//! `keiko curve`: how some runs learned, side by side, as a table in Markdown.

use std::fmt::Write as _;

use anyhow::Context;
use keiko_train::find_run;
use keiko_train::metrics::{MetricsLine, read_metrics};
use serde_json::json;

use super::run_files::{CPU_SECONDS, ENV_STEPS};
use crate::args::Curve;
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// One run: `[env_steps, cpu_seconds, metric]` of every iteration that has the metric.
type Points = Vec<[f64; 3]>;

/// Runs the command.
pub fn run(args: &Curve, output: &mut Output) -> CommandResult {
    let mut runs = Vec::new();
    for which in &args.runs {
        let file = find_run(&args.folder, which)?.join("metrics.jsonl");
        let points: Points =
            read_metrics(&file)?.iter().filter_map(|line| point(line, &args.metric)).collect();
        if points.is_empty() {
            let error = anyhow::anyhow!("{} has no `{}` yet", file.display(), args.metric);
            return Err(error).or_exit(Code::Usage);
        }
        runs.push(points);
    }
    let longest =
        runs.iter().max_by_key(|points| points.len()).context("no run was named").or_exit(Code::Usage)?;
    let rows = args.rows.min(longest.len());
    let mut table = format!(
        "| env steps | CPU-seconds | `{}`, mean of {} | lowest | highest |\n|---|---|---|---|---|\n",
        args.metric,
        runs.len()
    );
    let mut values = Vec::new();
    for row in 1..=rows {
        let [steps, ..] = longest[row * longest.len() / rows - 1];
        let at: Points = runs.iter().map(|points| until(points, steps)).collect();
        let column = |k: usize| at.iter().map(move |point| point[k]);
        let mean = |k: usize| column(k).sum::<f64>() / at.len() as f64;
        let (low, high) = (column(2).fold(f64::MAX, f64::min), column(2).fold(f64::MIN, f64::max));
        let digits = if high.abs() < 10.0 { 3 } else { 0 };
        let _ = writeln!(
            table,
            "| {:.2} M | {:.0} | {:.digits$} | {low:.digits$} | {high:.digits$} |",
            mean(0) / 1e6,
            mean(1),
            mean(2)
        );
        values.push(json!({ "env_steps": mean(0), "cpu_seconds": mean(1), "mean": mean(2), "lowest": low, "highest": high }));
    }
    output.say(table.trim_end());
    output.set("curve", values);
    Ok(Code::Done)
}

fn point(line: &MetricsLine, metric: &str) -> Option<[f64; 3]> {
    let get = |name: &str| line.scalars.get(name).copied();
    Some([get(ENV_STEPS)?, get(CPU_SECONDS)?, get(metric)?])
}

/// The last point up to some steps, or the first: a run that stopped early stays where it stopped.
fn until(points: &Points, steps: f64) -> [f64; 3] {
    points.iter().rev().find(|point| point[0] <= steps).unwrap_or(&points[0]).to_owned()
}
