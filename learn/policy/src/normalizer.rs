//! Running mean and variance of observations.

use crate::PolicyError;
use serde::{Deserialize, Serialize};

/// Added to the standard deviation, as in rsl_rl: a feature that never moves stays small.
const EPSILON: f64 = 1e-2;
/// Normalised observations beyond this are cut: a sensor's fault must not swamp the network.
const LIMIT: f32 = 10.0;

/// Running statistics per feature, merged batch by batch in f64 (Chan, Golub, LeVeque 1979).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunningNormalizer {
    /// Samples seen.
    pub count: f64,
    /// Mean by feature.
    pub mean: Vec<f64>,
    /// Sum of squared deviations by feature.
    pub m2: Vec<f64>,
}

impl RunningNormalizer {
    /// For a number of features; changes nothing until it has seen samples.
    pub fn new(num_features: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; num_features], m2: vec![0.0; num_features] }
    }

    /// Takes in a batch `[num_features, num_envs]`, environment fastest.
    pub fn update(&mut self, batch: &[f32], num_envs: usize) {
        if num_envs == 0 {
            return;
        }
        let (old, new) = (self.count, num_envs as f64);
        let total = old + new;
        for ((row, mean), m2) in batch.chunks_exact(num_envs).zip(&mut self.mean).zip(&mut self.m2) {
            let batch_mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / new;
            let batch_m2 = row.iter().map(|&x| (f64::from(x) - batch_mean).powi(2)).sum::<f64>();
            let difference = batch_mean - *mean;
            *mean += difference * new / total;
            *m2 += batch_m2 + difference * difference * old * new / total;
        }
        self.count = total;
    }

    /// Takes in the statistics of other samples.
    pub fn merge(&mut self, other: &Self) {
        let total = self.count + other.count;
        if other.count == 0.0 {
            return;
        }
        for feature in 0..self.mean.len() {
            let difference = other.mean[feature] - self.mean[feature];
            self.mean[feature] += difference * other.count / total;
            self.m2[feature] +=
                other.m2[feature] + difference * difference * self.count * other.count / total;
        }
        self.count = total;
    }

    /// Standard deviation (of the population) of a feature; 1 before any sample.
    pub fn std(&self, feature: usize) -> f64 {
        if self.count > 0.0 { (self.m2[feature] / self.count).max(0.0).sqrt() } else { 1.0 }
    }

    /// What normalising needs.
    pub fn statistics(&self) -> Statistics {
        let scale = |feature| if self.count > 0.0 { self.std(feature) + EPSILON } else { 1.0 };
        Statistics {
            mean: self.mean.iter().map(|&mean| mean as f32).collect(),
            scale: (0..self.mean.len()).map(|feature| scale(feature) as f32).collect(),
        }
    }
}

/// Shift and scale of each feature, frozen: `(x - mean) / scale`, cut to ±10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// Shift.
    pub mean: Vec<f32>,
    /// Divisor; positive.
    pub scale: Vec<f32>,
}

impl Statistics {
    /// Refuses lengths other than `num_features` and numbers that cannot be used.
    pub fn check(&self, part: &str, num_features: usize) -> Result<(), PolicyError> {
        let sizes = self.mean.len() == num_features && self.scale.len() == num_features;
        let numbers =
            self.mean.iter().all(|x| x.is_finite()) && self.scale.iter().all(|x| x.is_finite() && *x > 0.0);
        match (sizes, numbers) {
            (true, true) => Ok(()),
            (false, _) => Err(PolicyError::malformed(part, format!("needs {num_features} means and scales"))),
            (_, false) => Err(PolicyError::malformed(part, "needs finite means and positive finite scales")),
        }
    }

    /// `raw` to `out`, both `[num_features, num_envs]`.
    pub fn normalize(&self, raw: &[f32], num_envs: usize, out: &mut [f32]) {
        let rows = raw.chunks_exact(num_envs).zip(out.chunks_exact_mut(num_envs));
        for ((from, to), (&mean, &scale)) in rows.zip(self.mean.iter().zip(&self.scale)) {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = ((from - mean) / scale).clamp(-LIMIT, LIMIT);
            }
        }
    }
}
