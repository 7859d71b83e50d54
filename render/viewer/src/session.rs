//! What a person does with a subject: plays, pauses, steps, goes back, pushes, selects. It knows no window; panels draw it and
//! call it, tests too.

mod by_hand;
mod live;
mod past;

use std::time::{Duration, Instant};

use keiko_env::Field;
use keiko_model::robot::RobotModel;
use keiko_world::BatchState;

use crate::ViewError;
use crate::driver::{Actor, Casting, Driver, Random};
use crate::history::{History, Sample};
use crate::log::Log;
use crate::pull::Pull;
use crate::ring::Ring;
use crate::subject::{LoadOptions, News, Source, Subject};
use crate::tally::Tally;
use crate::thing::Thing;

/// Speeds that can be chosen, as multiples of real time.
pub const SPEEDS: [f64; 11] = [0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
/// Longer than this between two frames nothing is made up for \[s\].
const LONGEST_FRAME: f64 = 0.1;

/// A subject, its clock, its past, and what is held and selected.
pub struct Session {
    source: Source,
    options: LoadOptions,
    casting: Option<Casting>,
    subject: Subject,
    actor: Option<Box<dyn Actor>>,
    driver: Driver,
    random: Random,
    /// What hands set `[num_inputs]`.
    by_hand: Vec<f32>,
    /// What was asked for last `[num_inputs, num_envs]`.
    inputs: Field,
    playing: bool,
    speed: f64,
    /// Time that is to be simulated yet \[s\].
    owed: f64,
    /// Simulated over asked time of the last frames, at most 1.
    kept_up: f64,
    step: u64,
    env: usize,
    selected: Option<Thing>,
    pull: Option<Pull>,
    ring: Ring,
    history: History,
    tally: Tally,
    log: Log,
    failure: Option<String>,
    /// Counts what changes the picture.
    revision: u64,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("source", &self.source)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Loads a subject and pauses at its start.
    ///
    /// # Errors
    /// As [`Subject::load`]; the policy does not fit.
    pub fn new(source: Source, options: LoadOptions, casting: Option<Casting>) -> Result<Self, ViewError> {
        let subject = Subject::load(&source, &options)?;
        let actor = cast(casting.as_ref(), &subject)?;
        let mut session = Self {
            driver: if actor.is_some() { Driver::Policy } else { Driver::Hand },
            random: Random(options.seed),
            by_hand: subject.neutral.clone(),
            inputs: Field::zeros(subject.inputs.len(), subject.num_envs()),
            source,
            options,
            casting,
            actor,
            playing: false,
            speed: 1.0,
            owed: 0.0,
            kept_up: 1.0,
            step: 0,
            env: 0,
            selected: None,
            pull: None,
            ring: Ring::default(),
            history: History::default(),
            tally: Tally::new(&subject, 0),
            log: Log::default(),
            failure: None,
            revision: 0,
            subject,
        };
        session.begin();
        Ok(session)
    }

    /// Loads the subject again from its files: everything starts over, what hands chose stays where it still fits. On error the
    /// old subject stays, and the error is [`Session::failure`]. A run of another process is gone to again.
    pub fn reload(&mut self) -> bool {
        if let Some(remote) = self.subject.remote_mut() {
            // A run takes one viewer at a time.
            remote.leave();
        }
        let loaded = Subject::load(&self.source, &self.options).and_then(|subject| {
            let actor = cast(self.casting.as_ref(), &subject)?;
            Ok((subject, actor))
        });
        self.revision += 1;
        match loaded {
            Err(error) => {
                self.failure = Some(error.to_string());
                self.log.say(self.time(), format!("not reloaded: {error}"));
                false
            }
            Ok((subject, actor)) => {
                self.selected =
                    self.selected.and_then(|thing| thing.in_other(&self.subject.model, &subject.model));
                let same_inputs = subject.inputs == self.subject.inputs;
                if !same_inputs {
                    self.by_hand.clone_from(&subject.neutral);
                }
                self.env = self.env.min(subject.num_envs() - 1);
                self.subject = subject;
                if let Some(remote) = self.subject.remote_mut() {
                    remote.ask(self.env);
                }
                self.actor = actor;
                self.failure = None;
                self.begin();
                self.log.say(0.0, "reloaded".to_owned());
                true
            }
        }
    }

    fn begin(&mut self) {
        self.inputs = Field::zeros(self.subject.inputs.len(), self.subject.num_envs());
        self.step = 0;
        self.owed = 0.0;
        self.pull = None;
        self.ring.clear();
        self.history.clear();
        self.tally = Tally::new(&self.subject, self.env);
        self.log.notes(&self.subject.notes);
        self.remember();
        self.revision += 1;
    }

    /// What is looked at.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Its model.
    pub fn model(&self) -> &RobotModel {
        &self.subject.model
    }

    /// Where all environments are.
    pub fn state(&self) -> &BatchState {
        self.subject.state()
    }

    /// Where it came from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// How it was loaded.
    pub fn options(&self) -> &LoadOptions {
        &self.options
    }

    /// Counts everything that changes where things are.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Why the files as they are now cannot be shown; the last good ones are.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Notes something that happened outside of the session.
    pub fn say(&mut self, line: String) {
        self.log.say(self.time(), line);
    }

    /// What happened.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Rewards and endings of the environment that is shown.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Samples of the environment that is shown.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Control steps since the subject was loaded.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// The same as time \[s\].
    pub fn time(&self) -> f64 {
        self.step as f64 * self.subject.control_dt
    }

    /// Whether time goes on.
    pub fn is_playing(&self) -> bool {
        self.playing
    }

    /// Lets time go on, or stops it.
    pub fn play(&mut self, playing: bool) {
        self.playing = playing;
        self.owed = 0.0;
        self.kept_up = 1.0;
    }

    /// Simulated time in a second.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Changes the speed; numbers that are not over 0 change nothing.
    pub fn set_speed(&mut self, speed: f64) {
        if speed > 0.0 && speed.is_finite() {
            self.speed = speed;
        }
    }

    /// The next of [`SPEEDS`] up or down.
    pub fn faster(&mut self, up: bool) {
        let next = match up {
            true => SPEEDS.into_iter().find(|speed| *speed > self.speed * 1.001),
            false => SPEEDS.into_iter().rev().find(|speed| *speed < self.speed * 0.999),
        };
        self.speed = next.unwrap_or(self.speed);
    }

    /// Simulated over asked time, at most 1: what the machine keeps up with.
    pub fn kept_up(&self) -> f64 {
        self.kept_up
    }

    /// Lets `seconds` of real time go by, of which no more than `budget` is spent on steps; the number of control steps taken.
    pub fn advance(&mut self, seconds: f64, budget: Duration) -> u64 {
        self.advance_with(seconds, budget, &mut |_| ())
    }

    /// The same; `after` looks at the session after each control step.
    pub fn advance_with(&mut self, seconds: f64, budget: Duration, after: &mut dyn FnMut(&Self)) -> u64 {
        if !self.playing {
            return 0;
        }
        if self.subject.remote().is_some() {
            let steps = u64::from(self.follow());
            (0..steps).for_each(|_| after(self));
            return steps;
        }
        let (dt, start) = (self.subject.control_dt, Instant::now());
        self.owed += seconds.clamp(0.0, LONGEST_FRAME) * self.speed;
        let asked = self.owed;
        let mut steps = 0;
        // A hair of rounding must not cost a step.
        while self.playing && self.owed > dt * (1.0 - 1e-9) {
            if steps > 0 && start.elapsed() >= budget {
                self.owed = 0.0;
                break;
            }
            self.owed -= dt;
            self.single_step();
            after(self);
            steps += 1;
        }
        if asked >= dt {
            let done = steps as f64 * dt / (asked - self.owed).max(dt);
            self.kept_up += 0.1 * (done.min(1.0) - self.kept_up);
        }
        steps
    }

    /// One control step; of another process's run the newest frame.
    pub fn single_step(&mut self) {
        if self.subject.remote().is_some() {
            self.follow();
            return;
        }
        if let Err(error) = self.set_inputs() {
            self.playing = false;
            self.log.say(self.time(), error);
            return;
        }
        if let Some(pull) = self.pull {
            let wrench = pull.wrench(&self.subject.model, self.subject.state(), self.env);
            self.subject.set_wrench(self.env, &wrench);
        }
        let news = self.subject.step(&self.inputs);
        self.step += 1;
        self.revision += 1;
        self.take_in(&news);
        if self.ring.is_due(self.step, self.subject.control_dt) {
            self.remember();
        }
    }

    fn set_inputs(&mut self) -> Result<(), String> {
        match (self.driver, self.subject.task(), &mut self.actor) {
            (Driver::Policy, Some(env), Some(actor)) => return actor.act(env, &mut self.inputs),
            (Driver::Random, ..) => {
                for (row, input) in self.subject.inputs.iter().enumerate() {
                    let [low, high] = input.range;
                    for value in self.inputs.row_mut(row) {
                        *value = (low + (high - low) * self.random.unit()) as f32;
                    }
                }
            }
            _ => {
                for (row, value) in self.by_hand.iter().enumerate() {
                    self.inputs.row_mut(row).fill(*value);
                }
            }
        }
        Ok(())
    }

    fn take_in(&mut self, news: &News) {
        let ended = self.tally.take(&self.subject, news, self.env);
        for (env, why) in &news.faults {
            self.log.say(self.time(), format!("environment {env}: {why}"));
        }
        if let Some(words) = ended.as_ref().map(|end| self.tally.describe(&self.subject, end)) {
            self.log.say(self.time(), format!("environment {}: {words}", self.env));
            // The hand holds what is gone.
            self.release();
        }
        let faulted = news.faults.iter().any(|(env, _)| *env == self.env);
        let task = self.subject.task();
        self.history.push(Sample {
            step: self.step,
            ended: ended.is_some() || faulted,
            reward: task.map_or(0.0, |env| keiko_env::VecEnv::output(env).reward[self.env]),
            terms: self.tally.terms().to_vec(),
            inputs: self.inputs.column(self.env).collect(),
            ..Sample::of(self.subject.state(), self.env)
        });
    }
}

fn cast(casting: Option<&Casting>, subject: &Subject) -> Result<Option<Box<dyn Actor>>, ViewError> {
    match (casting, subject.task()) {
        (Some(casting), Some(env)) => casting(env).map(Some).map_err(ViewError::Policy),
        _ => Ok(None),
    }
}
