//! AdamW (Loshchilov, Hutter 2019, arXiv:1711.05101) over all parameters at once, and the mean of parameters.

use burn::tensor::{Device, Tensor, TensorData};

use super::spec::FineTuneSpec;

/// Parameters and all that the optimiser remembers, each `[num_parameters]`.
#[derive(Clone, Debug)]
pub struct Optimizer {
    /// What is learned.
    pub parameters: Tensor<1>,
    /// Decayed mean of parameters.
    pub mean: Tensor<1>,
    /// Decayed mean of gradients.
    pub moment_1: Tensor<1>,
    /// Decayed mean of squared gradients.
    pub moment_2: Tensor<1>,
    /// Steps taken.
    pub steps: u64,
}

impl Optimizer {
    /// Before the first step.
    pub fn new(parameters: &[f32], device: &Device) -> Self {
        let vector = |data: Vec<f32>| {
            let len = data.len();
            Tensor::<1>::from_data(TensorData::new(data, [len]), device)
        };
        Self {
            parameters: vector(parameters.to_vec()),
            mean: vector(parameters.to_vec()),
            moment_1: vector(vec![0.0; parameters.len()]),
            moment_2: vector(vec![0.0; parameters.len()]),
            steps: 0,
        }
    }

    /// One step against a gradient `[num_parameters]`, whose norm is limited first. Gives the norm before that `[1]`.
    pub fn step(&mut self, gradient: Tensor<1>, spec: &FineTuneSpec) -> Tensor<1> {
        let norm = gradient.clone().square().sum().sqrt();
        // As a tensor: nothing is read back.
        let scale = ((norm.clone() + 1e-6).recip() * spec.max_grad_norm).clamp_max(1.0);
        let gradient = gradient * scale;
        let rate = spec.learning_rate_at(self.steps);
        self.steps += 1;
        let [beta_1, beta_2] = spec.betas;
        let correction = |beta: f64| 1.0 - beta.powf(self.steps as f64);
        self.moment_1 = self.moment_1.clone() * beta_1 + gradient.clone() * (1.0 - beta_1);
        self.moment_2 = self.moment_2.clone() * beta_2 + gradient.square() * (1.0 - beta_2);
        let deviation = self.moment_2.clone().sqrt() / correction(beta_2).sqrt() + spec.epsilon;
        let change = self.moment_1.clone() / deviation * (rate / correction(beta_1));
        self.parameters = self.parameters.clone() * (1.0 - rate * spec.weight_decay) - change;
        // The first steps count less, or the mean would hold the random beginning for a thousand steps.
        let steps = self.steps as f64;
        let decay = spec.ema.min((1.0 + steps) / (10.0 + steps));
        self.mean = if spec.ema > 0.0 {
            self.mean.clone() * decay + self.parameters.clone() * (1.0 - decay)
        } else {
            self.parameters.clone()
        };
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AdamW as PyTorch's documentation writes it, in f64.
    fn reference(spec: &FineTuneSpec, start: [f64; 2], gradients: &[[f64; 2]]) -> [f64; 2] {
        let (mut x, mut m, mut v) = (start, [0.0; 2], [0.0; 2]);
        for (t, gradient) in gradients.iter().enumerate() {
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            let rate = spec.learning_rate_at(t as u64);
            for i in 0..2 {
                let g = gradient[i] * (spec.max_grad_norm / (norm + 1e-6)).min(1.0);
                x[i] -= rate * spec.weight_decay * x[i];
                m[i] = spec.betas[0] * m[i] + (1.0 - spec.betas[0]) * g;
                v[i] = spec.betas[1] * v[i] + (1.0 - spec.betas[1]) * g * g;
                let m_hat = m[i] / (1.0 - spec.betas[0].powi(t as i32 + 1));
                let v_hat = v[i] / (1.0 - spec.betas[1].powi(t as i32 + 1));
                x[i] -= rate * m_hat / (v_hat.sqrt() + spec.epsilon);
            }
        }
        x
    }

    #[test]
    fn steps_are_those_of_the_published_algorithm() {
        let spec = FineTuneSpec {
            weight_decay: 0.1,
            max_grad_norm: 2.0,
            warmup_steps: 3,
            steps: 20,
            learning_rate: 0.05,
            ..FineTuneSpec::from_scratch()
        };
        // The second gradient is longer than allowed.
        let gradients = [[0.3, -0.1], [3.0, 4.0], [-0.2, 0.5], [0.0, 1e-3]];
        let device = Device::flex();
        let mut optimizer = Optimizer::new(&[1.0, -2.0], &device);
        let mut norms = Vec::new();
        for gradient in gradients {
            let gradient = gradient.map(|g| g as f32);
            let gradient = Tensor::from_data(TensorData::new(gradient.to_vec(), [2]), &device);
            norms.push(optimizer.step(gradient, &spec).into_scalar::<f32>());
        }
        assert!((norms[1] - 5.0).abs() < 1e-5, "norm before limiting");
        let found: Vec<f32> = optimizer.parameters.into_data().iter::<f32>().collect();
        let expected = reference(&spec, [1.0, -2.0], &gradients);
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
