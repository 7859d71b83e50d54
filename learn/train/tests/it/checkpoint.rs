//! A checkpoint is whole and right, or refused by name.

use std::fs;
use std::path::{Path, PathBuf};

use keiko_train::checkpoint::{Checkpoint, CheckpointStore, Damage};
use keiko_train::{StorageError, StorageErrorKind};
use sha2::{Digest, Sha256};

use crate::support::{Random, TempDir, files_of};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A store with steps 10 and 20.
fn two_checkpoints(dir: &Path) -> CheckpointStore {
    let mut store = CheckpointStore::open(dir, 2).unwrap();
    store.save(10, &files_of(10, 3000)).unwrap();
    store.save(20, &files_of(20, 3000)).unwrap();
    store
}

/// All files of a checkpoint, the manifest and its hash too.
fn files_in(dir: &Path) -> Vec<PathBuf> {
    names(dir).into_iter().map(|name| dir.join(name)).collect()
}

/// Step 20 must be refused, by the name of one of `files` and with 10 offered, whichever way it is asked for.
fn assert_refused(store: &CheckpointStore, files: &[&Path], what: &str) -> Damage {
    let latest = store.load_latest().unwrap();
    let checkpoint = latest.checkpoint.unwrap_or_else(|| panic!("{what}: nothing offered"));
    assert_eq!((checkpoint.step, checkpoint.files), (10, files_of(10, 3000)), "{what}");
    assert_eq!(latest.refused.len(), 1, "{what}");
    let refused = &latest.refused[0];
    assert_eq!(refused.step, 20);
    assert!(files.contains(&refused.file.as_path()), "{what}: blames {}", refused.file.display());

    let error = store.load(20).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (StorageErrorKind::Damaged, 4));
    let text = error.to_string();
    assert!(text.contains(refused.file.to_str().unwrap()) && text.contains("step 10"), "{what}: {text}");
    refused.damage.clone()
}

/// A change of the manifest and one of its hash file cannot be told apart: either may be blamed.
fn may_be_blamed(dir: &Path, file: &Path) -> Vec<PathBuf> {
    let manifest = [dir.join("manifest.json"), dir.join("manifest.sha256")];
    if manifest.iter().any(|path| path == file) { manifest.to_vec() } else { vec![file.to_owned()] }
}

fn damage_and_restore(
    store: &CheckpointStore,
    dir: &Path,
    file: &Path,
    damaged: &[u8],
    what: &str,
) -> Damage {
    let whole = fs::read(file).unwrap();
    fs::write(file, damaged).unwrap();
    let blamed = may_be_blamed(dir, file);
    let damage = assert_refused(store, &blamed.iter().map(PathBuf::as_path).collect::<Vec<_>>(), what);
    fs::write(file, whole).unwrap();
    damage
}

#[test]
fn what_is_loaded_is_what_was_saved() {
    let dir = TempDir::new("round-trip");
    let mut store = CheckpointStore::open(dir.path().join("deep/checkpoints"), 3).unwrap();
    assert_eq!(store.load_latest().unwrap().checkpoint, None);
    let path = store.save(7, &files_of(7, 100_000)).unwrap();
    assert!(path.ends_with("000000000007"));
    let expected = Checkpoint { step: 7, path, files: files_of(7, 100_000) };
    assert_eq!(store.load(7).unwrap(), expected);
    let latest = CheckpointStore::read_only(dir.path().join("deep/checkpoints")).load_latest().unwrap();
    assert_eq!((latest.checkpoint, latest.refused.len()), (Some(expected), 0));
}

/// The hashes are those of another program.
#[test]
fn the_manifest_holds_what_sha256sum_says() {
    let dir = TempDir::new("sha256sum");
    let mut store = CheckpointStore::open(dir.path(), 2).unwrap();
    let path = store.save(1, &files_of(1, 5000)).unwrap();
    let check = |args: &[&str]| {
        let output = std::process::Command::new("sha256sum").args(args).current_dir(&path).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    check(&["-c", "--strict", "manifest.sha256"]);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(path.join("manifest.json")).unwrap()).unwrap();
    assert_eq!((&manifest["format"], &manifest["step"]), (&1.into(), &1.into()));
    for (name, bytes) in files_of(1, 5000) {
        let record = &manifest["files"][&name];
        assert_eq!(record["bytes"], bytes.len());
        assert!(check(&[&name]).starts_with(record["sha256"].as_str().unwrap()));
    }
}

