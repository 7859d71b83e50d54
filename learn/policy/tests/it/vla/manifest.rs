//! Names and shapes of the published checkpoint.

use keiko_policy::vla::manifest::tensors;
use keiko_policy::vla::weights::Header;
use keiko_policy::vla::{Preset, Sizes, TensorSpec};
use std::collections::BTreeMap;

fn sizes(preset: Preset) -> Sizes {
    let cameras = [("observation.images.front", [3, 64, 64])];
    Sizes::new(&preset.config(&cameras, 6, 6), &preset.vlm()).expect("possible")
}

fn num_parameters(specs: &[TensorSpec]) -> usize {
    specs.iter().map(TensorSpec::num_elements).sum()
}

/// `lerobot/smolvla_base`, revision c83c3163b8ca9b7e67c509fffd9121e66cb96205: 500 tensors of 450,046,176 numbers, of
/// which 350,165,184 are the language model's, 98,245,840 the expert's and 1,635,152 the projections'.
#[test]
fn the_public_model_has_the_500_published_tensors() {
    let specs = tensors(&sizes(Preset::SmolVla));
    let shapes: BTreeMap<&str, &[usize]> =
        specs.iter().map(|spec| (spec.name.as_str(), spec.shape.as_slice())).collect();
    assert_eq!(specs.len(), 500);
    assert_eq!(shapes.len(), 500, "no name twice");
    assert_eq!(num_parameters(&specs), 450_046_176);
    let part = |start: &str| -> usize {
        specs.iter().filter(|spec| spec.name.starts_with(start)).map(TensorSpec::num_elements).sum()
    };
    assert_eq!(part("model.vlm_with_expert.vlm."), 350_165_184);
    assert_eq!(part("model.vlm_with_expert.lm_expert."), 98_245_840);
    assert_eq!(part("model.state_proj") + part("model.action_"), 1_635_152);

    let published: &[(&str, &[usize])] = &[
        ("model.state_proj.weight", &[960, 32]),
        ("model.action_out_proj.bias", &[32]),
        ("model.action_time_mlp_in.weight", &[720, 1440]),
        ("model.vlm_with_expert.lm_expert.layers.14.self_attn.k_proj.weight", &[320, 720]),
        ("model.vlm_with_expert.lm_expert.layers.15.self_attn.v_proj.weight", &[320, 320]),
        ("model.vlm_with_expert.lm_expert.layers.0.self_attn.o_proj.weight", &[720, 960]),
        ("model.vlm_with_expert.lm_expert.layers.0.mlp.down_proj.weight", &[720, 2048]),
        ("model.vlm_with_expert.lm_expert.norm.weight", &[720]),
        ("model.vlm_with_expert.vlm.lm_head.weight", &[49280, 960]),
        ("model.vlm_with_expert.vlm.model.connector.modality_projection.proj.weight", &[960, 12288]),
        ("model.vlm_with_expert.vlm.model.text_model.embed_tokens.weight", &[49280, 960]),
        ("model.vlm_with_expert.vlm.model.text_model.layers.15.mlp.up_proj.weight", &[2560, 960]),
        ("model.vlm_with_expert.vlm.model.vision_model.embeddings.patch_embedding.weight", &[768, 3, 16, 16]),
        ("model.vlm_with_expert.vlm.model.vision_model.embeddings.position_embedding.weight", &[1024, 768]),
        ("model.vlm_with_expert.vlm.model.vision_model.encoder.layers.11.mlp.fc1.bias", &[3072]),
        ("model.vlm_with_expert.vlm.model.vision_model.post_layernorm.bias", &[768]),
    ];
    for (name, shape) in published {
        assert_eq!(shapes.get(name), Some(shape), "{name}");
    }
}

#[test]
fn presets_have_the_parameters_that_they_promise() {
    let promised = [1_598_280, 5_498_400, 28_870_304, 57_221_792, 450_046_176];
    assert_eq!(Preset::ALL.map(|preset| num_parameters(&tensors(&sizes(preset)))), promised);
}

/// lerobot saved the fixture: names, shapes and their number come from its code.
#[test]
fn a_checkpoint_of_lerobot_has_exactly_these_tensors() {
    let folder = super::fixture();
    let specs = tensors(&super::golden::sizes().2);
    let header = Header::read(&folder.join("model.safetensors")).expect("reads");
    let difference = header.difference(&specs);
    assert!(difference.is_none(), "{difference}");
    let types: std::collections::BTreeSet<String> =
        header.tensors().iter().map(|(.., dtype)| format!("{dtype:?}")).collect();
    assert_eq!(types, ["BF16".to_string(), "F32".to_string()].into(), "the fixture mixes types");
}
