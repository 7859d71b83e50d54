//! Environments in closed form: a point on a line, and a pole on a cart.

use keiko_env::{EnvSpec, EpisodeEnd, Field, GroupSpec, SnapshotError, StepOutput, VecEnv};
use serde::{Deserialize, Serialize};

/// A small system with one action.
pub trait Dynamics: Send + 'static {
    /// Name of the task.
    const NAME: &'static str;
    /// Control steps after which an episode is truncated.
    const MAX_STEPS: u32;
    /// Observation groups: name and terms.
    fn groups() -> Vec<GroupSpec>;
    /// A new state from a source of numbers uniform in [-1, 1].
    fn initial(uniform: &mut dyn FnMut() -> f64) -> [f64; 4];
    /// Moves the state on; gives the reward and whether the task ends the episode.
    fn step(state: &mut [f64; 4], action: f64) -> (f64, bool);
    /// Numbers of a group.
    fn observe(state: &[f64; 4], group: usize) -> Vec<f64>;
    /// Whether the task is done well.
    fn success(_state: &[f64; 4]) -> Option<bool> {
        None
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Episode {
    state: [f64; 4],
    steps: u32,
    return_sum: f64,
    started: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Snapshot {
    episodes: Vec<Episode>,
    output: StepOutput,
}

/// A batch of a system.
pub struct Toy<D> {
    spec: EnvSpec,
    seed: u64,
    episodes: Vec<Episode>,
    output: StepOutput,
    /// Transitions `(step of the batch, env)` to report as invalid, with a reward that must not count.
    pub broken: Vec<(u64, usize)>,
    steps: u64,
    dynamics: std::marker::PhantomData<fn() -> D>,
}

impl<D: Dynamics> Toy<D> {
    pub fn new(num_envs: usize, seed: u64) -> Self {
        let spec = EnvSpec {
            name: D::NAME.into(),
            num_envs,
            observations: D::groups(),
            actions: vec!["force".into()],
            rewards: vec!["reward".into()],
            terminations: vec!["failed".into()],
            control_dt: 0.02,
            max_episode_steps: D::MAX_STEPS,
        };
        let episode = Episode { state: [0.0; 4], steps: 0, return_sum: 0.0, started: 0 };
        let mut toy = Self {
            seed,
            episodes: vec![episode; num_envs],
            output: StepOutput::default(),
            broken: Vec::new(),
            steps: 0,
            dynamics: std::marker::PhantomData,
            spec,
        };
        toy.reset(None);
        toy
    }

    pub fn boxed(num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        Box::new(Self::new(num_envs, seed))
    }

    pub fn spec_mut(&mut self) -> &mut EnvSpec {
        &mut self.spec
    }

    fn start(&mut self, env: usize) {
        let episode = &mut self.episodes[env];
        episode.started += 1;
        let mut counter = self.seed ^ ((env as u64) << 40) ^ (episode.started << 8);
        let mut uniform = || {
            counter = counter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mixed = (counter ^ (counter >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        // The first numbers of neighbouring counters resemble each other.
        for _ in 0..4 {
            uniform();
        }
        episode.state = D::initial(&mut uniform);
        (episode.steps, episode.return_sum) = (0, 0.0);
    }

    fn observe(&self) -> Vec<Field> {
        let groups = self.spec.observations.iter().enumerate();
        groups
            .map(|(index, group)| {
                let mut field = Field::zeros(group.size(), self.spec.num_envs);
                for (env, episode) in self.episodes.iter().enumerate() {
                    field.set_column(env, D::observe(&episode.state, index).iter().map(|&x| x as f32));
                }
                field
            })
            .collect()
    }
}

impl<D: Dynamics> VecEnv for Toy<D> {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn reset(&mut self, mask: Option<&[bool]>) {
        for env in 0..self.spec.num_envs {
            if mask.is_none_or(|mask| mask[env]) {
                self.start(env);
            }
        }
        let n = self.spec.num_envs;
        self.output = StepOutput {
            observations: self.observe(),
            final_observations: self.observe(),
            reward: vec![0.0; n],
            terminated: vec![false; n],
            truncated: vec![false; n],
            invalid: vec![false; n],
            episodes: Vec::new(),
        };
    }

    fn step(&mut self, actions: &Field) {
        let n = self.spec.num_envs;
        let mut output = StepOutput { invalid: vec![false; n], ..StepOutput::default() };
        for env in 0..n {
            let episode = &mut self.episodes[env];
            let action = f64::from(actions.get(0, env)).clamp(-1.0, 1.0);
            let (mut reward, terminated) = D::step(&mut episode.state, action);
            if self.broken.contains(&(self.steps, env)) {
                output.invalid[env] = true;
                reward = f64::NAN;
            }
            episode.steps += 1;
            episode.return_sum += reward;
            output.reward.push(reward as f32);
            output.terminated.push(terminated);
            output.truncated.push(!terminated && episode.steps >= D::MAX_STEPS);
        }
        self.steps += 1;
        output.final_observations = self.observe();
        for env in 0..n {
            if output.terminated[env] || output.truncated[env] {
                let episode = &self.episodes[env];
                output.episodes.push(EpisodeEnd {
                    env,
                    return_sum: episode.return_sum,
                    length: episode.steps,
                    success: D::success(&episode.state),
                    reward_sums: vec![episode.return_sum],
                    reward_means: vec![episode.return_sum / f64::from(episode.steps)],
                    termination: output.terminated[env].then_some(0),
                });
                self.start(env);
            }
        }
        output.observations = self.observe();
        self.output = output;
    }

    fn output(&self) -> &StepOutput {
        &self.output
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        let snapshot = Snapshot { episodes: self.episodes.clone(), output: self.output.clone() };
        Ok(postcard::to_stdvec(&snapshot).expect("plain data"))
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let snapshot: Snapshot =
            postcard::from_bytes(bytes).map_err(|error| SnapshotError(error.to_string()))?;
        (self.episodes, self.output) = (snapshot.episodes, snapshot.output);
        Ok(())
    }
}

fn group(name: &str, terms: &[(&str, usize)]) -> GroupSpec {
    let terms = terms.iter().map(|&(name, size)| (name.to_string(), size)).collect();
    GroupSpec { name: name.into(), terms, images: Vec::new() }
}

/// A point that is moved at up to 0.2 a step and should stay at 0: reward `1 - |x|` a step, 20 steps, `|x0|`
/// uniform in [0, 1]. The best controller reaches 0 in five steps at most, and its mean return is
/// `20 - sum_k (1 - 0.2 k)^2 / 2` over k = 1..5, which is 19.4; acting not at all gives 10. The actor sees `x`
/// and a constant, the critic `x` and the time gone by.
pub struct PointMass;

impl Dynamics for PointMass {
    const NAME: &'static str = "point-mass";
    const MAX_STEPS: u32 = 20;

    fn groups() -> Vec<GroupSpec> {
        vec![
            group("policy", &[("position", 1), ("constant", 1)]),
            group("critic", &[("position", 1), ("elapsed", 1)]),
        ]
    }

    fn initial(uniform: &mut dyn FnMut() -> f64) -> [f64; 4] {
        [uniform(), 0.0, 0.0, 0.0]
    }

    fn step(state: &mut [f64; 4], action: f64) -> (f64, bool) {
        state[0] += 0.2 * action;
        state[1] += 1.0;
        (1.0 - state[0].abs(), false)
    }

    fn observe(state: &[f64; 4], group: usize) -> Vec<f64> {
        if group == 0 { vec![state[0], 1.0] } else { vec![state[0], state[1] / 20.0] }
    }

    fn success(state: &[f64; 4]) -> Option<bool> {
        Some(state[0].abs() < 0.1)
    }
}

/// The same point, seen: the actor gets a constant and a picture of a line with the point on it, blurred; the critic its
/// numbers.
pub struct SeenPoint;

impl SeenPoint {
    /// Frames, channels, height and width; the line has three rows of which the point is in the middle one.
    pub const IMAGE: [usize; 4] = [1, 1, 3, 12];
}

impl Dynamics for SeenPoint {
    const NAME: &'static str = "seen-point";
    const MAX_STEPS: u32 = PointMass::MAX_STEPS;

    fn groups() -> Vec<GroupSpec> {
        let seen = group("policy", &[("constant", 1), ("line", Self::IMAGE.iter().product())]);
        vec![
            GroupSpec { images: vec![Self::IMAGE], ..seen },
            group("critic", &[("position", 1), ("elapsed", 1)]),
        ]
    }

    fn initial(uniform: &mut dyn FnMut() -> f64) -> [f64; 4] {
        PointMass::initial(uniform)
    }

    fn step(state: &mut [f64; 4], action: f64) -> (f64, bool) {
        PointMass::step(state, action)
    }

    fn observe(state: &[f64; 4], group: usize) -> Vec<f64> {
        if group == 1 {
            return PointMass::observe(state, 1);
        }
        let [_, _, height, width] = Self::IMAGE;
        let pixel = |k: usize| {
            let (y, x) = (k / width, k % width);
            let place = (x as f64 + 0.5) / width as f64 * 3.0 - 1.5;
            let across = y as f64 - 0.5 * (height as f64 - 1.0);
            (-((place - state[0]) / 0.25).powi(2) - across * across).exp()
        };
        std::iter::once(1.0).chain((0..height * width).map(pixel)).collect()
    }

    fn success(state: &[f64; 4]) -> Option<bool> {
        PointMass::success(state)
    }
}

/// The pole on a cart of Barto, Sutton, Anderson (1983) with the constants in use since: cart 1 kg, pole 0.1 kg
/// and 1 m, force up to 10 N, 20 ms explicit Euler; ends beyond 2.4 m or 12 degrees; 1 a step, 500 steps.
pub struct CartPole;

impl Dynamics for CartPole {
    const NAME: &'static str = "cartpole-closed-form";
    const MAX_STEPS: u32 = 500;

    fn groups() -> Vec<GroupSpec> {
        vec![group("policy", &[("cart", 2), ("pole", 2)])]
    }

    fn initial(uniform: &mut dyn FnMut() -> f64) -> [f64; 4] {
        [0.05 * uniform(), 0.05 * uniform(), 0.05 * uniform(), 0.05 * uniform()]
    }

    fn step(state: &mut [f64; 4], action: f64) -> (f64, bool) {
        let [x, x_rate, angle, angle_rate] = *state;
        let (sin, cos) = angle.sin_cos();
        let pull = (10.0 * action + 0.05 * angle_rate * angle_rate * sin) / 1.1;
        let angle_acc = (9.8 * sin - cos * pull) / (0.5 * (4.0 / 3.0 - 0.1 * cos * cos / 1.1));
        let x_acc = pull - 0.05 * angle_acc * cos / 1.1;
        *state = [
            x + 0.02 * x_rate,
            x_rate + 0.02 * x_acc,
            angle + 0.02 * angle_rate,
            angle_rate + 0.02 * angle_acc,
        ];
        (1.0, state[0].abs() > 2.4 || state[2].abs() > 12f64.to_radians())
    }

    fn observe(state: &[f64; 4], _group: usize) -> Vec<f64> {
        state.to_vec()
    }
}
