//! Bad data gets one clear error: which file, what was found, what is allowed.

use std::fs;
use std::path::Path;

use keiko_data::{Dataset, Error, ErrorKind, Frame, Recorder, STATE, check};

use crate::support::{TempDir, edit, record, record_to, spec};

const DATA: &str = "data/chunk-000/file-001.parquet";
const INFO: &str = "meta/info.json";
const STATS: &str = "meta/stats.json";

/// A dataset of three episodes, spoilt.
#[track_caller]
fn refused(name: &str, spoil: impl FnOnce(&Path)) -> Error {
    let dir = TempDir::new(name);
    record(dir.path(), 3);
    spoil(dir.path());
    Dataset::open(dir.path()).expect_err("the dataset must be refused")
}

#[track_caller]
fn assert_says(error: &Error, file: &str, parts: &[&str]) {
    let text = error.to_string();
    assert!(error.location.file.ends_with(file), "{text}: names another file than {file}");
    assert!(parts.iter().all(|part| text.contains(part)), "{text}: lacks one of {parts:?}");
}

#[test]
fn a_missing_column() {
    let error = refused("column", |dir| {
        edit(&dir.join(INFO), |text| text.replace("\"observation.state\"", "\"observation.stale\""));
        edit(&dir.join(STATS), |text| text.replace("\"observation.state\"", "\"observation.stale\""));
    });
    let nearest = "did you mean `observation.state`?";
    assert_says(
        &error,
        "file-000.parquet",
        &["no column `observation.stale`", "it has observation.state", nearest],
    );
    assert_eq!(error.kind, ErrorKind::Unknown);
    let error =
        refused("action", |dir| edit(&dir.join(INFO), |text| text.replace("\"action\"", "\"actoin\"")));
    assert_says(&error, INFO, &["no feature `action`", "did you mean `actoin`?"]);
    let error =
        refused("counter", |dir| edit(&dir.join(INFO), |text| text.replace("task_index", "task_number")));
    assert_says(&error, INFO, &["feature `task_index`"]);
}

#[test]
fn joints_in_another_order_or_of_another_robot() {
    let dir = TempDir::new("joints");
    record(dir.path(), 1);
    let dataset = Dataset::open(dir.path()).unwrap();
    let spec = spec();
    dataset.check_robot(Some("two-joint"), &spec.state, &spec.action).unwrap();
    dataset.check_robot(None, &[], &[]).unwrap();
    let mut swapped = spec.state.clone();
    swapped.swap(0, 1);
    let error = dataset.check_robot(None, &swapped, &spec.action).unwrap_err();
    assert_says(
        &error,
        INFO,
        &["the same names in another order", "number 0 is `shoulder` and `elbow` is wanted"],
    );
    let mut other = spec.action.clone();
    other.push("gripper".into());
    let error = dataset.check_robot(None, &spec.state, &other).unwrap_err();
    assert_says(&error, INFO, &["feature `action` is of another robot", "number 2 is missing and `gripper`"]);
    let error = dataset.check_robot(Some("panda"), &spec.state, &spec.action).unwrap_err();
    assert_says(&error, INFO, &["of robot `two-joint`", "`panda` is wanted"]);
}

#[test]
fn statistics_that_are_no_numbers() {
    // As Python's json writes them, as JSON allows them, and as nothing at all.
    for (number, what) in
        [("NaN", "`NaN`"), ("-Infinity", "`Infinity`"), ("null", "null"), ("\"1\"", "no number")]
    {
        let error = refused("nan", |dir| spoil_first_mean(&dir.join(STATS), number));
        assert_says(&error, STATS, &[what]);
        assert!(number != "NaN" || error.location.line > 1, "{error}: which line?");
    }
    let error = refused("std", |dir| edit(&dir.join(STATS), |text| text.replace("\"std\"", "\"spread\"")));
    assert_says(&error, STATS, &["there is no `std`"]);
    let error = refused("none", |dir| edit(&dir.join(STATS), |text| text.replace(STATE, "other")));
    assert_says(&error, STATS, &["feature `observation.state`", "no statistics"]);
    let error = refused("gone", |dir| fs::remove_file(dir.join(STATS)).unwrap());
    assert_says(&error, STATS, &["cannot open"]);
}

