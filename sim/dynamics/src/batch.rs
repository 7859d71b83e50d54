//! Many environments in blocks of as many as a vector register holds, blocks over threads.

use std::sync::{Mutex, PoisonError};

use keiko_model::robot::RobotModel;
use rayon::prelude::*;

use crate::lane::{Lanes, Num};
use crate::machine::Cpu;
use crate::plan::{BuildError, Links, Parameters, Plan, StepOptions};
use crate::step::{Begin, ControlStep, Observe};

/// A batch of environments of one model, all rows `[row, num_envs]`, environment fastest.
///
/// Environment `i` gets the same numbers whatever the size of the batch, the number of threads and the lanes' width.
pub struct Batch<L: Lanes> {
    plan: Plan,
    reals: Vec<L::Scalar>,
    links: Links,
    num_envs: usize,
    /// `[block][row]`.
    state: Vec<L>,
    parameters: Vec<L>,
    output: Vec<L>,
    /// Working memory, one for each thread and one for callers outside.
    desks: Vec<Mutex<Desk<L>>>,
}

/// Working memory of a thread.
struct Desk<L> {
    memory: Vec<L>,
    counts: Vec<u32>,
}

impl<L: Lanes> Desk<L> {
    fn new(plan: &Plan) -> Self {
        Self { memory: vec![L::zero(); plan.memory_len], counts: vec![0; plan.counts_len] }
    }
}

impl<L: Lanes> Batch<L> {
    /// `num_envs` copies of a model at its reference configuration, at rest.
    ///
    /// # Errors
    /// See [`Plan::new`].
    pub fn new(model: &RobotModel, num_envs: usize, options: StepOptions) -> Result<Self, BuildError> {
        let plan = Plan::new(model, options)?;
        let links = Links::new(model);
        let blocks = num_envs.div_ceil(L::WIDTH);
        let mut batch = Self {
            reals: plan.reals.iter().map(|&x| L::scalar(x)).collect(),
            state: vec![L::zero(); blocks * plan.state_len],
            parameters: vec![L::zero(); blocks * plan.parameters_len],
            output: vec![L::zero(); blocks * plan.output_len],
            desks: Vec::new(),
            links,
            num_envs,
            plan,
        };
        batch.provide_desks();
        let numbers = batch.numbers(model, &Parameters::default());
        let (qpos, qvel) = (model.reference_qpos(), vec![0.0; model.num_dofs()]);
        // Lanes beyond the last environment are copies too: they must not diverge and slow the others down.
        for env in 0..blocks * L::WIDTH {
            batch.set_parameters(env, &numbers);
            batch.reset(env, &qpos, &qvel);
        }
        batch.observe();
        Ok(batch)
    }

    /// The plan of the step.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Environments.
    pub fn num_envs(&self) -> usize {
        self.num_envs
    }

    /// Parameters as the step reads them, for [`Batch::set_parameters`].
    pub fn numbers(&self, model: &RobotModel, parameters: &Parameters) -> Vec<f64> {
        parameters.numbers(&self.plan, model, &self.links)
    }

    /// Sets the parameters of an environment.
    pub fn set_parameters(&mut self, env: usize, numbers: &[f64]) {
        set_column(&mut self.parameters, self.plan.parameters_len, env, 0, numbers);
    }

    /// Puts an environment at `qpos` `[nq]`, `qvel` `[nv]`, with no memory of the past.
    pub fn reset(&mut self, env: usize, qpos: &[f64], qvel: &[f64]) {
        let len = self.plan.state_len;
        set_column(&mut self.state, len, env, 0, &vec![0.0; len]);
        set_column(&mut self.state, len, env, self.plan.qpos, qpos);
        set_column(&mut self.state, len, env, self.plan.qvel, qvel);
    }

    /// One number of the state of an environment.
    pub fn state(&self, row: usize, env: usize) -> L::Scalar {
        get(&self.state, self.plan.state_len, env, row)
    }

    /// Changes one number of the state of an environment.
    pub fn set_state(&mut self, row: usize, env: usize, value: f64) {
        set_column(&mut self.state, self.plan.state_len, env, row, &[value]);
    }

    /// One number of the output of an environment; `row` counts from [`Plan::fault`].
    pub fn output(&self, row: usize, env: usize) -> L::Scalar {
        get(&self.output, self.plan.output_len, env, row)
    }

    /// Copies a row of the state over all environments into `to` `[num_envs]`.
    pub fn copy_state(&self, row: usize, to: &mut [L::Scalar]) {
        copy_row(&self.state, self.plan.state_len, row, to);
    }

