//! Actions ahead of a frame.

/// What was done from a frame on: `len` actions, of which those past the end of the episode repeat the last one.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionChunk {
    /// Actions `[len, dims]`, one after the other.
    pub actions: Vec<f32>,
    /// Whether an action lies past the end of the episode `[len]`, and is not to be learned from.
    pub is_pad: Vec<bool>,
}

impl ActionChunk {
    /// Cut at `frame` of an episode with these actions `[frames, dims]`.
    ///
    /// # Panics
    /// If there is no such frame.
    pub(crate) fn cut(actions: &[f32], dims: usize, frame: usize, len: usize) -> Self {
        let frames = actions.len() / dims.max(1);
        assert!(frame < frames, "frame {frame} of {frames}");
        let at = |step: usize| (frame + step).min(frames - 1);
        Self {
            actions: (0..len).flat_map(|step| &actions[at(step) * dims..][..dims]).copied().collect(),
            is_pad: (0..len).map(|step| frame + step >= frames).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_end_the_last_action_is_repeated_and_marked() {
        let actions = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let chunk = ActionChunk::cut(&actions, 2, 1, 4);
        assert_eq!(chunk.actions, [3.0, 4.0, 5.0, 6.0, 5.0, 6.0, 5.0, 6.0]);
        assert_eq!(chunk.is_pad, [false, false, true, true]);
    }
}
