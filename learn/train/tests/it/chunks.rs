//! Chunks in an evaluation: who decides when, and for whom.

use std::sync::Mutex;

use crate::toy::{Dynamics, PointMass, Toy};
use keiko_env::{GroupSpec, VecEnv};
use keiko_model::TrainSpec;
use keiko_policy::chunk::StatePolicy;
use keiko_policy::{ChunkPolicy, ChunkShape, Observation, PolicyError};
use keiko_train::chunk_eval::{Seen, Stage};
use keiko_train::{Device, TrainError, Trainer, evaluate, evaluate_chunks};

/// An environment whose state is its observation.
struct Plain(Box<dyn VecEnv>);

impl Stage for Plain {
    fn env(&mut self) -> &mut dyn VecEnv {
        self.0.as_mut()
    }

    fn look(&mut self, envs: &[usize], _episodes: &[u64]) -> Result<Seen, TrainError> {
        let observations = &self.0.output().observations[0];
        let states = envs.iter().flat_map(|&env| observations.column(env)).collect();
        Ok(Seen { instructions: vec![String::new(); envs.len()], states, ..Seen::default() })
    }
}

#[test]
fn a_perceptron_behind_the_trait_does_as_well_as_before_it() {
    let trainer = Trainer::new(Toy::<PointMass>::boxed(2, 1), TrainSpec::default(), 1, Device::cpu());
    let policy = trainer.expect("valid").policy().expect("fits");
    let mut env = Toy::<PointMass>::boxed(3, 9);
    let expected = evaluate(&policy, env.as_mut(), 7).expect("ends");
    let mut stage = Plain(Toy::<PointMass>::boxed(3, 9));
    let found = evaluate_chunks(&StatePolicy::new(policy), &mut stage, 7).expect("ends");
    assert_eq!(found, expected);
}

/// Five steps, then the end.
struct Five;

impl Dynamics for Five {
    const NAME: &'static str = "five";
    const MAX_STEPS: u32 = 5;

    fn groups() -> Vec<GroupSpec> {
        PointMass::groups()
    }

    fn initial(_uniform: &mut dyn FnMut() -> f64) -> [f64; 4] {
        [0.0; 4]
    }

    fn step(state: &mut [f64; 4], action: f64) -> (f64, bool) {
        state[0] += 1.0;
        (action, false)
    }

    fn observe(state: &[f64; 4], _group: usize) -> Vec<f64> {
        vec![state[0], state[1]]
    }
}

/// Plans tenths: what it sees of the time, counted on; and remembers for how many it decided.
struct Planner {
    shape: ChunkShape,
    decided: Mutex<Vec<usize>>,
}

impl ChunkPolicy for Planner {
    fn shape(&self) -> &ChunkShape {
        &self.shape
    }

    fn chunks(&self, observation: &Observation<'_>) -> Result<Vec<f32>, PolicyError> {
        let times: Vec<f32> = observation.state.chunks(2).map(|state| state[0]).collect();
        self.decided.lock().unwrap().push(times.len());
        Ok(times.iter().flat_map(|time| (0..3).map(move |k| 0.1 * (time + k as f32))).collect())
    }
}

#[test]
fn chunks_are_executed_in_part_and_forgotten_at_the_end_of_an_episode() {
    let shape =
        ChunkShape { cameras: Vec::new(), instructed: false, state: 2, action: 1, chunk: 3, executed: 2 };
    let planner = Planner { shape, decided: Mutex::new(Vec::new()) };
    let mut stage = Plain(Toy::<Five>::boxed(4, 1));
    let report = evaluate_chunks(&planner, &mut stage, 6).expect("ends");
    assert_eq!((report.episodes, report.mean_length), (6, 5.0));
    // Every step has the action that was planned for it: 0 to 4 tenths.
    assert!((report.mean_return - 1.0).abs() < 1e-6, "{}", report.mean_return);
    // Decisions at steps 0, 2 and 4 of an episode; the second is played by the two environments that have one left.
    assert_eq!(*planner.decided.lock().unwrap(), [4, 4, 4, 2, 2, 2]);
}
