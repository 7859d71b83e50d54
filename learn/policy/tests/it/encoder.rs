//! Convolutions over images: plain Rust against burn, both against loops in f64, gradients against differences.

use burn::tensor::{Device, Tensor, TensorData};
use keiko_policy::{
    Activation, ActorCritic, Convolution, EncoderShape, Head, HostNet, MlpShape, NetShape, NetworkShape,
    PolicyError,
};

use crate::numbers;

/// Sums in single precision, in different orders.
const TOLERANCE: f64 = 2e-5;
/// Numbers that are not of images.
const NUMBERS: usize = 3;
const LAYERS: [Convolution; 2] =
    [Convolution { channels: 5, kernel: 3, stride: 2 }, Convolution { channels: 4, kernel: 2, stride: 1 }];
/// Frames, channels, height, width.
const IMAGES: [[usize; 4]; 2] = [[3, 2, 9, 7], [1, 1, 6, 8]];

fn shape() -> NetworkShape {
    let encoders = IMAGES.map(|image| EncoderShape::new(image, &LAYERS, Activation::Tanh).expect("fits"));
    NetworkShape {
        actor: NetShape::new(NUMBERS, encoders.to_vec(), &[6], 2, Activation::Tanh),
        critic: MlpShape::new(2, &[], 1, Activation::Tanh).into(),
        head: Head::Gaussian,
        num_actions: 2,
    }
}

/// The definition, in f64.
fn slowly(parameters: &[f64], input: &[f64]) -> Vec<f64> {
    let mut parameters = parameters.iter().copied();
    let mut take = |n: usize| -> Vec<f64> { parameters.by_ref().take(n).collect() };
    let mut seen = input[..NUMBERS].to_vec();
    let mut first = NUMBERS;
    for [frames, channels, mut height, mut width] in IMAGES {
        let mut image = input[first..first + frames * channels * height * width].to_vec();
        first += image.len();
        let frame = channels * height * width;
        for k in 0..image.len() - frame {
            image[k] = image[image.len() - frame + k % frame] - image[k];
        }
        let mut channels = frames * channels;
        for Convolution { channels: outputs, kernel, stride } in LAYERS {
            let (weight, bias) = (take(outputs * channels * kernel * kernel), take(outputs));
            let (down, across) = ((height - kernel) / stride + 1, (width - kernel) / stride + 1);
            let mut next = Vec::new();
            for (o, y, x) in
                (0..outputs).flat_map(|o| (0..down).flat_map(move |y| (0..across).map(move |x| (o, y, x))))
            {
                let mut sum = bias[o];
                for (c, i, j) in (0..channels)
                    .flat_map(|c| (0..kernel).flat_map(move |i| (0..kernel).map(move |j| (c, i, j))))
                {
                    sum += weight[((o * channels + c) * kernel + i) * kernel + j]
                        * image[(c * height + y * stride + i) * width + x * stride + j];
                }
                next.push(sum.tanh());
            }
            (image, channels, height, width) = (next, outputs, down, across);
        }
        seen.extend(image);
    }
    for (layer, outputs) in [6, 2].into_iter().enumerate() {
        let (weight, bias) = (take(seen.len() * outputs), take(outputs));
        let sum = |o: usize| {
            bias[o] + seen.iter().enumerate().map(|(i, x)| x * weight[i * outputs + o]).sum::<f64>()
        };
        seen = (0..outputs).map(|o| if layer == 0 { sum(o).tanh() } else { sum(o) }).collect();
    }
    seen
}

fn doubled(values: &[f32]) -> Vec<f64> {
    values.iter().map(|x| f64::from(*x)).collect()
}

