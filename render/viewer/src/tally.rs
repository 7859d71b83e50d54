//! Rewards and endings of one environment, step by step.

use keiko_env::{EpisodeEnd, VecEnv};

use crate::subject::{News, Subject};

/// What an environment has earned.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    factors: Vec<f64>,
    /// Sum of each term's values in the episode, before its factor.
    sums: Vec<f64>,
    /// What each term added to the last reward.
    terms: Vec<f64>,
    /// How often each termination ended an episode; behind them time-outs.
    endings: Vec<u32>,
    last: Option<EpisodeEnd>,
}

impl Tally {
    /// Of an environment as it is now.
    pub fn new(subject: &Subject, env: usize) -> Self {
        let Some(task) = subject.task() else { return Self::default() };
        Self {
            factors: task.reward_factors(),
            sums: task.reward_sums(env),
            terms: vec![0.0; task.spec().rewards.len()],
            endings: vec![0; task.spec().terminations.len() + 1],
            last: None,
        }
    }

    /// After something that no step did: sums are read again, endings stay counted.
    pub fn read_again(&mut self, subject: &Subject, env: usize) {
        let fresh = Self::new(subject, env);
        *self = Self { endings: std::mem::take(&mut self.endings), last: self.last.take(), ..fresh };
    }

    /// Takes in a step of the environment; its episode, if that ended.
    pub fn take(&mut self, subject: &Subject, news: &News, env: usize) -> Option<EpisodeEnd> {
        let task = subject.task()?;
        let now = task.reward_sums(env);
        let end = news.episodes.iter().find(|end| end.env == env);
        let total = |index: usize| match end {
            Some(end) => end.reward_sums[index],
            None => self.factors[index] * now[index],
        };
        self.terms =
            (0..now.len()).map(|index| total(index) - self.factors[index] * self.sums[index]).collect();
        if news.faults.iter().any(|(broken, _)| *broken == env) {
            self.terms.fill(0.0);
        }
        self.sums = now;
        if let Some(end) = end {
            let time_out = self.endings.len() - 1;
            self.endings[end.termination.unwrap_or(time_out)] += 1;
            self.last = Some(end.clone());
        }
        end.cloned()
    }

    /// What each term added to the last reward, in the order of the scene.
    pub fn terms(&self) -> &[f64] {
        &self.terms
    }

    /// What each term has added to the return of this episode.
    pub fn totals(&self) -> Vec<f64> {
        self.sums.iter().zip(&self.factors).map(|(sum, factor)| sum * factor).collect()
    }

    /// What each term's value is multiplied with.
    pub fn factors(&self) -> &[f64] {
        &self.factors
    }

    /// How often each termination ended an episode here, and behind them time-outs.
    pub fn endings(&self) -> &[u32] {
        &self.endings
    }

    /// The last episode that ended here.
    pub fn last(&self) -> Option<&EpisodeEnd> {
        self.last.as_ref()
    }

    /// An ended episode in words.
    pub fn describe(&self, subject: &Subject, end: &EpisodeEnd) -> String {
        let names = subject.task().map(|task| task.spec().terminations.as_slice()).unwrap_or_default();
        let why = end.termination.and_then(|index| names.get(index)).map_or("time is up", String::as_str);
        let success = match end.success {
            Some(true) => ", success",
            Some(false) => ", no success",
            None => "",
        };
        format!("{why}: return {:.3} in {} steps{success}", end.return_sum, end.length)
    }
}
