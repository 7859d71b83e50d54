//! `keiko verify`: known answers, with the value that came out beside the demand.

use anyhow::anyhow;
use keiko_model::error::nearest_name;
use keiko_world::verify::{CHECKS, Check, Rapier};
use rayon::prelude::*;
use serde_json::json;

use crate::args::{Verify, VerifyWhat};
use crate::exit::{Code, CommandResult, OrExit};
use crate::output::Output;

/// Runs the command.
pub fn run(args: &Verify, output: &mut Output) -> CommandResult {
    let VerifyWhat::Physics { rows, group } = &args.what;
    let checks = select(rows, group.as_deref()).or_exit(Code::Usage)?;
    let results: Vec<_> = checks.par_iter().map(|check| (check.run)(&Rapier)).collect();

    output.say(format!("{:<5} {:<52} {:>12} {:>12} unit", "row", "error", "value", "demand"));
    let (mut passed, mut failed, mut rows) = (0, 0, Vec::new());
    for (check, result) in checks.iter().zip(results) {
        match result {
            Ok(card) => {
                for row in card {
                    let verdict = if row.passed { "" } else { "  FAILED" };
                    output.say(format!(
                        "{:<5} {:<52} {:>12.4e} {:>12.4e} {}{verdict}",
                        row.id, row.name, row.value, row.demand, row.unit
                    ));
                    *(if row.passed { &mut passed } else { &mut failed }) += 1;
                    rows.push(json!({
                        "row": row.id, "name": row.name, "value": row.value, "demand": row.demand,
                        "unit": row.unit, "passed": row.passed,
                    }));
                }
            }
            Err(error) => {
                failed += 1;
                output.say(format!("{:<5} {}: {error}  FAILED", check.id, check.title));
                rows.push(json!({ "row": check.id, "name": check.title, "error": error.to_string(), "passed": false }));
            }
        }
    }
    output.say(format!("{passed} passed, {failed} failed"));
    output.set("passed", passed);
    output.set("failed", failed);
    output.set("rows", rows);
    Ok(if failed == 0 { Code::Done } else { Code::Failed })
}

/// The checks that were named, in the card's order.
fn select(rows: &[String], group: Option<&str>) -> anyhow::Result<Vec<&'static Check>> {
    let ids = || CHECKS.iter().map(|check| check.id);
    let groups = || CHECKS.iter().map(|check| check.group);
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
    Ok(CHECKS.iter().filter(wanted).collect())
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
