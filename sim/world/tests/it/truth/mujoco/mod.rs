//! The card's MuJoCo column: measured by the card's own checks, and kept beside them.

mod engine;
mod mjcf;

use std::fmt::Write;

use keiko_testkit as testkit;
use keiko_world::verify::{CHECKS, Check, CheckError, Rapier, Row, find, peer};

use engine::Mujoco;

/// `<option>` attributes of the columns, in the order of `keiko_world::verify::PEERS`.
const OPTIONS: [&str; 2] =
    [r#"integrator="Euler" cone="pyramidal""#, r#"integrator="RK4" cone="elliptic" impratio="10""#];
const FILE: &str = "sim/world/src/verify/mujoco.tsv";

/// Measures a check; NaN in all rows where MuJoCo breaks, nothing where it cannot hold the scene.
fn measure(check: &Check, engine: &Mujoco) -> Vec<Row> {
    match (check.run)(engine) {
        Ok(rows) => rows,
        Err(CheckError::Build(_)) => Vec::new(),
        Err(broken) => {
            println!("{} {}: {broken}", check.id, engine.option);
            let mut rows = (check.run)(&Rapier).expect("the check runs on rapier");
            rows.iter_mut().for_each(|row| row.value = f64::NAN);
            rows
        }
    }
}

/// Measures the named checks, or `all`, anew and writes the file: `KEIKO_MEASURE_MUJOCO=all`, `KEIKO_MEASURE_MUJOCO=T9,T24`.
/// Otherwise compares some that take little time.
#[test]
fn mujoco_column() {
    let Some(python) = testkit::available(testkit::python()) else { return };
    let engines = OPTIONS.map(|option| Mujoco { python: python.clone(), option });
    if let Ok(ids) = std::env::var("KEIKO_MEASURE_MUJOCO") {
        return rewrite(&ids, &engines);
    }
    for check in ["T1", "T7", "T13", "T14", "T16", "T23"].map(|id| find(id).expect("the card has the row")) {
        for (column, engine) in engines.iter().enumerate() {
            for row in measure(check, engine) {
                let kept = peer(row.id, &row.name).and_then(|peer| peer.values[column]);
                let kept = kept.unwrap_or_else(|| panic!("{FILE} lacks {} {}", row.id, row.name));
                // Four digits are kept; errors near the state's own f32 digits are noise.
                let tolerance = 1e-2 * kept.abs() + 1e-5;
                assert!((row.value - kept).abs() <= tolerance, "{row:?}, but {FILE} has {kept:e}");
            }
        }
    }
}

fn rewrite(ids: &str, engines: &[Mujoco; 2]) {
    let mut text = String::from("row\tname\tEuler, pyramidal cone\tRK4, elliptic cone, impratio 10\n");
    let path = testkit::workspace_root().join(FILE);
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    for check in CHECKS {
        if ids != "all" && !ids.split(',').any(|id| id == check.id) {
            let of_check =
                |line: &&str| line.strip_prefix(check.id).is_some_and(|rest| rest.starts_with('\t'));
            before.lines().filter(of_check).for_each(|line| text += &format!("{line}\n"));
            continue;
        }
        let [first, second] = engines.each_ref().map(|engine| measure(check, engine));
        let names = if first.is_empty() { &second } else { &first };
        for row in names {
            let cell = |rows: &[Row]| match rows.iter().find(|other| other.name == row.name) {
                Some(found) => format!("{:.3e}", found.value),
                None => "-".to_owned(),
            };
            let _ = writeln!(text, "{}\t{}\t{}\t{}", row.id, row.name, cell(&first), cell(&second));
        }
    }
    std::fs::write(&path, text).expect("the file can be written");
}