/// Puts something else in place of the first number of the first mean.
fn spoil_first_mean(path: &Path, number: &str) {
    edit(path, |text| {
        let mean = text.find("\"mean\"").unwrap();
        let start = mean + text[mean..].find(|c: char| c.is_ascii_digit() || c == '-').unwrap();
        let end = start + text[start..].find([',', '\n']).unwrap();
        format!("{}{number}{}", &text[..start], &text[end..])
    });
}

#[test]
fn a_file_that_ends_too_early() {
    let dir = TempDir::new("truncated");
    record(dir.path(), 3);
    for file in [DATA, "meta/tasks.parquet", "meta/episodes/chunk-000/file-000.parquet"] {
        let path = dir.path().join(file);
        let whole = fs::read(&path).unwrap();
        for part in 0..64 {
            fs::write(&path, &whole[..whole.len() * part / 64]).unwrap();
            let error = Dataset::open(dir.path()).expect_err(file);
            assert_says(&error, file, &[if part == 0 { "not a parquet file" } else { "truncated" }]);
        }
        fs::write(&path, &whole).unwrap();
    }
    Dataset::open(dir.path()).unwrap();
}

/// Everything that a dataset gives.
fn content(folder: &Path) -> (Vec<Frame>, Vec<String>) {
    let dataset = Dataset::open(folder).unwrap();
    let frames = (0..dataset.len()).map(|index| dataset.frame(index).unwrap()).collect();
    (frames, dataset.info().tasks.clone())
}

