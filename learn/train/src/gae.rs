//! Generalised advantage estimation (Schulman et al. 2016, arXiv:1506.02438) in both dialects.
//!
//! All arrays are `[num_steps, num_envs]`, step-major; element `(t, n)` is at `t * num_envs + n`.

/// Rewards, values and ends of a segment of every environment.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'a> {
    /// Environments.
    pub num_envs: usize,
    /// Rewards, already scaled.
    pub reward: &'a [f32],
    /// Values of the observations acted on.
    pub value: &'a [f32],
    /// Values of the last observations before a time-out; read only where `truncated`.
    pub final_value: &'a [f32],
    /// Values of the observations after the last step `[num_envs]`.
    pub last_value: &'a [f32],
    /// The task ended the episode.
    pub terminated: &'a [bool],
    /// Time ran out.
    pub truncated: &'a [bool],
    /// Nothing can be learned from this transition.
    pub invalid: &'a [bool],
    /// Discount.
    pub gamma: f32,
    /// Decay of the estimate.
    pub lambda: f32,
}

/// What the actor and the critic learn from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// How much better the action was than expected.
    pub advantage: Vec<f32>,
    /// What the value should have been.
    pub value: Vec<f32>,
}

impl Segments<'_> {
    fn num_steps(&self) -> usize {
        self.reward.len() / self.num_envs.max(1)
    }

    /// Value of the observation after `(t, n)`, were there no end of an episode.
    fn next_value(&self, t: usize, n: usize) -> f32 {
        let next = (t + 1) * self.num_envs + n;
        if t + 1 < self.num_steps() { self.value[next] } else { self.last_value[n] }
    }

    /// As in rsl_rl, with one correction: a time-out is bootstrapped by the value of the episode's own last
    /// observation (rsl_rl takes that of the one before it). An invalid transition has no advantage and
    /// passes none back.
    pub fn bootstrapped(&self) -> Targets {
        let mut advantage = vec![0.0; self.reward.len()];
        for n in 0..self.num_envs {
            let mut ahead = 0.0;
            for t in (0..self.num_steps()).rev() {
                let i = t * self.num_envs + n;
                let next = match (self.terminated[i], self.truncated[i]) {
                    (true, _) => 0.0,
                    (false, true) => self.final_value[i],
                    (false, false) => self.next_value(t, n),
                };
                let ends = self.terminated[i] || self.truncated[i];
                let delta = self.reward[i] + self.gamma * next - self.value[i];
                let chain = if ends { 0.0 } else { self.gamma * self.lambda * ahead };
                ahead = if self.invalid[i] { 0.0 } else { delta + chain };
                advantage[i] = ahead;
            }
        }
        let value = advantage.iter().zip(self.value).map(|(a, v)| a + v).collect();
        Targets { advantage, value }
    }

    /// As in brax: a transition into a time-out teaches nothing and breaks the chain, and the advantage is the
    /// one-step difference towards the next target.
    pub fn masked(&self) -> Targets {
        let mut targets = Targets { advantage: vec![0.0; self.reward.len()], value: self.value.to_vec() };
        for n in 0..self.num_envs {
            let (mut ahead, mut next_target) = (0.0, self.last_value[n]);
            for t in (0..self.num_steps()).rev() {
                let i = t * self.num_envs + n;
                let teaches = !self.invalid[i] && (self.terminated[i] || !self.truncated[i]);
                let discount = if self.terminated[i] { 0.0 } else { self.gamma };
                if teaches {
                    let delta = self.reward[i] + discount * self.next_value(t, n) - self.value[i];
                    ahead = delta + discount * self.lambda * ahead;
                    targets.advantage[i] = self.reward[i] + discount * next_target - self.value[i];
                } else {
                    ahead = 0.0;
                }
                targets.value[i] = self.value[i] + ahead;
                next_target = targets.value[i];
            }
        }
        targets
    }
}

/// Shifts and scales to mean 0 and deviation 1 over the entries with positive weight; the others become 0.
pub fn normalize(advantage: &mut [f32], weight: &[f32]) {
    let total: f64 = weight.iter().map(|&w| f64::from(w)).sum();
    if total <= 0.0 {
        return advantage.fill(0.0);
    }
    let mean = advantage.iter().zip(weight).map(|(&a, &w)| f64::from(a * w)).sum::<f64>() / total;
    let square = |(&a, &w): (&f32, &f32)| f64::from(w) * (f64::from(a) - mean).powi(2);
    let std = (advantage.iter().zip(weight).map(square).sum::<f64>() / total).sqrt();
    for (a, &w) in advantage.iter_mut().zip(weight) {
        *a = if w > 0.0 { ((f64::from(*a) - mean) / (std + 1e-8)) as f32 } else { 0.0 };
    }
}
