//! Policies as files.

use keiko_policy::normalizer::Statistics;
use keiko_policy::policy::{CONFIG_FILE, FORMAT, WEIGHTS_FILE};
use keiko_policy::{Activation, Head, Policy, PolicyConfig, PolicyError, TermSize};

fn config(head: Head) -> PolicyConfig {
    let term = |name: &str, size| TermSize { name: name.into(), size };
    PolicyConfig {
        format: FORMAT.into(),
        task: "reach".into(),
        observations: vec![term("joint_position", 3), term("goal", 2)],
        images: Vec::new(),
        actions: vec!["shoulder".into(), "elbow".into()],
        joints: vec!["j1".into(), "j2".into(), "j3".into()],
        control_dt: 0.02,
        head,
        activation: Activation::Elu,
        hidden: vec![8, 6],
        convolutions: Vec::new(),
        normalizer: Some(Statistics { mean: vec![0.1, 0.2, 0.3, 0.4, 1.0 / 3.0], scale: vec![1.5; 5] }),
    }
}

fn policy(head: Head) -> Policy {
    let config = config(head);
    let len = config.actor_shape().expect("no images").num_parameters();
    let parameters: Vec<f32> = (0..len).map(|i| ((i * 37 % 101) as f32 - 50.0) / 97.0).collect();
    Policy::new(config, &parameters).expect("fits")
}

fn act(policy: &Policy) -> Vec<f32> {
    let observations: Vec<f32> = (0..5 * 4).map(|i| i as f32 / 7.0 - 1.0).collect();
    let mut actions = vec![0.0; 2 * 4];
    policy.act(&observations, 4, &mut actions);
    actions
}

#[test]
fn a_policy_survives_its_files() {
    for head in [Head::Gaussian, Head::TanhGaussian] {
        let policy = policy(head);
        let files = policy.to_files().expect("serialises");
        let back = Policy::from_files(&files).expect("reads");
        assert_eq!(back, policy);
        assert_eq!(act(&back), act(&policy));
        if head == Head::TanhGaussian {
            assert!(act(&policy).iter().all(|action| action.abs() <= 1.0));
        }
    }
}

#[test]
fn another_environment_is_refused_by_the_first_difference() {
    let config = config(Head::Gaussian);
    let terms = |names: &[(&str, usize)]| names.iter().map(|&(n, s)| (n.to_string(), s)).collect::<Vec<_>>();
    let names = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
    let fitting = terms(&[("joint_position", 3), ("goal", 2)]);
    config.check(&fitting, &names(&["shoulder", "elbow"])).expect("the same");

    let refused = |terms: &[(String, usize)], actions: &[String]| match config.check(terms, actions) {
        Err(PolicyError::Mismatch { what, policy, environment }) => (what, policy, environment),
        other => panic!("not refused: {other:?}"),
    };
    let (what, ours, theirs) = refused(&terms(&[("goal", 2), ("joint_position", 3)]), &config.actions);
    assert_eq!((&*what, &*ours, &*theirs), ("observation 1 of 2", "`joint_position[3]`", "`goal[2]`"));
    let (what, _, theirs) = refused(&terms(&[("joint_position", 3)]), &config.actions);
    assert_eq!((&*what, &*theirs), ("observation 2 of 2", "none"));
    let (what, ours, theirs) = refused(&fitting, &names(&["elbow", "shoulder"]));
    assert_eq!((&*what, &*ours, &*theirs), ("action 1 of 2", "`shoulder`", "`elbow`"));
    assert!(config.check_joints(&names(&["j1", "j3", "j2"])).is_err());
    assert!(config.check_joints(&[]).is_ok(), "unknown joints are not compared");
}

#[test]
fn damaged_files_are_refused_and_named() {
    let files = policy(Head::Gaussian).to_files().expect("serialises");
    let refused = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = files.clone();
        change(files.get_mut(name).expect("present"));
        Policy::from_files(&files).expect_err("refused").to_string()
    };
    let replace = |from: &'static str, to: &'static str| {
        move |bytes: &mut Vec<u8>| {
            let text = String::from_utf8(bytes.clone()).expect("JSON is text");
            assert!(text.contains(from), "{from} in {text}");
            *bytes = text.replacen(from, to, 1).into_bytes();
        }
    };
    assert!(refused(CONFIG_FILE, &replace("keiko-mlp-1", "keiko-mlp-9")).contains("keiko-mlp-9"));
    assert!(refused(CONFIG_FILE, &replace("\"task\"", "\"tusk\"")).contains("tusk"));
    assert!(refused(CONFIG_FILE, &replace("\"size\": 3", "\"size\": 99999999999")).contains("width"));
    assert!(refused(CONFIG_FILE, &replace("\"size\": 3", "\"size\": 900000")).contains("900002"));
    assert!(refused(CONFIG_FILE, &replace("    8,", "    800000,")).contains("too short"));
    assert!(refused(CONFIG_FILE, &replace("1.5", "0.0")).contains("positive"));
    assert!(refused(WEIGHTS_FILE, &|bytes| bytes.truncate(100)).contains(WEIGHTS_FILE));
    let nan = |bytes: &mut Vec<u8>| {
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    };
    assert!(refused(WEIGHTS_FILE, &nan).contains("not finite"));
    let mut missing = files.clone();
    missing.remove(WEIGHTS_FILE);
    assert!(Policy::from_files(&missing).expect_err("refused").to_string().contains(WEIGHTS_FILE));
}
