//! Run folders: made, found, resumed.

use std::path::Path;

use keiko_train::run_dir::{RunDir, RunInfo, find_run, read_checkpoints, read_config, read_record};
use keiko_train::{StorageError, StorageErrorKind};

use crate::support::{TempDir, files_of};

fn info(seed: u64) -> RunInfo {
    RunInfo::of_this_process(seed, "cpu", None, Some("0123abc-dirty"), Some("rustc 1.95.0"))
}

fn create(root: &Path, task: &str, seed: u64) -> RunDir {
    RunDir::create(root, task, "seed = 1\n", info(seed)).unwrap()
}

#[test]
fn a_run_holds_what_it_was_started_with() {
    let root = TempDir::new("runs");
    let run = create(root.path(), "cartpole", 7);
    let name = run.path().file_name().unwrap().to_str().unwrap().to_owned();
    let digits: String = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(digits, "0000-00-00_000000_seed0");
    assert_eq!(run.config_toml().unwrap(), "seed = 1\n");
    assert_eq!(read_config(run.path()).unwrap(), "seed = 1\n");
    let record = read_record(run.path()).unwrap();
    assert_eq!((record.task.as_str(), record.resumes.len()), ("cartpole", 0));
    assert_eq!(record.start.command_line, std::env::args().collect::<Vec<_>>());
    assert_eq!(record.start.git_revision.as_deref(), Some("0123abc-dirty"));
    assert_eq!((record.start.seed, record.start.pid), (7, std::process::id()));
    assert!(record.start.cpus >= 1 && !record.start.host.is_empty());
    assert!(run.policy_dir().is_dir());
}

#[test]
fn runs_of_one_second_do_not_clash() {
    let root = TempDir::new("clash");
    let runs: Vec<RunDir> = (0..5).map(|_| create(root.path(), "ant", 1)).collect();
    let mut paths: Vec<_> = runs.iter().map(|run| run.path().to_owned()).collect();
    paths.dedup();
    assert_eq!(paths.len(), 5);
    assert_eq!(&find_run(root.path(), "last").unwrap(), paths.last().unwrap());
}

#[test]
fn a_run_goes_on_in_one_process_at_a_time() {
    let root = TempDir::new("resume");
    let run = create(root.path(), "walk", 3);
    let path = run.path().to_owned();
    run.checkpoints(2).unwrap().save(40, &files_of(40, 100)).unwrap();
    assert_eq!(RunDir::resume(&path).unwrap_err().kind(), StorageErrorKind::Locked);
    assert_eq!(read_checkpoints(&path).load_latest().unwrap().checkpoint.unwrap().step, 40);
    drop(run);

    let mut resumed = RunDir::resume(&path).unwrap();
    resumed.record_resume(40, info(3)).unwrap();
    let record = read_record(&path).unwrap();
    assert_eq!(&record, resumed.record());
    assert_eq!(record.resumes.iter().map(|resume| resume.step).collect::<Vec<_>>(), [40]);
    let logs = resumed.logs(Some(40)).unwrap();
    assert_eq!(logs.0.dropped(), 0);
}

#[test]
fn a_run_is_found_by_path_task_or_last() {
    let root = TempDir::new("find");
    let first = create(root.path(), "cartpole", 1).path().to_owned();
    // File systems stamp times with the kernel's tick: two runs within one have no order.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let second = create(root.path(), "arm-reach", 1).path().to_owned();
    // The label in the name counts, not the order in which files were written.
    let older = root.path().join("cartpole/2020-01-01_000000_seed1");
    std::fs::rename(create(root.path(), "cartpole", 1).path(), &older).unwrap();
    assert_eq!(find_run(root.path(), "last").unwrap(), second);
    assert_eq!(find_run(root.path(), "cartpole").unwrap(), first);
    assert_eq!(find_run(root.path(), older.to_str().unwrap()).unwrap(), older);
}

#[test]
fn a_run_that_is_not_there_is_named_with_what_is() {
    let root = TempDir::new("not-found");
    let error = find_run(root.path(), "last").unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (StorageErrorKind::Missing, 2));
    assert!(error.to_string().contains("there are no runs in"), "{error}");
    drop(create(root.path(), "cartpole", 1));
    let error = find_run(root.path(), "cartpoel").unwrap_err().to_string();
    assert!(error.ends_with("did you mean `cartpole`?"), "{error}");
    let error = find_run(root.path(), root.path().to_str().unwrap()).unwrap_err().to_string();
    assert!(error.contains("is not a run folder: it has no run.json"), "{error}");
}

#[test]
fn a_run_record_of_garbage_is_an_error() {
    let root = TempDir::new("bad-record");
    let path = create(root.path(), "cartpole", 1).path().to_owned();
    std::fs::write(path.join("run.json"), "{\"task\":1}").unwrap();
    let error = RunDir::resume(&path).unwrap_err();
    assert!(matches!(error, StorageError::Format { .. }), "{error}");
    assert!(error.to_string().contains("run.json: invalid type"), "{error}");
}

#[test]
fn a_task_with_an_odd_name_stays_inside_the_root() {
    let root = TempDir::new("odd");
    for task in ["../../escape", "a/b", "", "日本"] {
        let run = create(root.path(), task, 1);
        assert_eq!(run.path().parent().unwrap().parent().unwrap(), root.path(), "{task:?}");
        assert_eq!(run.record().task, task);
    }
}

#[test]
fn a_root_that_cannot_be_a_folder_is_a_storage_error() {
    let root = TempDir::new("file");
    let file = root.path().join("runs");
    std::fs::write(&file, "").unwrap();
    let error = RunDir::create(&file, "cartpole", "", info(1)).unwrap_err();
    assert_eq!(error.exit_code(), 4, "{error}");
    assert!(error.to_string().contains("runs"), "{error}");
}
