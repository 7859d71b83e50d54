//! What goes over the socket. From the run: messages of a length, four bytes, least first, and so many bytes of postcard; a
//! [`Greeting`] first, then [`Frame`]s. To the run: numbers of environments, eight bytes each, least first.

use glam::DVec3;
use keiko_env::{BatchState, EnvSpec, EpisodeEnd, Touch};
use keiko_model::robot::RobotModel;
use serde::{Deserialize, Serialize};

/// Of what is said here.
pub const VERSION: u32 = 1;
/// Longest message that is believed \[byte\].
pub const LONGEST: usize = 64 << 20;
/// Bytes of the length before a message.
pub const HEAD: usize = 4;

/// The first message of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Greeting {
    /// Welcome.
    Hello(Box<Hello>),
    /// Go away, and why.
    Refused(String),
}

/// What a viewer needs to make the same scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of what is said here.
    pub version: u32,
    /// The task as it was resolved, as TOML.
    pub scene: String,
    /// Shapes and names.
    pub spec: EnvSpec,
    /// What each reward term is multiplied with `[num_rewards]`.
    pub factors: Vec<f64>,
    /// What steps the physics, and why.
    pub engine: String,
}

/// One environment after a control step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Which.
    pub env: usize,
    /// Control steps of the batch since the run was begun, or resumed.
    pub step: u64,
    /// Where it is `[rows, 1]`.
    pub state: BatchState,
    /// Reward of the step.
    pub reward: f32,
    /// What each reward term added to it `[num_rewards]`.
    pub terms: Vec<f64>,
    /// Sum of each term's values in the episode, before its factor `[num_rewards]`.
    pub sums: Vec<f64>,
    /// The last episode that ended here since the frame before.
    pub ended: Option<EpisodeEnd>,
    /// Numbers of each observation group, without images.
    pub observations: Vec<Vec<f32>>,
    /// Commands, three numbers each.
    pub commands: Vec<f32>,
    /// Where it touches.
    pub touches: Vec<Point>,
}

/// A [`Touch`] as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    geoms: [usize; 2],
    position: DVec3,
    normal: DVec3,
    force: DVec3,
}

impl From<Touch> for Point {
    fn from(Touch { geoms, position, normal, force }: Touch) -> Self {
        Self { geoms, position, normal, force }
    }
}

impl From<Point> for Touch {
    fn from(Point { geoms, position, normal, force }: Point) -> Self {
        Self { geoms, position, normal, force }
    }
}

impl Frame {
    /// Memory that it takes, about \[byte\].
    pub fn bytes(&self) -> usize {
        let state: usize = self.state.fields().iter().map(|field| field.as_slice().len()).sum();
        let observations: usize = self.observations.iter().map(Vec::len).sum();
        size_of::<Self>()
            + size_of::<f32>() * (state + observations + self.commands.len())
            + size_of::<f64>() * (self.terms.len() + self.sums.len())
            + size_of::<Point>() * self.touches.len()
    }

    /// Whether all of its numbers are as many as they should be.
    pub fn fits(&self, model: &RobotModel, spec: &EnvSpec) -> bool {
        let expected = BatchState::new(model, 1);
        let sizes = |state: &BatchState| {
            (state.fields().map(|field| (field.as_slice().len(), field.num_envs())), state.steps.len())
        };
        let rewards = spec.rewards.len();
        let numbers = self.observations.iter().map(Vec::len);
        let in_spec = |end: &EpisodeEnd| end.termination.is_none_or(|index| index < spec.terminations.len());
        self.env < spec.num_envs
            && sizes(&self.state) == sizes(&expected)
            && [self.terms.len(), self.sums.len()] == [rewards; 2]
            && numbers.eq(spec.observations.iter().map(keiko_env::GroupSpec::num_numbers))
            && self.ended.as_ref().is_none_or(in_spec)
            && self.touches.iter().flat_map(|point| point.geoms).all(|geom| geom < model.geoms.len())
    }
}

/// A message with its length before it.
///
/// # Errors
/// It is too long, in words.
pub fn message<T: Serialize>(what: &T) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; HEAD];
    bytes = postcard::to_extend(what, bytes).map_err(|error| error.to_string())?;
    let length = bytes.len() - HEAD;
    if length > LONGEST {
        return Err(format!("a message of {length} bytes; at most {LONGEST} are sent"));
    }
    bytes[..HEAD].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(bytes)
}
