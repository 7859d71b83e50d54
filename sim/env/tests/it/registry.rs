//! Every scene that is shipped: loads, steps, keeps its shapes, repeats itself.

use std::collections::BTreeSet;

use keiko_env::VecEnv;
use keiko_model::task::list_scenes;

use crate::common::{env, options, repository, roll, scene};

fn shipped() -> Vec<String> {
    let folder = repository().join("scenes");
    let folder = folder.canonicalize().expect("scenes/ is there");
    let scenes = list_scenes()
        .into_iter()
        .filter(|(_, file)| file.canonicalize().is_ok_and(|file| file.starts_with(&folder)));
    scenes.map(|(name, _)| name).collect()
}

#[test]
fn the_promised_scenes_are_shipped_and_each_is_named_like_its_folder() {
    let names = shipped();
    let promised = [
        "ant",
        "arm-reach",
        "cartpole",
        "half-cheetah",
        "inverted-pendulum",
        "pick-place",
        "push-to",
        "reach-to",
        "sort",
        "walk",
    ];
    for name in promised {
        assert!(names.iter().any(|n| n == name), "{name} is not in {names:?}");
    }
    let mut seen = BTreeSet::new();
    for name in &names {
        let spec = scene(name, &[]);
        assert_eq!(&spec.name, name);
        assert!(!spec.description.is_empty(), "{name} has no description");
        assert!(seen.insert(spec.name));
    }
}

#[test]
fn every_scene_steps_finite_in_bounds_and_the_same_for_the_same_seed() {
    for name in shipped() {
        for num_envs in [1, 7] {
            let run = |seed| {
                let mut env = env(&name, &[], &options(num_envs, seed));
                let outputs = roll(&mut env, 0..40);
                assert_eq!(env.num_faults(), 0, "{name}");
                (env.spec().clone(), outputs)
            };
            let (spec, outputs) = run(1);
            for output in &outputs {
                for (group, field) in spec.observations.iter().zip(&output.observations) {
                    assert_eq!((field.num_rows(), field.num_envs()), (group.size(), num_envs), "{name}");
                    assert!(
                        field.as_slice().iter().all(|x| x.is_finite() && x.abs() < 1e4),
                        "{name} {}",
                        group.name
                    );
                }
                assert_eq!(output.reward.len(), num_envs);
                assert!(output.reward.iter().all(|r| r.is_finite() && r.abs() < 1e4), "{name}");
            }
            assert_eq!(outputs, run(1).1, "{name}: another result for the same seed");
            assert_ne!(outputs, run(2).1, "{name}: the seed changes nothing");
        }
    }
}

#[test]
fn every_scene_explains_itself() {
    for name in shipped() {
        let text = std::fs::read_to_string(repository().join("scenes").join(&name).join("README.md"))
            .unwrap_or_else(|error| panic!("{name}/README.md: {error}"));
        for heading in ["## Observations", "## Actions", "## Reward", "## Randomisation", "## Success"] {
            assert!(text.contains(heading), "{name}/README.md has no `{heading}`");
        }
        let spec = scene(&name, &[]);
        let terms = spec.reward.names().chain(spec.randomize.names()).chain(spec.terminate.names());
        for term in terms.chain(spec.observe.iter().flat_map(|(_, group)| group.names())) {
            assert!(text.contains(&format!("`{term}`")), "{name}/README.md does not explain `{term}`");
        }
    }
}

#[test]
fn the_published_schema_is_the_one_that_checks() {
    let path = repository().join("scenes/schema.json");
    let text = serde_json::to_string_pretty(&keiko_model::task::schema()).expect("serialises") + "\n";
    if std::env::var_os("KEIKO_BLESS").is_some() {
        std::fs::write(&path, &text).expect("writes");
    }
    let published = std::fs::read_to_string(&path).expect("scenes/schema.json is there");
    assert!(published == text, "scenes/schema.json is old; KEIKO_BLESS=1 writes it anew");
}

#[test]
fn every_scene_prints_as_toml_that_reads_back() {
    for name in shipped() {
        let spec = scene(&name, &[]);
        let printed = spec.to_toml();
        let again = keiko_model::TaskSpec::parse(&printed, &spec.robot.file, &[])
            .unwrap_or_else(|e| panic!("{name}: {e}\n{printed}"));
        assert_eq!(again.to_toml(), printed, "{name}");
    }
}
