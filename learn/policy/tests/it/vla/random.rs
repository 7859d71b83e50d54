//! Weights of a model that has learned nothing.

use burn::tensor::{Device, Tensor};
use keiko_policy::vla::config::{ACTION, STATE};
use keiko_policy::vla::manifest::VLM;
use keiko_policy::vla::normalize::Statistics;
use keiko_policy::vla::{Checkpoint, Images, Preset};

/// Root of the mean square.
fn size(x: Tensor<3>) -> f32 {
    x.square().mean().sqrt().into_scalar::<f32>()
}

/// A model for a robot of two joints that reads `text`.
fn fresh(camera: &str, text: &str) -> Checkpoint {
    let scales = [STATE, ACTION].into_iter().flat_map(|name| {
        [("mean", 0.0), ("std", 1.0)].map(|(key, value)| (format!("{name}.{key}"), vec![value; 2]))
    });
    let cameras = [(camera, [3, 64, 64])];
    let statistics = Statistics(scales.collect());
    Checkpoint::fresh(Preset::Nano, &cameras, [2, 2], [text], statistics, 3, &Device::flex())
        .expect("a model")
}

#[test]
fn the_eye_knows_rows_and_columns_apart() {
    let checkpoint = fresh("observation.images.front", "look");
    let name = format!("{VLM}.vision_model.embeddings.position_embedding.weight");
    let positions: Vec<f32> = checkpoint.weights.get(&name).into_data().iter::<f32>().collect();
    let (grid, width) = (checkpoint.sizes.grid(), checkpoint.sizes.vision_width);
    let place =
        |row: usize, column: usize| positions[(row * grid + column) * width..][..width].split_at(width / 2);
    let (column_at_2, row_at_5) = place(5, 2);
    assert_eq!(place(5, 6).1, row_at_5);
    assert_eq!(place(1, 2).0, column_at_2);
    assert_ne!(place(5, 3).0, column_at_2);
    assert_ne!(place(4, 2).1, row_at_5);
    // The shortest wave has one radian a patch.
    assert!((column_at_2[0] - 2.0_f32.sin()).abs() < 1e-6 && (row_at_5[0] - 5.0_f32.sin()).abs() < 1e-6);
}

#[test]
fn images_enter_the_language_model_as_large_as_words() {
    let camera = "observation.images.front";
    let text = "reach for the red cube";
    let checkpoint = fresh(camera, text);
    let pixels: Vec<u8> =
        (0..64 * 64 * 3).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let images = [(camera, Images { width: 64, height: 64, pixels: &pixels })];
    let model = checkpoint.model(&checkpoint.weights).expect("a model");
    let inputs = checkpoint.inputs(&images, &[text], &[0.5, -0.5]).expect("fits");
    let prefix = model.embed_prefix(&inputs);
    let [_, tokens, _] = prefix.embeddings.dims();
    let words = inputs.tokens[0].len();
    let seen = tokens - words - 1;
    let [images, words] = [(0, seen), (seen, words)]
        .map(|(from, count)| size(prefix.embeddings.clone().narrow(1, from, count)));
    assert!((0.7..1.4).contains(&(images / words)), "images {images}, words {words}");
}
