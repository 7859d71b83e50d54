//! Frames of a camera that is slower than control: some steps bring none, and what was taken is seen later.

use keiko_model::imager::FrameTiming;

use crate::images::ImageTerm;

/// Frames that are taken and not seen yet. As they are not in the output, a checkpoint holds them apart.
pub(crate) struct SlowCamera {
    timing: FrameTiming,
    /// Numbers of a frame.
    frame: usize,
    /// The oldest first, as they will be observed `[num_envs, latency, frame]`.
    pub waiting: Vec<f32>,
}

impl SlowCamera {
    /// Of an image of `num_envs` environments; `None` where every step's frame is seen at once.
    pub fn new(image: &ImageTerm, num_envs: usize) -> Option<Self> {
        let timing = image.picture.camera.imager.timing;
        let frame = image.frame();
        let waiting = vec![0.0; num_envs * timing.latency as usize * frame];
        (!timing.is_immediate()).then_some(Self { timing, frame, waiting })
    }

    /// Whether a frame is taken so many control steps after the episode's beginning.
    pub fn is_due(&self, step: u32) -> bool {
        self.timing.is_due(step)
    }

    /// Takes a frame and moves the stack of an environment one further.
    pub fn take(&mut self, env: usize, newest: Vec<f32>, stack: &mut [f32]) {
        let frame = self.frame;
        let seen = match self.mine(env) {
            [] => newest,
            waiting => {
                let seen = waiting[..frame].to_vec();
                waiting.copy_within(frame.., 0);
                let last = waiting.len() - frame;
                waiting[last..].copy_from_slice(&newest);
                seen
            }
        };
        stack.copy_within(frame.., 0);
        let last = stack.len() - frame;
        stack[last..].copy_from_slice(&seen);
    }

    /// Begins an episode: all frames are its first.
    pub fn begin(&mut self, env: usize, first: &[f32]) {
        self.mine(env).chunks_exact_mut(first.len()).for_each(|frame| frame.copy_from_slice(first));
    }

    fn mine(&mut self, env: usize) -> &mut [f32] {
        let len = self.timing.latency as usize * self.frame;
        &mut self.waiting[env * len..(env + 1) * len]
    }
}
