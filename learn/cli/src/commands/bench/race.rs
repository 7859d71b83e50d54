//! The race: slices of CPU time, keiko's and the peer's in turn, so that a busy machine slows both alike.

use anyhow::ensure;
use cpu_time::ProcessTime;
use keiko_model::RobotModel;
use keiko_world::Field;
use serde_json::json;

use super::workload::Workload;
use crate::engine::{Batch, Engine, EngineArgs, columns};
use crate::mujoco::{Message, Peer};

/// Slices of each engine that count; one before them warms up.
const SLICES: usize = 12;

/// What a slice did.
#[derive(Clone, Copy, Debug)]
struct Slice {
    /// Physics steps of all environments.
    steps: f64,
    /// CPU time of the process \[s\].
    cpu: f64,
}

impl Slice {
    fn speed(self) -> f64 {
        self.steps / self.cpu
    }
}

/// keiko's side: the whole batch step by step, back to the start after the last control.
pub struct Keiko {
    batch: Batch,
    hold: usize,
    qpos: Field,
    qvel: Field,
    ctrl: Vec<Field>,
    next: usize,
    /// Environments that became unusable on the way.
    pub faults: usize,
}

impl Keiko {
    /// Takes up the work.
    ///
    /// # Errors
    /// If the executor cannot step the model.
    pub fn new(
        model: &RobotModel,
        work: &Workload,
        engine: &EngineArgs,
        hold: usize,
    ) -> anyhow::Result<Self> {
        let nu = model.actuators.len();
        let at = |k: usize| {
            let mut field = Field::zeros(nu, work.num_envs());
            for env in 0..work.num_envs() {
                field.set_column(env, work.ctrl.row(env)[k * nu..(k + 1) * nu].iter().map(|u| *u as f32));
            }
            field
        };
        Ok(Self {
            batch: Batch::new(model, work.num_envs(), engine, hold)?,
            hold,
            qpos: columns(&work.qpos),
            qvel: columns(&work.qvel),
            ctrl: (0..work.num_controls()).map(at).collect(),
            next: 0,
            faults: 0,
        })
    }

    /// Settings of the executor and what it leaves out.
    pub fn engine(&self) -> &Engine {
        &self.batch.engine
    }

    /// Steps until the CPU time is used up. Resets are not timed: MuJoCo's cost nothing either.
    fn slice(&mut self, seconds: f64) -> Slice {
        let mut done = Slice { steps: 0.0, cpu: 0.0 };
        let num_envs = self.batch.state.qpos.num_envs();
        while done.cpu < seconds {
            if self.next.is_multiple_of(self.ctrl.len()) {
                self.batch.reset(&vec![true; num_envs], &self.qpos, &self.qvel);
                self.next = 0;
            }
            let started = ProcessTime::now();
            let faults = self.batch.step(&self.ctrl[self.next]);
            done.cpu += started.elapsed().as_secs_f64();
            done.steps += (num_envs * self.hold) as f64;
            self.next += 1;
            if !faults.is_empty() {
                self.faults += faults.len();
                let mut mask = vec![false; num_envs];
                faults.iter().for_each(|fault| mask[fault.env] = true);
                self.batch.reset(&mask, &self.qpos, &self.qvel);
            }
        }
        done
    }
}

/// Speeds in physics steps per CPU-second.
#[derive(Clone, Debug)]
pub struct Result {
    /// keiko, median over the slices.
    pub keiko: f64,
    /// The peer, median over the slices.
    pub peer: Option<f64>,
    /// keiko over the peer, slice by slice: lower quartile, median, upper quartile.
    pub ratio: Option<[f64; 3]>,
}

/// Runs the slices.
///
/// # Errors
/// If the peer fails.
pub fn run(keiko: &mut Keiko, mut peer: Option<&mut Peer>, seconds: f64) -> anyhow::Result<Result> {
    let each = seconds / SLICES as f64;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for slice in 0..=SLICES {
        let our_slice = keiko.slice(each);
        let their_slice = peer.as_mut().map(|peer| peer_slice(peer, each)).transpose()?;
        if slice > 0 {
            ours.push(our_slice.speed());
            theirs.extend(their_slice.map(Slice::speed));
        }
    }
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| a / b).collect();
    let quartiles = |values: &[f64]| [0.25, 0.5, 0.75].map(|share| quantile(values, share));
    Ok(Result {
        keiko: quantile(&ours, 0.5),
        peer: (!theirs.is_empty()).then(|| quantile(&theirs, 0.5)),
        ratio: (!ratios.is_empty()).then(|| quartiles(&ratios)),
    })
}

fn peer_slice(peer: &mut Peer, seconds: f64) -> anyhow::Result<Slice> {
    let answer = peer.ask(&Message::request("slice", json!({ "seconds": seconds })))?;
    let slice = Slice { steps: answer.number("steps")?, cpu: answer.number("cpu")? };
    ensure!(slice.cpu > 0.0 && slice.steps > 0.0, "the peer stepped nothing");
    Ok(slice)
}

/// The value below which a share of the values lies, interpolated.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * (sorted.len().saturating_sub(1)) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    match (sorted.get(low), sorted.get(high)) {
        (Some(a), Some(b)) => a + (b - a) * at.fract(),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.25), 2.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