    /// Copies a row of the output, counted from [`Plan::fault`], over all environments into `to` `[num_envs]`.
    pub fn copy_output(&self, row: usize, to: &mut [L::Scalar]) {
        copy_row(&self.output, self.plan.output_len, row, to);
    }

    /// One control step of all environments under `control` `[nu, num_envs]`. An environment whose state is unusable
    /// afterwards keeps the one from before; its fault row says so.
    pub fn step(&mut self, control: &[L::Scalar]) {
        let num_envs = self.num_envs;
        self.each_block(true, |plan, machine, block| {
            for a in 0..plan.actuators.len {
                let row = &control[a * num_envs..(a + 1) * num_envs];
                machine.memory[plan.control + a] = chunk::<L>(row, block * L::WIDTH);
            }
            L::call::<ControlStep>(plan, machine);
        });
    }

    /// Fills the output from the state, with forces of zero.
    pub fn observe(&mut self) {
        self.each_block(false, |plan, machine, _| {
            L::call::<Begin>(plan, machine);
            L::call::<Observe>(plan, machine);
        });
    }

    fn provide_desks(&mut self) {
        while self.desks.len() < rayon::current_num_threads() + 1 {
            self.desks.push(Mutex::new(Desk::new(&self.plan)));
        }
    }

    fn each_block(&mut self, moves: bool, work: impl Fn(&Plan, &mut Cpu<'_, L>, usize) + Sync) {
        self.provide_desks();
        let Self { plan, reals, state, parameters, output, desks, .. } = self;
        state
            .par_chunks_mut(plan.state_len.max(1))
            .zip(parameters.par_chunks(plan.parameters_len))
            .zip(output.par_chunks_mut(plan.output_len))
            .enumerate()
            .for_each(|(block, ((state, parameters), output))| {
                let desk = rayon::current_thread_index().map_or(0, |thread| thread + 1);
                let mut desk =
                    desks[desk % desks.len()].lock().unwrap_or_else(PoisonError::into_inner);
                let Desk { memory, counts } = &mut *desk;
                memory[..plan.state_len].copy_from_slice(state);
                let mut machine = Cpu { memory, parameters, reals, ints: &plan.ints, counts };
                work(plan, &mut machine, block);
                let usable = memory[plan.fault].lt(L::of(0.5));
                let kept = |new: L, old: L| L::select(usable, new, old);
                if moves {
                    for (old, &new) in state.iter_mut().zip(memory.iter()) {
                        *old = kept(new, *old);
                    }
                }
                for (k, old) in output.iter_mut().enumerate() {
                    let new = memory[plan.fault + k];
                    *old = if k == 0 { new } else { kept(new, *old) };
                }
            });
    }
}

/// [`Lanes::WIDTH`] numbers of a row from environment `first` on; environments beyond the last repeat it.
fn chunk<L: Lanes>(row: &[L::Scalar], first: usize) -> L {
    if first + L::WIDTH <= row.len() {
        return L::read(&row[first..]);
    }
    let mut padded = [L::Scalar::default(); 16];
    for (k, to) in padded.iter_mut().enumerate() {
        *to = row[(first + k).min(row.len() - 1)];
    }
    L::read(&padded)
}

fn set_column<L: Lanes>(rows: &mut [L], len: usize, env: usize, first: usize, values: &[f64]) {
    let (block, lane) = (env / L::WIDTH, env % L::WIDTH);
    let mut buffer = [L::Scalar::default(); 16];
    for (row, &value) in rows[block * len + first..].iter_mut().zip(values) {
        row.write(&mut buffer);
        buffer[lane] = L::scalar(value);
        *row = L::read(&buffer);
    }
}

fn get<L: Lanes>(rows: &[L], len: usize, env: usize, row: usize) -> L::Scalar {
    let mut buffer = [L::Scalar::default(); 16];
    rows[env / L::WIDTH * len + row].write(&mut buffer);
    buffer[env % L::WIDTH]
}

fn copy_row<L: Lanes>(rows: &[L], len: usize, row: usize, to: &mut [L::Scalar]) {
    let mut buffer = [L::Scalar::default(); 16];
    for (block, to) in to.chunks_mut(L::WIDTH).enumerate() {
        let lanes = rows[block * len + row];
        if to.len() == L::WIDTH {
            lanes.write(to);
        } else {
            lanes.write(&mut buffer);
            to.copy_from_slice(&buffer[..to.len()]);
        }
    }
}
