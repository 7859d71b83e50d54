//! A task bound to its model: what does not change while environments run, and the text of its part of a control step.
//!
//! ```text
//! Act -> the control step of the physics -> Judge -> Observe -> Conclude
//! ```

use keiko_dynamics::lane::{Num, Phase};
use keiko_dynamics::machine::Machine;
use keiko_dynamics::plan::TaskRows;
use keiko_model::compose::Scene;
use keiko_model::error::ErrorKind;
use keiko_model::task::{Observation, ObservationTerm, Table};
use keiko_model::{Result, TaskSpec};

use crate::action::ActionMap;
use crate::bind::{AirTime, Binder, Rows};
use crate::command::BoundCommand;
use crate::contract::{EnvSpec, GroupSpec};
use crate::draw::MAX_STREAMS;
use crate::images::{self, ImageTerm};
use crate::language::BoundLanguage;
use crate::randomize::Randomizer;
use crate::terms::observe::{ObservedTerm, Sees};
use crate::terms::reward::Pays;
use crate::terms::success::Succeeds;
use crate::terms::terminate::Ends;
use crate::terms::{TOUCH_FORCE, add_to_sum, flag, holds, touched};

/// Most control steps of an episode: the whole numbers that `f32` counts without a gap.
const MAX_EPISODE_STEPS: f64 = 16_777_216.0;

/// Time in an episode.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// Row: control steps in the episode, this one included.
    pub step: usize,
    /// Row: 1 where a termination holds.
    pub terminated: usize,
    /// Control steps of a full episode.
    pub max_steps: f64,
    /// Time of a control step \[s\].
    pub dt: f64,
}

impl Clock {
    /// Whether the episode has had all its steps.
    #[inline(always)]
    pub fn out_of_time<M: Machine>(&self, m: &M) -> <M::Num as Num>::Mask {
        m.num(self.max_steps).le(m.get(self.step))
    }
}

/// A weighted reward term.
#[derive(Clone, Debug)]
pub(crate) struct Reward {
    pub pays: Pays,
    /// Factor from its value to what it adds to the reward.
    pub factor: f64,
    /// Two rows: the sum of its values over the episode.
    pub sum: usize,
}

/// Rows that a control step gives, beside the observations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub reward: usize,
    /// 1 where the task ended the episode.
    pub terminated: usize,
    /// 1 where time ran out, or the environment broke.
    pub truncated: usize,
    /// 1 where an episode ended in this step, however.
    pub restart: usize,
    /// Why the environment broke: the number of a [`Breakage`](crate::Breakage), 0 where it did not.
    pub broken: usize,
    /// Index of the termination that holds, -1 where none does.
    pub cause: usize,
    /// 1 where the task's success condition holds.
    pub success: usize,
}

/// Numbers of breakages; the first two are those of the physics.
pub(crate) const BROKE_ACTION: f64 = 3.0;
/// See [`BROKE_ACTION`].
pub(crate) const BROKE_OUTPUT: f64 = 4.0;

/// All that a task says, with names resolved to rows.
pub(crate) struct Rules {
    pub spec: EnvSpec,
    pub actions: ActionMap,
    pub commands: Vec<BoundCommand>,
    pub language: Option<BoundLanguage>,
    pub randomizer: Randomizer,
    pub success: Option<Succeeds>,
    pub rewards: Vec<Reward>,
    terminations: Vec<Ends>,
    reward_floor: Option<f64>,
    groups: Vec<Vec<ObservedTerm>>,
    remembered: Vec<(usize, usize)>,
    air_times: Vec<AirTime>,
    pub clock: Clock,
    pub given: Given,
    /// Numbers of qvel.
    pub num_dofs: usize,
    /// Row of the fault of the physics.
    pub fault: usize,
    /// First row of the commands, three each.
    pub command: usize,
    /// Two rows: the sum of rewards over the episode.
    pub return_sum: usize,
    /// First row of the state of the task, and how many there are.
    pub state: usize,
    /// Rows that the task has.
    pub rows: TaskRows,
    /// Numbers of all observations.
    pub num_observed: usize,
    /// First row of the observations as they are made.
    now: usize,
    /// First row of the observations before episodes start again.
    pub last: usize,
    /// First row of the observations that the policy sees next.
    pub seen: usize,
    /// Groups with noise, and the rows that get draws in [-1, 1] for them.
    pub noise: Vec<(usize, std::ops::Range<usize>)>,
    /// Images that the groups have besides.
    pub images: Vec<ImageTerm>,
}