#[test]
fn every_flipped_bit_is_refused_and_the_previous_offered() {
    let dir = TempDir::new("flips");
    let store = two_checkpoints(dir.path());
    let newest = dir.path().join("000000000020");
    let mut random = Random(1);
    let mut flips = 0;
    for file in files_in(&newest) {
        let whole = fs::read(&file).unwrap();
        for _ in 0..120 {
            let (offset, bit) = (random.below(whole.len()), random.below(8));
            let mut damaged = whole.clone();
            damaged[offset] ^= 1 << bit;
            let what = format!("{} bit {bit} of byte {offset}", file.display());
            let damage = damage_and_restore(&store, &newest, &file, &damaged, &what);
            if let Damage::Hash { expected, actual } = damage {
                assert_ne!(expected, actual);
                assert_eq!(actual.len(), 64);
            }
            flips += 1;
        }
    }
    assert!(flips >= 500);
    assert_eq!(store.load(20).unwrap().files, files_of(20, 3000), "restored files load again");
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let dir = TempDir::new("truncations");
    let store = two_checkpoints(dir.path());
    let newest = dir.path().join("000000000020");
    for file in files_in(&newest) {
        let whole = fs::read(&file).unwrap();
        for part in 0..64 {
            let len = whole.len() * part / 64;
            let what = format!("{} cut to {len} bytes", file.display());
            damage_and_restore(&store, &newest, &file, &whole[..len], &what);
        }
        let longer = [whole.as_slice(), b"\n"].concat();
        damage_and_restore(&store, &newest, &file, &longer, &format!("{} with a byte more", file.display()));
        let zeroed = vec![0; whole.len()];
        damage_and_restore(&store, &newest, &file, &zeroed, &format!("{} of zeros", file.display()));
    }
}

#[test]
fn a_missing_file_a_folder_in_its_place_and_swapped_files_are_refused() {
    let dir = TempDir::new("swaps");
    let store = two_checkpoints(dir.path());
    let newest = dir.path().join("000000000020");
    for file in files_in(&newest) {
        let whole = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let damage = assert_refused(&store, &[&file], "missing");
        assert!(matches!(damage, Damage::Unreadable(_)));
        fs::create_dir(&file).unwrap();
        assert_refused(&store, &[&file], "a folder");
        fs::remove_dir(&file).unwrap();
        fs::write(&file, whole).unwrap();
    }
    let (a, b) = (newest.join("env.bin"), newest.join("trainer.json"));
    let (bytes_a, bytes_b) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
    fs::write(&a, &bytes_b).unwrap();
    fs::write(&b, &bytes_a).unwrap();
    assert!(matches!(assert_refused(&store, &[&a, &b], "swapped"), Damage::Size { .. }));
}

#[test]
fn a_checkpoint_under_another_step_is_refused() {
    let dir = TempDir::new("renamed");
    let store = two_checkpoints(dir.path());
    fs::rename(dir.path().join("000000000020"), dir.path().join("000000000030")).unwrap();
    let refused = store.load_latest().unwrap().refused;
    assert_eq!(refused.len(), 1);
    assert!(refused[0].to_string().contains("the manifest is of step 20"), "{}", refused[0]);
}

/// Manifests with a right hash and wrong contents: what only a program of another version would write.
#[test]
fn manifests_that_are_not_understood_are_refused() {
    let dir = TempDir::new("manifests");
    let store = two_checkpoints(dir.path());
    let newest = dir.path().join("000000000020");
    let whole = fs::read_to_string(newest.join("manifest.json")).unwrap();
    let outside = whole.replace("\"env.bin\"", "\"../../secret\"");
    let cases = [
        (whole.replace("\"format\": 1", "\"format\": 2"), "format 2 is unknown, this keiko reads format 1"),
        (whole.replace("\"format\"", "\"fromat\""), "unknown field `fromat`"),
        (outside, "`../../secret` is not a plain file name"),
        (
            whole.replace("\"bytes\": 72", "\"bytes\": 18446744073709551615"),
            "expected 18446744073709551615 bytes",
        ),
        (String::new(), "EOF"),
        ("[".repeat(100_000), "invalid type: sequence"),
    ];
    for (text, expected) in cases {
        fs::write(newest.join("manifest.json"), &text).unwrap();
        let hash: String = Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        fs::write(newest.join("manifest.sha256"), format!("{hash}  manifest.json\n")).unwrap();
        let refused = store.load_latest().unwrap().refused;
        assert!(refused[0].to_string().contains(expected), "{} instead of {expected}", refused[0]);
    }
}

