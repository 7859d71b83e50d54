//! The plain Rust forward pass against burn's.

use burn::tensor::{Device, Tensor, TensorData};
use keiko_policy::{Activation, ActorCritic, Head, HostMlp, HostNet, MlpShape, NetworkShape};

use crate::numbers;

/// Both round in single precision, in different orders.
const TOLERANCE: f32 = 1e-5;

fn columns(values: &[f32], num_envs: usize, range: std::ops::Range<usize>) -> Vec<f32> {
    values.chunks(num_envs).flat_map(|row| row[range.clone()].to_vec()).collect()
}

#[test]
fn host_and_tensor_networks_agree() {
    let device = Device::flex();
    for activation in [Activation::Elu, Activation::Tanh, Activation::Relu, Activation::Swish] {
        for (hidden, num_envs) in [(vec![], 1), (vec![7], 5), (vec![64, 33], 130), (vec![128, 64], 64)] {
            let shape = NetworkShape {
                actor: MlpShape::new(11, &hidden, 6, activation).into(),
                critic: MlpShape::new(11, &hidden, 1, activation).into(),
                head: Head::TanhGaussian,
                num_actions: 3,
            };
            let scale = 2.0 / (*hidden.first().unwrap_or(&11) as f32).sqrt();
            let flat: Vec<f32> = numbers(shape.num_parameters(), 3).iter().map(|x| x * scale).collect();
            let input: Vec<f32> = numbers(11 * num_envs, 5).iter().map(|x| 3.0 * x).collect();

            let data = |values: &[f32], dims: [usize; 2]| TensorData::new(values.to_vec(), dims);
            let network = ActorCritic::constants(
                &shape,
                &Tensor::from_data(TensorData::new(flat.clone(), [flat.len()]), &device),
            );
            let x = Tensor::<2>::from_data(data(&input, [11, num_envs]), &device).transpose();
            let expected =
                network.actor().forward(x).transpose().into_data().try_into_vec::<f32>().expect("f32 tensor");

            let host = HostNet::new(shape.actor.clone(), &flat[..shape.actor.num_parameters()]);
            let mut found = vec![0.0; 6 * num_envs];
            host.forward(&input, num_envs, &mut found);
            for (found, expected) in found.iter().zip(&expected) {
                let error = (found - expected).abs() / (1.0 + expected.abs());
                assert!(error < TOLERANCE, "{activation:?} {hidden:?}: {found} {expected}");
            }
        }
    }
}

#[test]
fn an_environment_acts_the_same_in_any_batch() {
    // Wide and many enough that the whole batch is computed by several threads.
    let shape = MlpShape::new(48, &[128, 128], 12, Activation::Elu);
    let host = HostMlp::new(shape.clone(), &numbers(shape.num_parameters(), 9));
    let num_envs = 1000;
    let input = numbers(48 * num_envs, 7);
    let mut whole = vec![0.0; 12 * num_envs];
    host.forward(&input, num_envs, &mut whole);
    for range in [0..1, 63..65, 500..617, 999..1000] {
        let mut part = vec![0.0; 12 * range.len()];
        host.forward(&columns(&input, num_envs, range.clone()), range.len(), &mut part);
        assert_eq!(part, columns(&whole, num_envs, range));
    }
}
