//! `keiko smoke`: green on good scenes, and a report that other programs can read.

use std::fs;

use crate::support::{TempDir, keiko, workspace_file};

/// Attributes of the root and of each suite, and whether each case failed.
struct Report {
    tests: usize,
    failures: usize,
    suites: Vec<(String, usize, usize)>,
    failed_cases: usize,
    cases: usize,
}

/// Reads a JUnit report with a parser of XML that is not ours.
fn read(path: &str) -> Report {
    let text = fs::read_to_string(path).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let number = |node: roxmltree::Node, name: &str| node.attribute(name).unwrap().parse::<usize>().unwrap();
    let named = |name: &'static str| document.descendants().filter(move |node| node.has_tag_name(name));
    for case in named("testcase") {
        assert!(
            !case.attribute("name").unwrap().is_empty() && !case.attribute("classname").unwrap().is_empty()
        );
        assert!(case.attribute("time").unwrap().parse::<f64>().unwrap() >= 0.0);
    }
    Report {
        tests: number(root, "tests"),
        failures: number(root, "failures"),
        suites: named("testsuite")
            .map(|suite| {
                let cases = suite.children().filter(|node| node.has_tag_name("testcase")).count();
                assert_eq!(number(suite, "tests"), cases);
                (suite.attribute("name").unwrap().to_owned(), cases, number(suite, "failures"))
            })
            .collect(),
        failed_cases: named("failure").count(),
        cases: named("testcase").count(),
    }
}

#[test]
fn good_scenes_are_green() {
    let dir = TempDir::new("green");
    let junit = dir.file("out.xml");
    let args = ["smoke", "cartpole", "ant", "--steps", "20", "--junit", &junit, "--json"];
    let result = keiko(&args).expect(0).result();
    let report = read(&junit);
    assert_eq!((result["passed"].as_u64(), result["failed"].as_u64()), (Some(report.tests as u64), Some(0)));
    assert_eq!((report.failures, report.failed_cases), (0, 0));
    assert_eq!(report.tests, report.cases);
    let names: Vec<&str> = report.suites.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["cartpole", "ant"]);
    // 1, 7 and 32 environments, and the same seed again.
    assert!(report.suites.iter().all(|(_, cases, failures)| *cases >= 4 && *failures == 0));
}

#[test]
fn the_scenes_of_a_folder_are_its_own_not_those_of_folders_in_it() {
    let junit = TempDir::new("folder");
    let file = junit.file("out.xml");
    keiko(&["smoke", &workspace_file("scenes"), "--steps", "2", "--junit", &file]).expect(0);
    let names: Vec<String> = read(&file).suites.into_iter().map(|(name, ..)| name).collect();
    assert!(
        ["ant", "arm-reach", "cartpole", "walk"].iter().all(|scene| names.iter().any(|name| name == scene))
    );
    assert!(!names.iter().any(|name| name.contains("misspelt")), "{names:?}");
}

#[test]
fn people_read_a_line_for_each_check_and_the_count() {
    let outcome = keiko(&["smoke", "cartpole", "--steps", "5"]).expect(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    for check in ["1 environments", "7 environments", "32 environments", "same seed, same digest"] {
        assert!(lines.iter().any(|line| line.contains(check) && line.contains("ok")), "{}", outcome.stdout);
    }
    assert!(lines.last().unwrap().ends_with("passed, 0 failed"), "{}", outcome.stdout);
}

#[test]
fn broken_scenes_are_each_named_with_file_line_and_nearest_name() {
    let dir = TempDir::new("broken");
    let junit = dir.file("out.xml");
    let fixtures = workspace_file("scenes/fixtures");
    let outcome = keiko(&["smoke", &fixtures, "--junit", &junit, "--json"]).expect(3);
    outcome.stderr_has(&[
        "misspelt-key/scene.toml:11:1: unknown key `episode.secnods`; ",
        "did you mean `seconds`?",
        "unknown-term/scene.toml:14:",
        "did you mean `upright`?",
        "unknown-joint/scene.toml:11:",
        "did you mean `hinge`?",
        "no-such-robot.xml",
        "folded-lens/scene.toml:12:",
    ]);
    let report = read(&junit);
    assert_eq!((report.tests, report.failures, report.failed_cases), (5, 5, 5));
    assert_eq!(report.suites.len(), 5);
    let result = outcome.result();
    assert_eq!((result["passed"].as_u64(), result["failed"].as_u64()), (Some(0), Some(5)));
}

#[test]
fn a_good_scene_beside_a_broken_one_is_still_checked() {
    let outcome = keiko(&[
        "smoke",
        &workspace_file("scenes/fixtures/misspelt-key"),
        "cartpole",
        "--steps",
        "2",
        "--json",
    ]);
    let result = outcome.expect(3).result();
    assert_eq!(result["failed"], 1);
    assert!(result["passed"].as_u64().unwrap() >= 4);
}

#[test]
fn numbers_out_of_bounds_fail_the_check() {
    let outcome =
        keiko(&["smoke", "cartpole", "--steps", "5", "--set", "reward.alive.weight=1e9", "--json"]).expect(1);
    outcome.stderr_has(&["cartpole", "reward is"]);
    assert!(outcome.result()["failed"].as_u64().unwrap() >= 3);
}

#[test]
fn an_empty_folder_is_nothing_to_test() {
    let dir = TempDir::new("empty");
    let outcome = keiko(&["smoke", &dir.file(""), "--json"]).expect(5);
    let result = outcome.result();
    assert_eq!((result["passed"].as_u64(), result["failed"].as_u64()), (Some(0), Some(0)));
    let outcome = keiko(&["smoke", &dir.file("")]).expect(5);
    assert!(outcome.stdout.contains("no scene") || outcome.stderr.contains("no scene"));
}

#[test]
fn a_soak_counts_steps_faults_and_memory() {
    let args = ["smoke", &workspace_file("scenes"), "--soak", "30000", "--envs", "64", "--json"];
    let result = keiko(&args).expect(0).result();
    assert_eq!((result["failed"].as_u64(), result["faults"].as_u64()), (Some(0), Some(0)), "{result}");
    assert!(result["steps"].as_u64().unwrap() >= 30_000);
    for scene in result["scenes"].as_array().unwrap() {
        assert!(scene["engine"].as_str().unwrap().starts_with("lanes"), "{scene}");
        assert!(scene["peak_kib"].as_u64().unwrap() > 0 && scene["cpu_seconds"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn a_soak_fails_on_faults_and_says_which() {
    // No pole stays below 1 m/s and 1 rad/s.
    let args =
        ["smoke", "cartpole", "--soak", "2000", "--envs", "16", "--set", "physics.max_speed=1", "--json"];
    let outcome = keiko(&args).expect(1);
    outcome.stderr_has(&["cartpole: soak of", "became NaN or diverged"]);
    let faults = &outcome.result()["scenes"][0]["faults"];
    assert!(faults["diverged"].as_u64().unwrap() > 0 && faults["non_finite"] == 0, "{faults}");
}