#[test]
fn the_newest_are_kept() {
    let dir = TempDir::new("keep");
    let mut store = CheckpointStore::open(dir.path(), 3).unwrap();
    for step in [5, 10, 15, 20, 1_000_000_000_000_000] {
        store.save(step, &files_of(step, 10)).unwrap();
    }
    assert_eq!(store.steps().unwrap(), [15, 20, 1_000_000_000_000_000]);
    assert_eq!(names(dir.path()), ["000000000015", "000000000020", "1000000000000000"]);
    let mut store = CheckpointStore::open(dir.path(), 0).unwrap();
    store.save(1_000_000_000_000_001, &files_of(3, 10)).unwrap();
    assert_eq!(store.steps().unwrap().len(), 2, "fewer than two are never kept");
}

/// Damaged checkpoints do not count: deleting the older ones would leave nothing to go back to.
#[test]
fn an_intact_one_is_not_deleted_in_favour_of_a_damaged_one() {
    let dir = TempDir::new("keep-intact");
    drop(two_checkpoints(dir.path()));
    fs::write(dir.path().join("000000000020/env.bin"), b"damaged").unwrap();
    let mut store = CheckpointStore::open(dir.path(), 2).unwrap();
    store.save(30, &files_of(30, 10)).unwrap();
    assert_eq!(store.steps().unwrap(), [10, 20, 30]);
    store.save(40, &files_of(40, 10)).unwrap();
    assert_eq!(store.steps().unwrap(), [30, 40]);
}

#[test]
fn saving_a_step_again_replaces_it() {
    let dir = TempDir::new("again");
    let mut store = two_checkpoints(dir.path());
    store.save(20, &files_of(21, 50)).unwrap();
    assert_eq!(store.load(20).unwrap().files, files_of(21, 50));
    assert_eq!(names(dir.path()), ["000000000010", "000000000020"]);
    fs::remove_file(dir.path().join("000000000020/manifest.json")).unwrap();
    store.save(20, &files_of(20, 50)).unwrap();
    assert_eq!(store.load(20).unwrap().files, files_of(20, 50));
}

/// The states a killed writer can leave, made by hand.
#[test]
fn a_writer_cleans_up_and_a_reader_does_not() {
    let dir = TempDir::new("leftovers");
    drop(two_checkpoints(dir.path()));
    fs::create_dir(dir.path().join("000000000030.tmp-99")).unwrap();
    fs::write(dir.path().join("000000000030.tmp-99/env.bin"), b"half").unwrap();
    fs::rename(dir.path().join("000000000010"), dir.path().join("000000000010.old-99")).unwrap();
    fs::create_dir(dir.path().join("000000000020.old-99")).unwrap();

    let reader = CheckpointStore::read_only(dir.path());
    assert_eq!(reader.load_latest().unwrap().checkpoint.unwrap().step, 20);
    assert_eq!(names(dir.path()).len(), 4);

    let writer = CheckpointStore::open(dir.path(), 2).unwrap();
    assert_eq!(names(dir.path()), ["000000000010", "000000000020"]);
    assert_eq!(writer.load(10).unwrap().files, files_of(10, 3000), "put aside, never replaced: back again");
}

#[test]
fn going_back_discards_the_newer_ones() {
    let dir = TempDir::new("back");
    let mut store = two_checkpoints(dir.path());
    store.discard_after(10).unwrap();
    assert_eq!(names(dir.path()), ["000000000010"]);
}

#[test]
fn names_that_are_not_plain_are_refused() {
    let dir = TempDir::new("names");
    let mut store = CheckpointStore::open(dir.path(), 2).unwrap();
    for name in ["", "..", "a/b", "a\\b", ".hidden", "manifest.json", "manifest.sha256", "é", "a\nb"] {
        let error = store.save(1, &[(name.to_owned(), vec![1])].into()).unwrap_err();
        assert!(matches!(error, StorageError::Name { .. }), "{name:?}: {error}");
    }
    assert_eq!(names(dir.path()), [] as [&str; 0]);
}

#[test]
fn a_step_that_is_not_there_is_missing() {
    let dir = TempDir::new("absent");
    let store = two_checkpoints(dir.path());
    let error = store.load(15).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (StorageErrorKind::Missing, 2));
    assert!(error.to_string().contains("[10, 20]"), "{error}");
}