impl Rules {
    /// Resolves every name of the task to rows that begin where `rows` says. Without it the rows are right among
    /// themselves alone, which is enough to count them.
    ///
    /// # Errors
    /// The first name that the model does not have, or value that it cannot use, with its place.
    pub fn bind(task: &TaskSpec, scene: &Scene, num_envs: usize, rows: Rows) -> Result<Self> {
        let binder = Binder::new(task, scene, rows);
        let control_dt = task.physics.timestep * f64::from(task.physics.decimation);
        let steps = (task.episode.seconds / control_dt).round().max(1.0);
        if steps > MAX_EPISODE_STEPS {
            return Err(binder
                .error(ErrorKind::Limit, "episode.seconds", &format!("{steps} control steps"))
                .allowed(format!("at most {MAX_EPISODE_STEPS}")));
        }
        // The instruction is drawn from the last stream of the commands.
        let num_commands = task.command.len() + usize::from(task.language.is_some());
        for (table, count) in [("observe", task.observe.len()), ("command", num_commands)] {
            if count > MAX_STREAMS {
                return Err(binder.error(ErrorKind::Limit, table, "too many entries").allowed("at most 64"));
            }
        }
        let state = binder.take_state(0);
        let given = Given {
            reward: binder.take_output(1),
            terminated: binder.take_output(1),
            truncated: binder.take_output(1),
            restart: binder.take_output(1),
            broken: binder.take_output(1),
            cause: binder.take_output(1),
            success: binder.take_output(1),
        };
        let clock = Clock {
            step: binder.take_state(1),
            terminated: given.terminated,
            max_steps: steps,
            dt: control_dt,
        };
        let return_sum = binder.take_state(2);
        let sums = binder.take_state(2 * task.reward.len());
        let command = binder.take_state(3 * task.command.len());
        let language = BoundLanguage::bind(&binder)?;
        if let Some(language) = &language {
            binder.language.get_or_init(|| language.clone());
        }
        let actions = ActionMap::bind(&binder)?;
        let per_step = if task.episode.reward_per_second { control_dt } else { 1.0 };
        let mut rewards = Vec::new();
        for (index, (name, entry)) in task.reward.iter().enumerate() {
            let path = format!("reward.{name}");
            rewards.push(Reward {
                pays: Pays::bind(&binder, &entry.term, &path, &actions, command, sums)?,
                factor: entry.weight * per_step,
                sum: sums + 2 * index,
            });
        }
        let mut terminations = Vec::new();
        for (name, entry) in task.terminate.iter() {
            terminations.push(Ends::bind(&binder, &entry.term, &format!("terminate.{name}"))?);
        }
        let mut commands = Vec::new();
        for (name, command) in task.command.iter() {
            commands.push(BoundCommand::bind(&binder, name, command, control_dt)?);
        }
        let (groups, noise) = bind_groups(&binder, &actions, command)?;
        let observations = group_specs(task, &groups);
        let num_observed = observations.iter().map(GroupSpec::size).sum();
        let (now, last) = (binder.take_work(num_observed), binder.take_output(num_observed));
        let seen = binder.take_output(num_observed);
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
            commands,
            language,
            randomizer: Randomizer::bind(&binder, control_dt)?,
            success: Succeeds::bind(&binder, command, sums)?,
            rewards,
            terminations,
            reward_floor: task.episode.reward_floor,
            groups,
            remembered: binder.remembered.take(),
            air_times: binder.air_times.take(),
            clock,
            given,
            num_dofs: scene.model.num_dofs(),
            fault: rows.fault,
            command,
            return_sum,
            state,
            rows: binder.taken(),
            num_observed,
            now,
            last,
            seen,
            noise,
            images: images::bind(&binder)?,
            actions,
        })
    }
}

