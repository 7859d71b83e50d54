//! The model with all around it, as a policy that acts.

use super::checkpoint::Checkpoint;
use super::flow::Flow;
use crate::PolicyError;
use crate::chunk::{ChunkPolicy, ChunkShape, Observation};
use crate::noise::{Purpose, Stream};
use burn::tensor::{Tensor, TensorData};

/// A vision-language-action model that acts.
#[derive(Clone, Debug)]
pub struct VlaPolicy {
    checkpoint: Checkpoint,
    model: Flow,
    shape: ChunkShape,
    /// Of the noise that actions begin as.
    stream: Stream,
    steps: usize,
}

impl VlaPolicy {
    /// `seed` decides the noise, together with [`Observation::draws`].
    ///
    /// # Errors
    /// If the tokenizer lacks what the model needs.
    pub fn new(checkpoint: Checkpoint, seed: u64) -> Result<Self, PolicyError> {
        let config = &checkpoint.config;
        let shape = ChunkShape {
            cameras: config.cameras().map(str::to_owned).collect(),
            instructed: true,
            state: config.state_dim(),
            action: config.action_dim(),
            chunk: config.chunk_size,
            executed: config.n_action_steps,
        };
        let (model, steps) = (checkpoint.model(&checkpoint.weights)?, config.num_steps);
        Ok(Self { shape, model, steps, stream: Stream::new(seed, Purpose::Flow), checkpoint })
    }

    /// The model's files.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

impl ChunkPolicy for VlaPolicy {
    fn shape(&self) -> &ChunkShape {
        &self.shape
    }

    fn chunks(&self, observation: &Observation<'_>) -> Result<Vec<f32>, PolicyError> {
        let Observation { images, instructions, state, draws } = observation;
        if draws.len() != instructions.len() {
            let message = format!("{} for {} instructions", draws.len(), instructions.len());
            return Err(PolicyError::malformed("draws", message));
        }
        let inputs = self.checkpoint.inputs(images, instructions, state)?;
        let sizes = &self.checkpoint.sizes;
        let numbers = (sizes.chunk * sizes.action) as u64;
        let noise = draws
            .iter()
            .flat_map(|&draw| (0..numbers).map(move |number| self.stream.normal(draw, 0, number) as f32));
        let noise = TensorData::new(noise.collect::<Vec<_>>(), [draws.len(), sizes.chunk, sizes.action]);
        let noise = Tensor::from_data(noise, &self.checkpoint.weights.device());
        self.checkpoint.actions(self.model.act(&inputs, noise, self.steps))
    }
}