#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let dir = TempDir::new("flipped");
    record(dir.path(), 2);
    let before = content(dir.path());
    for file in [DATA, "meta/tasks.parquet"] {
        let path = dir.path().join(file);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            // Nobody reads all of a footer: there are annotations, and who wrote it.
            if check(dir.path()).is_ok_and(|report| report.findings.is_empty()) {
                assert!(content(dir.path()) == before, "bit {} of byte {at} of {file} goes unseen", at % 8);
            }
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_value_of_a_page_that_changed() {
    let dir = TempDir::new("page");
    record(dir.path(), 2);
    let path = dir.path().join(DATA);
    let mut bytes = fs::read(&path).unwrap();
    // The first page is that of the state; its last byte lies before the header of the next.
    let value = 10.1_f32.to_le_bytes();
    let at = bytes.windows(4).position(|window| window == value).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = Dataset::open(dir.path()).unwrap_err();
    assert_says(&error, DATA, &["observation.state", "checksum"]);
}

#[test]
fn pickles() {
    let error =
        refused("pickle", |dir| fs::write(dir.join(DATA), b"\x80\x04\x95garbage of a pickle").unwrap());
    assert_says(&error, DATA, &["Python pickle", "runs what it says"]);
    assert_eq!(error.kind, ErrorKind::Unsupported);
    let error = refused("zip", |dir| fs::write(dir.join(DATA), b"PK\x03\x04 archive/data.pkl").unwrap());
    assert_says(&error, DATA, &["pickles"]);
    let error = refused("template", |dir| edit(&dir.join(INFO), |text| text.replace(".parquet", ".pkl")));
    assert_says(&error, INFO, &["names pickles"]);
    let dir = TempDir::new("file");
    let path = dir.path().join("demos.pkl");
    fs::write(&path, b"\x80\x04.").unwrap();
    assert_says(&Dataset::open(&path).unwrap_err(), "demos.pkl", &["file of pickles", "LeRobotDataset v3.0"]);
    let error = refused("lfs", |dir| {
        fs::write(dir.join(DATA), "version https://git-lfs.github.com/spec/v1\noid sha256:0\n").unwrap();
    });
    assert_says(&error, DATA, &["git lfs pull"]);
}

#[test]
fn what_is_not_supported() {
    let error = refused("video", |dir| {
        edit(&dir.join(INFO), |text| text.replacen("\"dtype\": \"image\"", "\"dtype\": \"video\"", 1));
    });
    assert_says(&error, INFO, &["`observation.images.front` is a video", "there is no video_path"]);
    let error = refused("version", |dir| edit(&dir.join(INFO), |text| text.replace("v3.0", "v2.1")));
    assert_says(&error, INFO, &["`v2.1`", "`v3.0`"]);
    let error =
        refused("dtype", |dir| edit(&dir.join(INFO), |text| text.replace("\"bool\"", "\"complex64\"")));
    assert_says(&error, INFO, &["dtype `complex64`", "float32"]);
    let error =
        refused("escape", |dir| edit(&dir.join(INFO), |text| text.replace("data/chunk", "../data/chunk")));
    assert_says(&error, INFO, &["leads out of the dataset"]);
    let error = refused("fps", |dir| edit(&dir.join(INFO), |text| text.replace("\"fps\": 25", "\"fps\": 0")));
    assert_says(&error, INFO, &["fps 0"]);
    let error = refused("shape", |dir| {
        edit(&dir.join(INFO), |text| text.replace("        6,", "        99999999999,"))
    });
    assert_says(&error, INFO, &["shape"]);
    let error = refused("syntax", |dir| edit(&dir.join(INFO), |text| text.replace(':', ";")));
    assert!(error.location.line > 0 && error.kind == ErrorKind::Syntax, "{error}");
}

#[test]
fn files_that_do_not_fit_together() {
    let error = refused("rows", |dir| fs::remove_dir_all(dir.join("meta/episodes")).unwrap());
    assert_says(&error, INFO, &["3 episodes; meta/episodes has 0"]);
    let error = refused("frames", |dir| fs::remove_file(dir.join(DATA)).unwrap());
    assert_says(&error, DATA, &["No such file"]);
    let error = refused("other", |dir| {
        fs::copy(dir.join("data/chunk-000/file-000.parquet"), dir.join(DATA)).unwrap();
    });
    assert_says(&error, DATA, &["episode 1 has 4 frames; this file has 3"]);
    let error = refused("again", |dir| {
        fs::copy(dir.join(DATA), dir.join("data/chunk-000/file-000.parquet")).unwrap();
    });
    assert_says(&error, DATA, &["row 0: frame 3 again"]);
    let error =
        refused("names", |dir| edit(&dir.join(INFO), |text| text.replacen("\"finger\"", "\"a\",\"b\"", 1)));
    assert_says(&error, INFO, &["4 names for 3 numbers"]);
    let error = refused("size", |dir| {
        edit(&dir.join(INFO), |text| {
            let text =
                text.replacen("\"shape\": [\n        3\n      ]", "\"shape\": [\n        2\n      ]", 1);
            text.replacen("\"finger\"", "", 1).replacen("\"elbow\",\n        \n", "\"elbow\"\n", 1)
        });
    });
    assert_says(&error, STATS, &["observation.state", "3 numbers; the feature has 2"]);
    for nowhere in ["missing", "meta"] {
        let dir = TempDir::new("nowhere");
        fs::create_dir(dir.path().join("meta")).unwrap();
        assert!(Dataset::open(&dir.path().join(nowhere)).is_err());
    }
}

#[test]
fn an_image_of_another_size() {
    let dir = TempDir::new("image-size");
    record(dir.path(), 1);
    edit(&dir.path().join(INFO), |text| text.replacen("        6,", "        7,", 1));
    let dataset = Dataset::open(dir.path()).unwrap();
    let error = dataset.frame(1).unwrap_err();
    assert_says(
        &error,
        "file-000.parquet",
        &["frame 1", "observation.images.front", "6 x 4 pixels", "7 x 4"],
    );
    let report = check(dir.path()).unwrap();
    assert!(report.findings.len() == 3 && report.findings[0].contains("6 x 4"), "{:?}", report.findings);
}

#[test]
fn totals_and_statistics_of_other_data_are_found() {
    let dir = TempDir::new("found");
    record(dir.path(), 3);
    edit(&dir.path().join(INFO), |text| text.replace("\"total_frames\": 12", "\"total_frames\": 11"));
    spoil_first_mean(&dir.path().join(STATS), "1234.5");
    let findings = check(dir.path()).unwrap().findings;
    assert!(findings.iter().any(|what| what.contains("counts 3 episodes and 11 frames")), "{findings:?}");
    assert!(findings.iter().any(|what| what.contains("`mean` of")), "{findings:?}");
    // Going on writes them anew.
    record_to(&mut Recorder::append(dir.path(), &spec()).unwrap(), 4);
    assert_eq!(check(dir.path()).unwrap().findings, Vec::<String>::new());
}
