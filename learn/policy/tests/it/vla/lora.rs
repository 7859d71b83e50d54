//! Low-rank factors: merged and unmerged, on their base and on another.

use super::golden::sizes;
use burn::tensor::{Device, Tensor, TensorData};
use keiko_policy::noise::{Purpose, Stream};
use keiko_policy::vla::attention::Linear;
use keiko_policy::vla::lora::{DELTA_CONFIG, DELTA_FILE, Rank};
use keiko_policy::vla::manifest::tensors;
use keiko_policy::vla::{Delta, TensorSpec, Weights};

const RANK: Rank = Rank { rank: 3, alpha: 6.0 };
const BASE: &str = "4f1c";

/// Factors of which neither is zero.
fn factors(specs: &[TensorSpec], device: &Device) -> Weights {
    let specs = RANK.factors(specs);
    let stream = Stream::new(3, Purpose::Weights);
    let count: usize = specs.iter().map(TensorSpec::num_elements).sum();
    let numbers: Vec<f32> = (0..count).map(|i| 0.1 * stream.normal(0, i as u64, 0) as f32).collect();
    Weights::from_flat(&specs, &Tensor::from_data(TensorData::new(numbers, [count]), device))
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("keiko-lora-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

#[test]
fn merged_layers_are_the_base_and_the_factors_one_after_the_other() {
    let device = Device::flex();
    let specs = tensors(&sizes().2);
    let base = Weights::random(&specs, 5, &device);
    let factors = factors(&specs, &device);
    let merged = RANK.merged(&base, &factors);
    let mut adapted = 0;
    for spec in &specs {
        let layer = spec.name.trim_end_matches(".weight");
        let a = format!("base_model.model.{layer}.lora_A.weight");
        if !factors.specs().iter().any(|factor| factor.name == a) {
            let one = std::slice::from_ref(spec);
            assert_eq!(base.to_flat(one), merged.to_flat(one), "{}", spec.name);
            continue;
        }
        adapted += 1;
        let linear = |weight| Linear { weight, bias: None };
        let [_, inputs] = spec.matrix();
        let x: Vec<f32> = (0..4 * inputs).map(|i| ((i * 7 % 13) as f32 - 6.0) / 6.0).collect();
        let x = Tensor::<2>::from_data(TensorData::new(x, [4, inputs]), &device);
        let b = format!("base_model.model.{layer}.lora_B.weight");
        let thin = linear(factors.get(&b)).rows(linear(factors.get(&a)).rows(x.clone()));
        let unmerged = linear(base.get(&spec.name)).rows(x.clone()) + thin * (RANK.alpha / RANK.rank as f64);
        let difference = (linear(merged.get(&spec.name)).rows(x) - unmerged).abs().max().into_scalar::<f32>();
        assert!(difference <= 1e-5, "{}: {difference}", spec.name);
    }
    // Queries and values of all layers of eye, language model and expert, the connector, and five projections.
    let sizes = sizes().2;
    assert_eq!(adapted, 2 * (sizes.vision_layers + 2 * sizes.layers) + 1 + 5);
}

#[test]
fn a_delta_is_read_on_its_own_base_only() {
    let device = Device::flex();
    let specs = tensors(&sizes().2);
    let base = Weights::random(&specs, 5, &device);
    let delta = Delta { rank: RANK, base_sha256: BASE.into(), factors: factors(&specs, &device) };
    let folder = folder("base");
    delta.save(&folder).expect("writes");
    let again = Delta::load(&folder, BASE, &specs, &device).expect("reads");
    assert_eq!(again.rank, RANK);
    assert_eq!(again.merge(&base).to_flat(&specs), delta.merge(&base).to_flat(&specs));

    let refused = |base: &str, specs: &[TensorSpec]| {
        Delta::load(&folder, base, specs, &device).expect_err("refused").to_string()
    };
    let message = refused("77aa", &specs);
    assert!(message.contains(BASE) && message.contains("77aa"), "{message}");
    // Who edits the configuration is found out by the weights.
    let config = folder.join(DELTA_CONFIG);
    let text = std::fs::read_to_string(&config).expect("text");
    std::fs::write(&config, text.replace(BASE, "77aa")).expect("writes");
    assert!(refused("77aa", &specs).contains(DELTA_FILE));
    std::fs::write(&config, text.replace("\"r\": 3", "\"r\": 0")).expect("writes");
    assert!(refused(BASE, &specs).contains("allowed"));
    std::fs::write(&config, text.replace("\"r\": 3", "\"r\": 4")).expect("writes");
    assert!(refused(BASE, &specs).contains("[4, "), "shapes are named");
    std::fs::write(&config, text.replace("state_proj", "state_project")).expect("writes");
    assert!(refused(BASE, &specs).contains("no such layer"));
    std::fs::remove_dir_all(&folder).expect("removes");
}
