//! How a model is fine-tuned: all numbers of a run.

use serde::{Deserialize, Serialize};

use crate::TrainError;

/// Which parameters learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Learn {
    /// All that the loss depends on.
    Full,
    /// The action expert and the projections of states, actions and times: what lerobot learns by default.
    Expert,
    /// Low-rank factors on top of an unchanged base.
    Lora,
}

/// Hyperparameters of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FineTuneSpec {
    /// Which parameters learn.
    pub learn: Learn,
    /// Rank of low-rank factors.
    pub lora_rank: usize,
    /// Scale of low-rank factors, over their rank.
    pub lora_alpha: f64,
    /// Gradient steps.
    pub steps: u64,
    /// Frames of a gradient step.
    pub batch: usize,
    /// Draws of noise and time for each frame: images and instruction are read once for all of them.
    pub draws: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Learning rate at the end.
    pub final_learning_rate: f64,
    /// Steps until the learning rate is highest; shortened in proportion where there are fewer steps than
    /// `decay_steps`.
    pub warmup_steps: u64,
    /// Steps until the learning rate is lowest; at most `steps`.
    pub decay_steps: u64,
    /// Decay of mean gradient and mean squared gradient.
    pub betas: [f64; 2],
    /// Added to the root of the mean squared gradient.
    pub epsilon: f64,
    /// Pull of parameters to zero, times the learning rate.
    pub weight_decay: f64,
    /// Most that the norm of the whole gradient may be.
    pub max_grad_norm: f64,
    /// Decay of the mean of parameters that is validated, exported and acts; 0 takes the parameters themselves.
    pub ema: f64,
    /// Weight of the error with which a probe tells the state of the surroundings, where the demonstrations know it.
    pub probe: f64,
    /// Images are moved by up to this share of their side.
    pub augment_shift: f64,
    /// Brightness and contrast of images change by up to this share.
    pub augment_colour: f64,
    /// Share of the episodes that are held out.
    pub validation: f64,
    /// Steps between two validations; 0 for one at the end.
    pub validate_every: u64,
    /// Steps between two checkpoints; 0 for one at the end.
    pub checkpoint_every: u64,
}

impl FineTuneSpec {
    /// For a model that has learned nothing. No recipe is published at these sizes; these numbers are the project's.
    pub fn from_scratch() -> Self {
        Self {
            learn: Learn::Full,
            steps: 8000,
            // Many small steps: what is hard at first, to find the named thing, is found by steps rather than by frames.
            batch: 16,
            // Where to look is learned from the probe, whose error has no noise: two opposite draws are enough.
            draws: 2,
            probe: 2.0,
            // A model that learns where things are must see them where they are.
            augment_shift: 0.0,
            learning_rate: 1e-3,
            final_learning_rate: 1e-5,
            warmup_steps: 200,
            decay_steps: u64::MAX,
            weight_decay: 1e-4,
            max_grad_norm: 1.0,
            ..Self::published(Learn::Full)
        }
    }

