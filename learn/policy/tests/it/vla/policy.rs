//! Policies of all kinds through one trait.

use super::golden::Judge;
use burn::tensor::Device;
use keiko_policy::chunk::StatePolicy;
use keiko_policy::vla::{Checkpoint, Images, Preset, VlaPolicy};
use keiko_policy::{ChunkPolicy, Observation};

/// Asks for chunks as a program does that does not know what is inside.
fn ask(policy: &dyn ChunkPolicy, observation: &Observation) -> Vec<f32> {
    let shape = policy.shape();
    let chunks = policy.chunks(observation).expect("fits");
    let batch = observation.state.len() / shape.state;
    assert_eq!(chunks.len(), batch * shape.chunk * shape.action);
    assert!(chunks.iter().all(|x| x.is_finite()));
    chunks
}

fn view((width, height, pixels): &(usize, usize, Vec<u8>)) -> Images<'_> {
    Images { width: *width, height: *height, pixels }
}

#[test]
fn a_policy_that_sees_and_reads_acts_through_the_trait() {
    let judge = Judge::load();
    let checkpoint = Checkpoint::load(&super::fixture(), &Device::flex()).expect("reads");
    let policy = VlaPolicy::new(checkpoint, 1).expect("complete");
    let shape = policy.shape();
    assert_eq!((shape.chunk, shape.executed, shape.action, shape.state), (5, 3, 4, 5));
    let (front, wrist) = (judge.pixels("front"), judge.pixels("wrist"));
    let images = [("observation.images.front", view(&front)), ("observation.images.wrist", view(&wrist))];
    let both = Observation {
        images: &images,
        instructions: &["Pick up the red cube.", "push"],
        state: judge.values("raw_state"),
        draws: &[3, 4],
    };
    let chunks = ask(&policy, &both);
    assert_eq!(chunks, ask(&policy, &both), "the same draws, the same chunks");
    let other = ask(&policy, &Observation { draws: &[3, 5], ..both });
    let half = chunks.len() / 2;
    assert_eq!(chunks[..half], other[..half], "an environment's noise is its own");
    assert_ne!(chunks[half..], other[half..]);
    let few = Observation { draws: &[3], ..both };
    assert!(policy.chunks(&few).expect_err("one draw is missing").to_string().contains("1 for 2"));
}

#[test]
fn a_perceptron_acts_through_the_trait() {
    use keiko_policy::policy::{FORMAT, PolicyConfig, TermSize};
    use keiko_policy::{Activation, Head, Policy};
    let config = PolicyConfig {
        format: FORMAT.into(),
        task: "toy".into(),
        observations: vec![TermSize { name: "position".into(), size: 3 }],
        images: Vec::new(),
        actions: vec!["a".into(), "b".into()],
        joints: Vec::new(),
        control_dt: 0.1,
        head: Head::Gaussian,
        activation: Activation::Tanh,
        hidden: vec![4],
        convolutions: Vec::new(),
        normalizer: None,
    };
    let parameters: Vec<f32> =
        (0..config.actor_shape().expect("fits").num_parameters()).map(|i| (i as f32 * 0.7).sin()).collect();
    let policy = Policy::new(config, &parameters).expect("fits");
    let (mut first, mut second) = ([0.0; 2], [0.0; 2]);
    policy.act(&[0.1, 0.2, 0.3], 1, &mut first);
    policy.act(&[-1.0, 0.5, 2.0], 1, &mut second);
    let policy = StatePolicy::new(policy);
    assert_eq!((policy.shape().chunk, policy.shape().cameras.len()), (1, 0));
    let state = [0.1, 0.2, 0.3, -1.0, 0.5, 2.0];
    let actions = ask(&policy, &Observation { state: &state, ..Observation::default() });
    assert_eq!(actions, [first, second].concat());
}

#[test]
fn a_fresh_model_is_a_checkpoint_that_is_read_again() {
    let cameras = [("observation.images.front", [3, 64, 64])];
    let texts = ["pick the red cube", "pick the blue cube"];
    let device = Device::flex();
    let fresh = |seed| {
        let statistics = Default::default();
        Checkpoint::fresh(Preset::Nano, &cameras, [8, 7], texts, statistics, seed, &device).expect("fits")
    };
    let checkpoint = fresh(1);
    let folder = std::env::temp_dir().join(format!("keiko-fresh-{}", std::process::id()));
    checkpoint.save(&folder).expect("writes");
    let again = Checkpoint::load(&folder, &device).expect("reads");
    let specs = checkpoint.weights.specs();
    assert_eq!(again.weights.to_flat(specs), checkpoint.weights.to_flat(specs));
    assert_eq!(again.tokenizer.encode(texts[0]), checkpoint.tokenizer.encode(texts[0]));
    assert_ne!(fresh(2).weights.to_flat(specs), checkpoint.weights.to_flat(specs));
    std::fs::remove_dir_all(&folder).expect("removes");
}
