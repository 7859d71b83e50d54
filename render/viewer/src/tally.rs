//! Rewards and endings of one environment, step by step.

use keiko_env::EpisodeEnd;

use crate::live::{Frame, added};
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
        let Some(spec) = subject.spec() else { return Self::default() };
        let zeros = vec![0.0; spec.rewards.len()];
        let (factors, sums) = match (subject.task(), subject.remote()) {
            (Some(task), _) => (task.reward_factors(), task.reward_sums(env)),
            (None, Some(remote)) => (remote.hello.factors.clone(), zeros.clone()),
            (None, None) => (zeros.clone(), zeros.clone()),
        };
        Self { factors, sums, terms: zeros, endings: vec![0; spec.terminations.len() + 1], last: None }
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
        self.terms = added(&self.factors, &self.sums, &now, end);
        if news.faults.iter().any(|(broken, _)| *broken == env) {
            self.terms.fill(0.0);
        }
        self.sums = now;
        self.count(end);
        end.cloned()
    }

    /// Takes in a frame of another process's run.
    pub fn take_frame(&mut self, frame: &Frame) {
        self.terms.clone_from(&frame.terms);
        self.sums.clone_from(&frame.sums);
        self.count(frame.ended.as_ref());
    }

    fn count(&mut self, end: Option<&EpisodeEnd>) {
        let Some(end) = end else { return };
        let time_out = self.endings.len() - 1;
        self.endings[end.termination.unwrap_or(time_out)] += 1;
        self.last = Some(end.clone());
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
        let names = subject.spec().map(|spec| spec.terminations.as_slice()).unwrap_or_default();
        let why = end.termination.and_then(|index| names.get(index)).map_or("time is up", String::as_str);
        let success = match end.success {
            Some(true) => ", success",
            Some(false) => ", no success",
            None => "",
        };
        format!("{why}: return {:.3} in {} steps{success}", end.return_sum, end.length)
    }
}
