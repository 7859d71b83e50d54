//! A task bound to its model: what does not change while environments run.

use keiko_model::compose::Scene;
use keiko_model::error::ErrorKind;
use keiko_model::{Result, TaskSpec};
use keiko_world::Field;

use crate::action::ActionMap;
use crate::bind::Binder;
use crate::command::BoundCommand;
use crate::contract::{EnvSpec, GroupSpec};
use crate::draw::{Draw, MAX_STREAMS, Purpose, Who};
use crate::randomize::Randomizer;
use crate::terms::success::Holds;
use crate::terms::{View, observe, reward, success, terminate};

/// Most control steps of an episode.
const MAX_EPISODE_STEPS: f64 = 1e8;

/// A term of an observation group.
struct ObservedTerm {
    bound: observe::Bound,
    scale: f32,
    noise: f32,
    clip: f32,
}

/// All that a task says, with names resolved to indices.
pub(crate) struct Rules {
    pub spec: EnvSpec,
    pub actions: ActionMap,
    pub commands: Vec<BoundCommand>,
    pub randomizer: Randomizer,
    pub success: Option<Holds>,
    pub terminations: Vec<terminate::Ends>,
    groups: Vec<Vec<ObservedTerm>>,
    rewards: Vec<(f32, reward::Evaluate)>,
    reward_factor: f32,
    reward_floor: f32,
    /// The robot's base.
    pub base: usize,
}

impl Rules {
    /// Resolves every name of the task.
    ///
    /// # Errors
    /// The first name that the model does not have, or value that it cannot use, with its place.
    pub fn bind(task: &TaskSpec, scene: &Scene, num_envs: usize) -> Result<Self> {
        let binder = Binder { spec: task, scene };
        let control_dt = task.physics.timestep * f64::from(task.physics.decimation);
        let steps = (task.episode.seconds / control_dt).round().max(1.0);
        if steps > MAX_EPISODE_STEPS {
            return Err(binder
                .error(ErrorKind::Limit, "episode.seconds", &format!("{steps} control steps"))
                .allowed(format!("at most {MAX_EPISODE_STEPS}")));
        }
        for (table, count) in [("observe", task.observe.len()), ("command", task.command.len())] {
            if count > MAX_STREAMS {
                return Err(binder.error(ErrorKind::Limit, table, "too many entries").allowed("at most 64"));
            }
        }
        let actions = ActionMap::bind(&binder)?;
        let (groups, observations) = bind_groups(&binder, &actions)?;
        let mut rewards = Vec::new();
        for (name, entry) in task.reward.iter() {
            rewards
                .push((entry.weight as f32, reward::bind(&binder, &entry.term, &format!("reward.{name}"))?));
        }
        let mut terminations = Vec::new();
        for (name, entry) in task.terminate.iter() {
            terminations.push(terminate::bind(&binder, &entry.term, &format!("terminate.{name}"))?);
        }
        let mut commands = Vec::new();
        for (name, command) in task.command.iter() {
            commands.push(BoundCommand::bind(&binder, name, command, control_dt)?);
        }
        let names = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<Vec<_>>();
        Ok(Self {
            spec: EnvSpec {
                name: task.name.clone(),
                num_envs,
                observations,
                actions: actions.names().to_vec(),
                rewards: names(&mut task.reward.names()),
                terminations: names(&mut task.terminate.names()),
                control_dt,
                max_episode_steps: steps as u32,
            },
            actions,
            commands,
            randomizer: Randomizer::bind(&binder, control_dt)?,
            success: success::bind(&binder)?,
            terminations,
            groups,
            rewards,
            reward_factor: if task.episode.reward_per_second { control_dt as f32 } else { 1.0 },
            reward_floor: task.episode.reward_floor.map_or(f32::NEG_INFINITY, |floor| floor as f32),
            base: scene.base,
        })
    }

    /// Zeroed fields of the observation groups.
    pub fn observation_fields(&self) -> Vec<Field> {
        self.spec.observations.iter().map(|group| Field::zeros(group.size(), self.spec.num_envs)).collect()
    }

    /// Computes all groups for all environments; `who` keys their noise.
    pub fn observe(&self, view: &View<'_>, who: impl Fn(usize) -> Who, out: &mut [Field]) {
        let n = view.num_envs();
        for (group_idx, (terms, field)) in self.groups.iter().zip(out).enumerate() {
            let noisy = terms.iter().any(|term| term.noise > 0.0);
            let mut draws: Vec<Draw> = if noisy {
                (0..n).map(|env| who(env).draw(Purpose::Noise, group_idx, view.memory.step[env])).collect()
            } else {
                Vec::new()
            };
            let mut rest = field.as_mut_slice();
            for term in terms {
                let (part, tail) = rest.split_at_mut(term.bound.size * n);
                rest = tail;
                (term.bound.evaluate)(view, part);
                term.finish(part, n, &mut draws);
            }
        }
    }

    /// Rewards of all environments `[num_envs]`; `raw` `[num_rewards, num_envs]` gets each term before its
    /// weight, `weighted` what it adds to the reward.
    pub fn reward(&self, view: &View<'_>, raw: &mut Field, weighted: &mut Field, out: &mut [f32]) {
        out.fill(0.0);
        for (row, (weight, evaluate)) in self.rewards.iter().enumerate() {
            evaluate(view, raw.row_mut(row));
            let factor = weight * self.reward_factor;
            for ((sum, part), value) in out.iter_mut().zip(weighted.row_mut(row)).zip(raw.row(row)) {
                *part = factor * value;
                *sum += *part;
            }
        }
        for sum in out {
            // `max` would turn a NaN into the floor.
            if *sum < self.reward_floor {
                *sum = self.reward_floor;
            }
        }
    }
}

impl ObservedTerm {
    fn finish(&self, part: &mut [f32], num_envs: usize, draws: &mut [Draw]) {
        for row in part.chunks_exact_mut(num_envs) {
            if self.noise > 0.0 {
                for (value, draw) in row.iter_mut().zip(draws.iter_mut()) {
                    *value += self.noise * draw.range([-1.0, 1.0]) as f32;
                }
            }
            for value in row {
                *value = self.scale * value.clamp(-self.clip, self.clip);
            }
        }
    }
}

fn bind_groups(binder: &Binder<'_>, actions: &ActionMap) -> Result<(Vec<Vec<ObservedTerm>>, Vec<GroupSpec>)> {
    let defaults = actions.defaults();
    let (mut groups, mut specs) = (Vec::new(), Vec::new());
    for (group_name, group) in binder.spec.observe.iter() {
        let mut terms = Vec::new();
        let mut sizes = Vec::new();
        for (name, entry) in group.iter() {
            let path = format!("observe.{group_name}.{name}");
            let bound = observe::bind(binder, &entry.term, &path, actions.names().len(), &defaults)?;
            sizes.push((name.to_owned(), bound.size));
            terms.push(ObservedTerm {
                bound,
                scale: entry.scale as f32,
                noise: entry.noise as f32,
                clip: entry.clip.map_or(f32::INFINITY, |clip| clip as f32),
            });
        }
        groups.push(terms);
        specs.push(GroupSpec { name: group_name.to_owned(), terms: sizes });
    }
    Ok((groups, specs))
}