/// The terms of all groups, and the groups that have noise with the rows of their draws.
#[expect(clippy::type_complexity, reason = "a pair that is taken apart at once")]
fn bind_groups(
    binder: &Binder<'_>,
    actions: &ActionMap,
    commands: usize,
) -> Result<(Vec<Vec<ObservedTerm>>, Vec<(usize, std::ops::Range<usize>)>)> {
    let (mut groups, mut noise) = (Vec::new(), Vec::new());
    for (index, (group_name, group)) in binder.spec.observe.iter().enumerate() {
        let first = binder.take_input(0);
        let mut terms = Vec::new();
        for (name, entry) in numbers_of(group) {
            let path = format!("observe.{group_name}.{name}");
            let sees = Sees::bind(binder, &entry.term, &path, actions, commands)?;
            let noise = (entry.noise > 0.0).then(|| (entry.noise, binder.take_input(sees.size())));
            terms.push(ObservedTerm { sees, scale: entry.scale, noise, clip: entry.clip });
        }
        groups.push(terms);
        let draws = first..binder.take_input(0);
        if !draws.is_empty() {
            noise.push((index, draws));
        }
    }
    Ok((groups, noise))
}

/// The terms that are made in the pass of the physics: all but images.
fn numbers_of(group: &Table<ObservationTerm>) -> impl Iterator<Item = (&str, &ObservationTerm)> {
    group.iter().filter(|(_, entry)| !matches!(entry.term, Observation::Camera { .. }))
}

fn group_specs(task: &TaskSpec, groups: &[Vec<ObservedTerm>]) -> Vec<GroupSpec> {
    let named = task.observe.iter().zip(groups);
    named
        .map(|((name, group), terms)| GroupSpec {
            name: name.to_owned(),
            terms: numbers_of(group)
                .map(|(name, _)| name.to_owned())
                .zip(terms.iter().map(|t| t.sees.size()))
                .collect(),
            images: Vec::new(),
        })
        .collect()
}

/// Before the physics: controls from actions, and what the terms want to know of the state before.
pub(crate) struct Act;

impl Phase<Rules> for Act {
    #[inline(always)]
    fn run<M: Machine>(rules: &Rules, m: &mut M) {
        rules.actions.apply(m);
        for (row, kept) in &rules.remembered {
            m.set(*kept, m.get(*row));
        }
    }
}

/// After the physics: counts the step, decides what ended, and sums rewards.
pub(crate) struct Judge;

impl Phase<Rules> for Judge {
    #[inline(always)]
    fn run<M: Machine>(rules: &Rules, m: &mut M) {
        let (given, step) = (rules.given, rules.clock.step);
        m.set(step, m.get(step) + m.num(1.0));
        for feet in &rules.air_times {
            let touched = touched(m, feet.body.contact_force, TOUCH_FORCE);
            let air = m.get(feet.air);
            m.set(feet.landed, M::Num::select(touched, air, m.num(0.0)));
            m.set(feet.air, M::Num::select(touched, m.num(0.0), air + m.num(rules.clock.dt)));
        }
        let mut cause = m.num(-1.0);
        for (index, ends) in rules.terminations.iter().enumerate() {
            let first = cause.lt(m.num(0.0)) & ends.holds(m);
            cause = M::Num::select(first, m.num(index as f64), cause);
        }
        m.set(given.cause, cause);
        m.set(given.terminated, flag(m, m.num(-0.5).lt(cause)));
        let mut sum = m.num(0.0);
        for reward in &rules.rewards {
            let value = reward.pays.value(m, &rules.clock);
            add_to_sum(m, reward.sum, value);
            sum = value.mul_add(m.num(reward.factor), sum);
        }
        if let Some(floor) = rules.reward_floor {
            // `max` would turn a NaN into the floor.
            sum = M::Num::select(sum.lt(m.num(floor)), m.num(floor), sum);
        }
        m.set(given.reward, sum);
        let success = match &rules.success {
            Some(success) => flag(m, success.holds(m, &rules.clock)),
            None => m.num(0.0),
        };
        m.set(given.success, success);
    }
}