    /// The recipe that SmolVLA was published with (lerobot's `configuration_smolvla.py`), and for low-rank factors that
    /// of lerobot's guide to them.
    pub fn published(learn: Learn) -> Self {
        let lora = learn == Learn::Lora;
        Self {
            learn,
            lora_rank: 16,
            lora_alpha: 16.0,
            steps: 20_000,
            batch: 64,
            draws: 1,
            learning_rate: if lora { 1e-3 } else { 1e-4 },
            final_learning_rate: if lora { 1e-4 } else { 2.5e-6 },
            warmup_steps: 1000,
            decay_steps: 30_000,
            betas: [0.9, 0.95],
            epsilon: 1e-8,
            weight_decay: 1e-10,
            max_grad_norm: 10.0,
            ema: 0.999,
            probe: 0.0,
            augment_shift: 0.03,
            augment_colour: 0.2,
            validation: 0.1,
            validate_every: 500,
            checkpoint_every: 500,
        }
    }

    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// The first number out of range, with what is allowed.
    pub fn validate(&self) -> Result<(), TrainError> {
        let share = 0.0..1.0;
        let rate = 0.0..=1.0;
        for (name, allowed, value, fits) in [
            ("lora_rank", "at least 1", self.lora_rank as f64, self.lora_rank >= 1),
            (
                "lora_alpha",
                "more than 0",
                self.lora_alpha,
                self.lora_alpha > 0.0 && self.lora_alpha.is_finite(),
            ),
            ("steps", "at least 1", self.steps as f64, self.steps >= 1),
            ("batch", "at least 1", self.batch as f64, self.batch >= 1),
            ("draws", "1 to 64", self.draws as f64, (1..=64).contains(&self.draws)),
            (
                "learning_rate",
                "more than 0, at most 1",
                self.learning_rate,
                self.learning_rate > 0.0 && rate.contains(&self.learning_rate),
            ),
            (
                "final_learning_rate",
                "0 to learning_rate",
                self.final_learning_rate,
                (0.0..=self.learning_rate).contains(&self.final_learning_rate),
            ),
            ("betas[0]", "0 or more, less than 1", self.betas[0], share.contains(&self.betas[0])),
            ("betas[1]", "0 or more, less than 1", self.betas[1], share.contains(&self.betas[1])),
            ("epsilon", "more than 0", self.epsilon, self.epsilon > 0.0 && self.epsilon.is_finite()),
            ("weight_decay", "0 to 1", self.weight_decay, rate.contains(&self.weight_decay)),
            ("max_grad_norm", "more than 0", self.max_grad_norm, self.max_grad_norm > 0.0),
            ("ema", "0 or more, less than 1", self.ema, share.contains(&self.ema)),
            ("probe", "0 to 1000", self.probe, (0.0..=1000.0).contains(&self.probe)),
            ("augment_shift", "0 to 0.5", self.augment_shift, (0.0..=0.5).contains(&self.augment_shift)),
            (
                "augment_colour",
                "0 or more, less than 1",
                self.augment_colour,
                share.contains(&self.augment_colour),
            ),
            ("validation", "0 or more, less than 1", self.validation, share.contains(&self.validation)),
        ] {
            if !fits {
                let message = format!("{value}; allowed: {allowed}");
                return Err(TrainError::FineTune { what: name.into(), message });
            }
        }
        Ok(())
    }

    /// Learning rate of the step after `step` others, as lerobot computes it: a straight rise, then half a cosine that
    /// is counted from the first step.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        let (mut warmup, mut decay) = (self.warmup_steps as f64, self.decay_steps as f64);
        if self.steps < self.decay_steps {
            // A recipe without an end of its own keeps its warm-up, as far as it fits.
            warmup = match self.decay_steps {
                u64::MAX => warmup.min(self.steps as f64 / 10.0).floor(),
                _ => (warmup * (self.steps as f64 / decay)).floor(),
            };
            decay = self.steps as f64;
        }
        let s = step as f64;
        if s < warmup {
            return self.learning_rate * ((1.0 / (warmup + 1.0) - 1.0) * (1.0 - s / warmup) + 1.0);
        }
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * s.min(decay) / decay).cos());
        self.final_learning_rate + (self.learning_rate - self.final_learning_rate) * cosine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_lerobots() {
        // Values of `CosineDecayWithWarmupSchedulerConfig` of lerobot 0.4.4 for the published numbers: 30,000 steps and
        // more; and for 3000 steps, where it divides warm-up and decay by ten.
        let spec = FineTuneSpec { steps: 40_000, ..FineTuneSpec::published(Learn::Expert) };
        let close = |spec: &FineTuneSpec, step, expected: f64| {
            let rate = spec.learning_rate_at(step);
            assert!((rate - expected).abs() < 1e-12, "step {step}: {rate:e}, expected {expected:e}");
        };
        close(&spec, 0, 1e-4 / 1001.0);
        close(&spec, 500, 1e-4 * (1.0 - 0.5 * (1.0 - 1.0 / 1001.0)));
        close(&spec, 15_000, 2.5e-6 + 0.5 * (1e-4 - 2.5e-6));
        close(&spec, 35_000, 2.5e-6);
        let short = FineTuneSpec { steps: 3000, ..spec };
        close(&short, 0, 1e-4 / 101.0);
        close(&short, 1500, 2.5e-6 + 0.5 * (1e-4 - 2.5e-6));
        close(&short, 3000, 2.5e-6);
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        let refused = |spec: FineTuneSpec| spec.validate().expect_err("refused").to_string();
        let spec = FineTuneSpec::from_scratch();
        spec.validate().expect("sound");
        assert!(refused(FineTuneSpec { learning_rate: 0.0, ..spec.clone() }).contains("learning_rate"));
        assert!(refused(FineTuneSpec { ema: 1.0, ..spec.clone() }).contains("ema"));
        assert!(refused(FineTuneSpec { validation: f64::NAN, ..spec }).contains("validation"));
    }
}
