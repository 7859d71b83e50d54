//! What commands say on stdout: one `RESULT {...}` line for programs, text for people, tables in files.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{TempDir, command, keiko, newest_iteration, only_run, text, tiny, train};

/// Fails unless each field is there with a number.
#[track_caller]
fn assert_numbers(result: &Value, fields: &[&str]) {
    for field in fields {
        assert!(result[field].is_number(), "`{field}` is {} in {result}", result[field]);
    }
}

const OF_A_POLICY: [&str; 6] =
    ["mean_return", "success_rate", "episodes", "env_steps", "cpu_seconds", "wall_seconds"];

#[test]
fn train_gives_the_promised_fields_and_a_whole_run_folder() {
    let dir = TempDir::new("train-json");
    let runs = dir.file("runs");
    let outcome = keiko(&tiny(&runs, "3", &["--json", "--seed", "7"])).expect(0);
    let result = outcome.result();
    assert_numbers(&result, &OF_A_POLICY);
    assert_eq!((result["episodes"].as_u64(), result["env_steps"].as_u64()), (Some(3), Some(3 * 4 * 16)));
    let run = only_run(Path::new(&runs)).unwrap();
    assert_eq!(result["run_dir"], text(&run));
    assert_eq!(newest_iteration(&run), Some(3));

    let progress: Vec<Value> =
        outcome.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(progress.last().unwrap()["iteration"], 3);

    let record: Value = serde_json::from_str(&fs::read_to_string(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(
        (record["start"]["seed"].as_u64(), record["start"]["device"].as_str()),
        (Some(7), Some("cpu"))
    );
    for fact in ["command_line", "keiko_version", "os", "host", "cpus"] {
        assert!(!record["start"][fact].is_null(), "run.json lacks {fact}");
    }
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(config.contains("seed = 7") && config.contains("num_envs = 4"), "{config}");
    let events = fs::read_dir(&run).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    assert_eq!(events.filter(|name| name.contains("tfevents")).count(), 1);
    assert_eq!(fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines().count(), 3);
}

#[test]
fn train_tells_people_where_the_run_is_and_how_to_play_it() {
    let dir = TempDir::new("train-text");
    let runs = dir.file("runs");
    let outcome = keiko(&tiny(&runs, "2", &[])).expect(0);
    let run = text(&only_run(Path::new(&runs)).unwrap());
    for piece in [format!("run folder: {run}"), format!("keiko play {run}"), "mean return".to_owned()] {
        assert!(outcome.stdout.contains(&piece), "no `{piece}` in {}", outcome.stdout);
    }
    // Not a terminal: plain lines, nothing that moves a cursor.
    assert!(!outcome.stderr.contains('\x1b') && outcome.stderr.contains("2/2"), "{}", outcome.stderr);
    keiko(&["play", &run, "--episodes", "1"]).expect(0);
    keiko(&["play", "last", "--runs", &runs, "--episodes", "1"]).expect(0);
    keiko(&["play", "cartpole", "--runs", &runs, "--episodes", "1"]).expect(0);
}

#[test]
fn eval_repeats_itself_to_the_bit_and_follows_its_seed() {
    let dir = TempDir::new("eval");
    let run = text(&train(&dir.file("runs"), "2", &[]));
    let eval = |more: &[&str]| {
        let result =
            keiko(&[&["eval", &run, "--episodes", "20", "--json"], more].concat()).expect(0).result();
        assert_numbers(&result, &OF_A_POLICY);
        assert_eq!((result["episodes"].as_u64(), result["run_dir"].as_str()), (Some(20), Some(run.as_str())));
        result
    };
    let (first, again, other) = (eval(&[]), eval(&["--threads", "1"]), eval(&["--seed", "5"]));
    for field in ["mean_return", "std_return", "success_rate", "env_steps", "mean_length"] {
        assert_eq!(first[field], again[field], "{field}");
    }
    assert_ne!(first["mean_return"], other["mean_return"]);
    // One point for each step that the pole stands, so none for the last of an episode that failed.
    let [mean_return, length, success] =
        ["mean_return", "mean_length", "success_rate"].map(|field| first[field].as_f64().unwrap());
    assert!((mean_return - (length - (1.0 - success))).abs() < 1e-6, "{first}");
}

#[test]
fn eval_counts_what_it_is_asked_for() {
    let dir = TempDir::new("eval-count");
    let run = text(&train(&dir.file("runs"), "1", &[]));
    for (episodes, envs) in [("1", "50"), ("7", "3"), ("10", "10")] {
        let result =
            keiko(&["eval", &run, "--episodes", episodes, "--envs", envs, "--json"]).expect(0).result();
        assert_eq!(result["episodes"].as_u64().unwrap().to_string(), episodes);
    }
    keiko(&["eval", &run, "--episodes", "0"]).expect(2);
    keiko(&["eval", &run, "--envs", "0"]).expect(2);
}

#[test]
fn a_trace_has_a_row_for_each_step() {
    let dir = TempDir::new("trace");
    let run = text(&train(&dir.file("runs"), "2", &[]));
    let trace = dir.file("trace.csv");
    let args = ["play", &run, "--episodes", "2", "--seed", "4", "--trace", &trace, "--json"];
    let result = keiko(&args).expect(0).result();
    assert_numbers(&result, &OF_A_POLICY);
    assert_eq!(result["episodes"], 2);

    let table = fs::read_to_string(&trace).unwrap();
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    assert_eq!(header[..3], ["episode", "time", "reward"]);
    let count = |prefix: &str| header.iter().filter(|name| name.starts_with(prefix)).count();
    assert_eq!((count("action:"), count("qpos:"), count("qvel:")), (1, 2, 2), "{header:?}");
    assert_eq!(header.len(), 8);

    let rows: Vec<Vec<f64>> =
        lines.map(|row| row.iter().map(|value| value.parse::<f64>().unwrap()).collect()).collect();
    assert!(rows.iter().all(|row| row.len() == header.len() && row.iter().all(|value| value.is_finite())));
    assert_eq!(result["env_steps"], rows.len());
    for episode in [1.0, 2.0] {
        let times: Vec<f64> = rows.iter().filter(|row| row[0] == episode).map(|row| row[1]).collect();
        assert!((times[0] - 0.02).abs() < 1e-9, "{times:?}");
        assert!(times.windows(2).all(|pair| (pair[1] - pair[0] - 0.02).abs() < 1e-9), "{times:?}");
    }
    // The cart moves by its velocity, which changes evenly within a step: positions are those of the centred substeps.
    let (position, velocity) = (header.iter().position(|name| name.starts_with("qpos:")).unwrap(), 6);
    for pair in rows.windows(2).filter(|pair| pair[0][0] == pair[1][0] && pair[1][1] > 0.03) {
        let last_of_episode = rows.iter().rposition(|row| row[0] == pair[0][0]).map(|index| &rows[index]);
        if last_of_episode == Some(&pair[1]) {
            continue;
        }
        let moved = pair[1][position] - pair[0][position];
        assert!((moved - 0.01 * (pair[0][velocity] + pair[1][velocity])).abs() < 1e-4, "{pair:?}");
    }
    // The same seed gives the same trace.
    let again = dir.file("again.csv");
    keiko(&["play", &run, "--episodes", "2", "--seed", "4", "--trace", &again]).expect(0);
    assert_eq!(table, fs::read_to_string(&again).unwrap());
}

#[test]
fn bench_prints_a_line_for_each_figure() {
    let args = ["bench", "rapier", "cartpole", "--seconds", "0.1", "--envs", "4"];
    let outcome = keiko(&args).expect(0);
    let metrics: Vec<&str> = outcome
        .stdout
        .lines()
        .map(|line| {
            let (key, value) = line.split_once(' ').unwrap();
            assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
            key.strip_prefix("cartpole.").unwrap()
        })
        .collect();
    let promised = ["physics_steps_per_cpu_second", "kib_per_env", "first_step_seconds"];
    assert!(promised.iter().all(|metric| metrics.contains(metric)), "{}", outcome.stdout);
    let result = keiko(&[&args[..], &["--json"]].concat()).expect(0).result();
    for metric in promised {
        assert!(result["figures"][format!("cartpole.{metric}")].is_number(), "{result}");
    }
    assert!(result["figures"]["cartpole.physics_steps_per_cpu_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn envs_lists_and_describes() {
    let outcome = keiko(&["envs"]).expect(0);
    for scene in ["cartpole", "ant", "arm-reach", "walk"] {
        assert!(outcome.stdout.lines().any(|line| line.starts_with(scene)), "{}", outcome.stdout);
    }
    let result = keiko(&["envs", "--json"]).expect(0).result();
    assert!(result["envs"].as_array().unwrap().len() >= 4);
    let result = keiko(&["envs", "cartpole", "--json"]).expect(0).result();
    let spec = &result["envs"][0]["spec"];
    assert_eq!((spec["name"].as_str(), spec["max_episode_steps"].as_u64()), (Some("cartpole"), Some(500)));
    assert_eq!(spec["actions"].as_array().unwrap().len(), 1);
    let outcome = keiko(&["envs", "cartpole"]).expect(0);
    for piece in ["angular_velocity", "alive", "pole_fell"] {
        assert!(outcome.stdout.contains(piece), "{}", outcome.stdout);
    }
}

/// As with `keiko ... 2>&1 | head -1`.
#[test]
fn a_reader_that_went_away_stops_no_work() {
    let dir = TempDir::new("closed");
    let runs = dir.file("runs");
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let run = |args: &[&str]| command(args).stdout(closed()).stderr(closed()).status().unwrap().code();
    assert_eq!(run(&["envs"]), Some(0));
    assert_eq!(run(&tiny(&runs, "3", &[])), Some(0));
    assert_eq!(newest_iteration(&only_run(Path::new(&runs)).unwrap()), Some(3));
    assert_eq!(run(&["envs", "cartpol"]), Some(3));
}

#[test]
fn an_error_ends_with_a_result_line_too() {
    let result = keiko(&["envs", "cartpol", "--json"]).expect(3).result();
    assert!(result["error"].as_str().unwrap().contains("cartpole"), "{result}");
}

#[test]
fn verify_prints_values_beside_demands() {
    let result = keiko(&["--json", "verify", "physics", "T1", "T14"]).expect(0).result();
    assert_eq!(result["failed"], 0, "{result}");
    let rows = result["rows"].as_array().unwrap();
    assert_eq!(result["passed"].as_u64(), Some(rows.len() as u64));
    assert!(rows.iter().any(|row| row["row"] == "T1") && rows.iter().any(|row| row["row"] == "T14"));
    assert!(rows.iter().all(|row| row["value"].as_f64().unwrap() <= row["demand"].as_f64().unwrap()));
    keiko(&["verify", "physics", "T999"]).expect(2).stderr_has(&["T999", "T14"]);
}