/// All observations, from the state as it is.
pub(crate) struct Observe;

impl Phase<Rules> for Observe {
    #[inline(always)]
    fn run<M: Machine>(rules: &Rules, m: &mut M) {
        let mut out = rules.now;
        for term in rules.groups.iter().flatten() {
            term.write(m, &rules.clock, out);
            out += term.sees.size();
        }
    }
}

/// What the step gives. Observations of broken environments, and those that are not finite, are replaced by the ones
/// before.
pub(crate) struct Conclude;

impl Phase<Rules> for Conclude {
    #[inline(always)]
    fn run<M: Machine>(rules: &Rules, m: &mut M) {
        let given = rules.given;
        let (zero, half, one) = (m.num(0.0), m.num(0.5), m.num(1.0));
        let largest = m.num(f64::from(f32::MAX));
        let mut finite = m.get(given.reward).abs().le(largest);
        for k in 0..rules.num_observed {
            finite = finite & m.get(rules.now + k).abs().le(largest);
        }
        let by_action = M::Num::select(holds(m, rules.actions.broken), m.num(BROKE_ACTION), zero);
        let fault = m.get(rules.fault);
        let earlier = M::Num::select(half.lt(fault), fault, by_action);
        let by_output = M::Num::select(finite, zero, m.num(BROKE_OUTPUT));
        let broken = M::Num::select(half.lt(earlier), earlier, by_output);
        let broke = half.lt(broken);
        m.set(given.broken, broken);
        for k in 0..rules.num_observed {
            let value = M::Num::select(broke, m.get(rules.seen + k), m.get(rules.now + k));
            m.set(rules.last + k, value);
            m.set(rules.seen + k, value);
        }
        let reward = M::Num::select(broke, zero, m.get(given.reward));
        m.set(given.reward, reward);
        add_to_sum(m, rules.return_sum, reward);
        // A broken environment is cut, not ended: nothing is learned about the value of where it was.
        let terminated = holds(m, given.terminated);
        let out_of_time = rules.clock.out_of_time(m) & !terminated;
        m.set(given.terminated, flag(m, terminated & !broke));
        m.set(given.truncated, flag(m, broke | out_of_time));
        m.set(given.restart, M::Num::select(terminated | broke | out_of_time, one, zero));
    }
}

/// The first observations of environments that started again.
pub(crate) struct Fresh;

impl Phase<Rules> for Fresh {
    #[inline(always)]
    fn run<M: Machine>(rules: &Rules, m: &mut M) {
        let restarted = holds(m, rules.given.restart);
        for k in 0..rules.num_observed {
            let value = M::Num::select(restarted, m.get(rules.now + k), m.get(rules.seen + k));
            m.set(rules.seen + k, value);
        }
    }
}

/// Everything after the physics, for a kernel; commands and draws of noise are what the kernel gets.
pub(crate) struct After;

impl Phase<Rules> for After {
    #[inline(always)]
    fn run<M: Machine>(rules: &Rules, m: &mut M) {
        m.call_with::<Rules, Judge>(rules);
        m.call_with::<Rules, Observe>(rules);
        m.call_with::<Rules, Conclude>(rules);
    }
}
