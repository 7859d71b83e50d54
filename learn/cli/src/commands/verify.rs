//! `keiko verify physics` and `keiko verify rapier`: known answers, and another engine's, with the value that came out
//! beside the demand.

use anyhow::anyhow;
use keiko_model::error::nearest_name;
use keiko_world::verify::{
    AGREEMENT, Bound, CHECKS, Check, CheckError, ENGINES, PEERS, Row, engine, peer, reason,
};
use rayon::prelude::*;
use serde_json::json;

use crate::args::{VerifyPhysics, VerifyRapier};
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// Runs the command.
pub fn run(args: &VerifyPhysics, output: &mut Output) -> CommandResult {
    let checks = select(CHECKS, &args.rows, args.group.as_deref()).or_exit(Code::Usage)?;
    card(&args.physics, &checks, output)
}

/// Runs `keiko verify rapier`.
pub fn run_beside_rapier(args: &VerifyRapier, output: &mut Output) -> CommandResult {
    let checks = select(AGREEMENT, &args.rows, None).or_exit(Code::Usage)?;
    card("lanes", &checks, output)
}

/// Runs checks on an engine and prints the card, then what it misses. [`Code::Failed`] if it misses anything.
fn card(name: &str, checks: &[&Check], output: &mut Output) -> CommandResult {
    let engine = engine(name)
        .ok_or_else(|| anyhow!("there is no engine `{name}`; allowed: {}", ENGINES.join(", ")))
        .or_exit(Code::Usage)?;
    let results: Vec<_> = checks.par_iter().map(|check| (check.run)(engine.as_ref())).collect();

    let [defaults, fine] = PEERS;
    output.say(format!(
        "{:<5} {:<48} {:>10} {:>12} {defaults:>10} {fine:>10} unit",
        "row",
        "on ".to_owned() + engine.name(),
        "value",
        "demand"
    ));
    let (mut misses, mut passed, mut rows) = (Vec::new(), 0, Vec::new());
    for (check, result) in checks.iter().zip(results) {
        match result {
            Ok(card) => {
                for row in card {
                    output.say(line(&row));
                    rows.push(as_json(engine.name(), &row));
                    if row.passed {
                        passed += 1;
                    } else {
                        misses.push(missed(engine.name(), &row));
                    }
                }
            }
            Err(error) => {
                output.say(format!("{:<5} {}: {error}", check.id, check.title));
                rows.push(broken(check, &error));
                misses.push(format!("{} {}: {error}", check.id, check.title));
            }
        }
    }
    if !misses.is_empty() {
        output.say(format!("\n{} misses:", engine.name()));
        misses.iter().for_each(|miss| output.say(format!("  {miss}")));
    }
    output.say(format!("{passed} passed, {} failed", misses.len()));
    output.set("engine", engine.name());
    output.set("passed", passed);
    output.set("failed", misses.len());
    output.set("rows", rows);
    Ok(if misses.is_empty() { Code::Done } else { Code::Failed })
}

/// A row as it is printed: value, demand, and MuJoCo's values, `-` where MuJoCo cannot hold the scene.
fn line(row: &Row) -> String {
    let bound = match row.bound {
        Bound::AtMost => "<=",
        Bound::AtLeast => ">=",
    };
    let [defaults, fine] = peer(row.id, &row.name)
        .map_or([None; 2], |peer| peer.values)
        .map(|value| value.map_or("-".to_owned(), |value| format!("{value:.2e}")));
    let verdict = if row.passed { "" } else { "  MISSED" };
    format!(
        "{:<5} {:<48} {:>10.2e} {bound} {:>9.2e} {defaults:>10} {fine:>10} {}{verdict}",
        row.id, row.name, row.value, row.demand, row.unit
    )
}

/// What is said of a missed row at the end.
fn missed(engine: &str, row: &Row) -> String {
    let why = reason(engine, row).unwrap_or("no reason is known: a regression, or a row that is new");
    format!("{} {}: {:.2e} {}, demand {:.2e}: {why}", row.id, row.name, row.value, row.unit, row.demand)
}

fn as_json(engine: &str, row: &Row) -> serde_json::Value {
    // JSON has no number for what diverged or never came.
    let values = peer(row.id, &row.name).map_or([None; 2], |peer| peer.values);
    let mut entry = json!({
        "row": row.id, "name": row.name, "value": row.value, "demand": row.demand, "unit": row.unit,
        "bound": if row.bound == Bound::AtMost { "at most" } else { "at least" },
        "passed": row.passed, "mujoco": values[0], "mujoco_rk4": values[1],
    });
    if !row.passed {
        entry["reason"] = json!(reason(engine, row));
    }
    entry
}

fn broken(check: &Check, error: &CheckError) -> serde_json::Value {
    json!({ "row": check.id, "name": check.title, "error": error.to_string(), "passed": false })
}

/// The checks that were named, in the card's order.
fn select(
    all: &'static [Check],
    rows: &[String],
    group: Option<&str>,
) -> anyhow::Result<Vec<&'static Check>> {
    let ids = || all.iter().map(|check| check.id);
    let groups = || all.iter().map(|check| check.group);
    for row in rows {
        known("row", row, ids().collect())?;
    }
    if let Some(group) = group {
        known("group", group, groups().collect())?;
    }
    let wanted = |check: &&Check| {
        (rows.is_empty() || rows.iter().any(|row| row == check.id))
            && group.is_none_or(|group| group == check.group)
    };
    Ok(all.iter().filter(wanted).collect())
}

/// Refuses a name that is not among those allowed.
fn known(what: &str, name: &str, mut allowed: Vec<&'static str>) -> anyhow::Result<()> {
    if allowed.contains(&name) {
        return Ok(());
    }
    allowed.dedup();
    let hint = nearest_name(name, allowed.iter().copied())
        .map(|n| format!("; did you mean `{n}`?"))
        .unwrap_or_default();
    Err(anyhow!("there is no {what} `{name}`; allowed: {}{hint}", allowed.join(", ")))
}