#[test]
fn networks_with_images_compute_what_their_definition_says() {
    let shape = shape();
    let flat: Vec<f32> = numbers(shape.num_parameters(), 3).iter().map(|x| 0.5 * x).collect();
    let device = Device::flex();
    let network = ActorCritic::constants(&shape, &Tensor::from_data(flat.as_slice(), &device));
    let host = HostNet::new(shape.actor.clone(), &flat[..shape.actor.num_parameters()]);
    let size = shape.actor.num_inputs();
    assert_eq!(size, NUMBERS + 3 * 2 * 9 * 7 + 6 * 8);
    for num_envs in [1, 8, 19] {
        let rows = numbers(size * num_envs, 11);
        let x = Tensor::<2>::from_data(TensorData::new(rows.clone(), [num_envs, size]), &device);
        let tensors = network.actor().forward(x).into_data().try_into_vec::<f32>().expect("f32 tensor");
        let columns: Vec<f32> =
            (0..size * num_envs).map(|k| rows[k % num_envs * size + k / num_envs]).collect();
        let mut plain = vec![0.0; 2 * num_envs];
        host.forward(&columns, num_envs, &mut plain);
        for env in 0..num_envs {
            let expected = slowly(&doubled(&flat), &doubled(&rows[env * size..(env + 1) * size]));
            for (k, expected) in expected.iter().enumerate() {
                let found = [tensors[2 * env + k], plain[k * num_envs + env]].map(f64::from);
                assert!(found.iter().all(|x| (x - expected).abs() < TOLERANCE), "{found:?} {expected}");
            }
            // Bit for bit what it is alone.
            let mut alone = [0.0; 2];
            host.forward(&rows[env * size..(env + 1) * size], 1, &mut alone);
            assert_eq!(alone, [plain[env], plain[num_envs + env]]);
        }
    }
}

#[test]
fn gradients_are_those_of_differences() {
    let shape = shape();
    let flat: Vec<f32> = numbers(shape.num_parameters(), 5).iter().map(|x| 0.5 * x).collect();
    let (batch, size) = (4, shape.actor.num_inputs());
    let rows = numbers(size * batch, 7);
    let device = Device::flex();
    let network = ActorCritic::leaves(&shape, &Tensor::from_data(flat.as_slice(), &device));
    let x = Tensor::<2>::from_data(TensorData::new(rows.clone(), [batch, size]), &device);
    // A loss that weighs every output differently.
    let weights = [0.7f32, -1.3, 0.2, 0.9, -0.4, 1.1, 0.5, -0.8];
    let weigh = Tensor::<2>::from_data(TensorData::new(weights.to_vec(), [batch, 2]), &device);
    let loss = (network.actor().forward(x) * weigh).sum();
    let gradient = network.gradients(loss.backward()).into_data().try_into_vec::<f32>().expect("f32 tensor");

    let loss = |flat: &[f64]| -> f64 {
        let outputs = rows.chunks(size).flat_map(|row| slowly(flat, &doubled(row)));
        outputs.zip(weights).map(|(x, w)| x * f64::from(w)).sum()
    };
    const STEP: f64 = 1e-5;
    let mut largest = 0.0f64;
    for k in 0..shape.actor.num_parameters() {
        let mut moved = doubled(&flat);
        moved[k] += STEP;
        let above = loss(&moved);
        moved[k] -= 2.0 * STEP;
        let expected = (above - loss(&moved)) / (2.0 * STEP);
        assert!((f64::from(gradient[k]) - expected).abs() < 1e-4, "{k}: {} {expected}", gradient[k]);
        largest = largest.max(expected.abs());
    }
    assert!(largest > 0.1);
}

#[test]
fn images_that_convolutions_use_up_are_refused() {
    let refused = |image, layers: &[Convolution]| match EncoderShape::new(image, layers, Activation::Elu) {
        Err(error @ PolicyError::Image { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let error = refused([1, 3, 4, 9], &LAYERS);
    assert!(error.contains("3 channels, 9 x 4 pixels") && error.contains("convolution 1"), "{error}");
    refused([1, 3, 0, 9], &[]);
    refused([0, 3, 8, 8], &[]);
    refused([1, 3, 8, 8], &[Convolution { channels: 1, kernel: 2, stride: 0 }]);
    refused([2, usize::MAX, 8, 8], &LAYERS);
    assert_eq!(EncoderShape::new([1, 3, 8, 8], &[], Activation::Elu).expect("as it is").num_features(), 192);
}
