//! Controls that arrive late, by whole control steps.

use serde::{Deserialize, Serialize};

/// The most control steps that a control may be late.
const MAX_DELAY: f32 = 1000.0;

/// The last controls of all environments, and how late each actuator hears them. Where nobody is late it holds nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct DelayLine {
    num_envs: usize,
    /// Delays in control steps `[nu, num_envs]`; empty where there is none.
    delay: Vec<u16>,
    /// A ring of controls, each `[nu, num_envs]`.
    slots: Vec<Vec<f32>>,
    /// The slot of the last control step.
    last: usize,
    /// Control steps since each environment's reset, the present one included.
    age: Vec<u32>,
    /// What the actuators hear now `[nu, num_envs]`.
    heard: Vec<f32>,
}

impl DelayLine {
    pub fn new(num_envs: usize) -> Self {
        Self { num_envs, ..Self::default() }
    }

    /// Bytes of an environment.
    pub fn memory_per_env(&self) -> usize {
        let numbers = self.slots.iter().map(Vec::len).sum::<usize>() + self.heard.len();
        let all = 4 * numbers + 2 * self.delay.len() + 4 * self.age.len();
        all.div_ceil(self.num_envs.max(1))
    }

    /// Gives an environment its delays; the first control after this stands for all before it.
    pub fn reset(&mut self, env: usize, delays: impl ExactSizeIterator<Item = f32>) {
        let nu = delays.len();
        let n = self.num_envs;
        for (actuator, delay) in delays.enumerate() {
            let delay = delay.clamp(0.0, MAX_DELAY).round() as u16;
            if delay > 0 && self.delay.is_empty() {
                self.delay = vec![0; nu * n];
                self.age = vec![0; n];
                self.heard = vec![0.0; nu * n];
                self.slots = vec![vec![0.0; nu * n]];
            }
            if let Some(kept) = self.delay.get_mut(actuator * n + env) {
                *kept = delay;
                self.grow(usize::from(delay) + 1);
            }
        }
        if let Some(age) = self.age.get_mut(env) {
            *age = 0;
        }
    }

    /// Makes room for `len` controls; the ones that are there keep their order.
    fn grow(&mut self, len: usize) {
        let Some(size) = self.slots.first().map(Vec::len) else { return };
        // Behind the last slot is the oldest one.
        for _ in self.slots.len()..len {
            self.slots.insert(self.last + 1, vec![0.0; size]);
        }
    }

    /// Takes the controls of a control step `[nu, num_envs]` and gives what the actuators hear.
    pub fn hear<'a>(&'a mut self, control: &'a [f32]) -> &'a [f32] {
        if self.delay.is_empty() {
            return control;
        }
        let ring = self.slots.len();
        self.last = (self.last + 1) % ring;
        self.slots[self.last].copy_from_slice(control);
        let n = self.num_envs;
        for (at, heard) in self.heard.iter_mut().enumerate() {
            let late = usize::from(self.delay[at]).min(self.age[at % n] as usize);
            *heard = self.slots[(self.last + ring - late) % ring][at];
        }
        self.age.iter_mut().for_each(|age| *age = age.saturating_add(1));
        &self.heard
    }

    /// Whether a line that was read from a file is one of `nu` actuators and `num_envs` environments.
    pub fn fits(&self, nu: usize, num_envs: usize) -> bool {
        let len = nu * num_envs;
        let none =
            self.delay.is_empty() && self.slots.is_empty() && self.age.is_empty() && self.heard.is_empty();
        let some = self.delay.len() == len
            && self.heard.len() == len
            && self.age.len() == num_envs
            && self.slots.iter().all(|slot| slot.len() == len)
            && self.last < self.slots.len()
            && self.delay.iter().all(|&d| usize::from(d) < self.slots.len());
        self.num_envs == num_envs && (none || some)
    }
}
