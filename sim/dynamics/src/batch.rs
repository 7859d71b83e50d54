//! Many environments in blocks of as many as a vector register holds, blocks over threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use glam::DVec3;
use keiko_model::robot::RobotModel;
use rayon::prelude::*;

use crate::block::{AnyPass, Block, MAX_WIDTH, set_lanes, write_single};
use crate::lane::Lanes;
use crate::plan::{BuildError, Links, Parameters, Plan, StepOptions, link_wrenches};

/// A batch of environments of one model, all rows `[row, num_envs]`, environment fastest.
///
/// Environment `i` gets the same numbers whatever the size of the batch, the number of threads and the lanes' width.
pub struct Batch<L: Lanes> {
    plan: Plan,
    reals: Vec<L::Scalar>,
    links: Links,
    num_envs: usize,
    /// `[block][row]`, at least one row.
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
        Ok(Self::with_plan(model, num_envs, Plan::new(model, options)?))
    }

    /// `num_envs` copies of a model at its reference configuration, at rest, stepped as a plan of it says.
    pub fn with_plan(model: &RobotModel, num_envs: usize, plan: Plan) -> Self {
        let mut batch = Self::of_rows(model, num_envs, plan);
        let numbers = batch.numbers(model, &Parameters::default());
        let (qpos, qvel) = (model.reference_qpos(), vec![0.0; model.num_dofs()]);
        for env in 0..num_envs {
            batch.set_parameters(env, &numbers);
            batch.reset(env, &qpos, &qvel);
        }
        batch.observe();
        batch
    }

    /// `num_envs` environments of zeros, for a plan that has rows and no physics.
    pub fn of_rows(model: &RobotModel, num_envs: usize, plan: Plan) -> Self {
        let blocks = num_envs.div_ceil(L::WIDTH);
        let mut batch = Self {
            reals: plan.reals.iter().map(|&x| L::scalar(x)).collect(),
            state: vec![L::zero(); blocks * plan.state_len.max(1)],
            parameters: vec![L::zero(); blocks * plan.parameters_len],
            output: vec![L::zero(); blocks * plan.output_len],
            desks: Vec::new(),
            links: Links::new(model),
            num_envs,
            plan,
        };
        batch.provide_desks();
        batch
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
        for lane in self.lanes_of(env) {
            set_column(&mut self.parameters, self.plan.parameters_len, lane, 0, numbers);
        }
    }

    /// Sets the moment and force on each body `[nb]` of an environment; see [`Parameters::wrench`].
    pub fn set_wrench(&mut self, env: usize, wrench: &[[DVec3; 2]]) {
        let numbers = link_wrenches(&self.links, wrench);
        for lane in self.lanes_of(env) {
            set_column(&mut self.parameters, self.plan.parameters_len, lane, self.plan.p_wrench, &numbers);
        }
    }

    /// Puts an environment at `qpos` `[nq]`, `qvel` `[nv]`, with no memory of the past and no fault.
    pub fn reset(&mut self, env: usize, qpos: &[f64], qvel: &[f64]) {
        let (stride, len) = (self.plan.state_len.max(1), self.plan.state_len);
        for lane in self.lanes_of(env) {
            fill_column(&mut self.state[..], stride, lane, 0..len, 0.0);
            set_column(&mut self.state, stride, lane, self.plan.qpos, qpos);
            set_column(&mut self.state, stride, lane, self.plan.qvel, qvel);
            set_column(&mut self.output, self.plan.output_len, lane, 0, &[0.0]);
        }
    }

    /// Marks an environment as broken with a cause of [`Plan::fault`]: it stays as it is until its next reset.
    pub fn set_fault(&mut self, env: usize, cause: f64) {
        set_column(&mut self.output, self.plan.output_len, env, 0, &[cause]);
    }

    /// An environment, and behind the last one the lanes that nobody asks for: they are copies of it, so that they
    /// do not go ways of their own, which would cost time.
    fn lanes_of(&self, env: usize) -> Range<usize> {
        let end = if env + 1 == self.num_envs { self.num_envs.next_multiple_of(L::WIDTH) } else { env + 1 };
        env..end
    }

    /// One number of the state of an environment.
    pub fn state(&self, row: usize, env: usize) -> L::Scalar {
        get(&self.state, self.plan.state_len.max(1), env, row)
    }

    /// Changes one number of the state of an environment.
    pub fn set_state(&mut self, row: usize, env: usize, value: f64) {
        set_column(&mut self.state, self.plan.state_len.max(1), env, row, &[value]);
    }

    /// One number of the output of an environment; `row` counts from [`Plan::fault`].
    pub fn output(&self, row: usize, env: usize) -> L::Scalar {
        get(&self.output, self.plan.output_len, env, row)
    }

    /// Copies a row of the state over all environments into `to` `[num_envs]`.
    pub fn copy_state(&self, row: usize, to: &mut [L::Scalar]) {
        copy_row(&self.state, self.plan.state_len.max(1), row, to);
    }

    /// Copies a row of the output, counted from [`Plan::fault`], over all environments into `to` `[num_envs]`.
    pub fn copy_output(&self, row: usize, to: &mut [L::Scalar]) {
        copy_row(&self.output, self.plan.output_len, row, to);
    }

    /// Copies a row, rounded to `f32`, over all environments into `to` `[num_envs]`.
    pub fn copy_single(&self, part: Part, row: usize, to: &mut [f32]) {
        let (rows, stride) = self.part(part);
        for (block, to) in to.chunks_mut(L::WIDTH).enumerate() {
            write_single(rows[block * stride + row], to);
        }
    }

    /// One number, exactly.
    pub fn number(&self, part: Part, row: usize, env: usize) -> f64 {
        let (rows, stride) = self.part(part);
        get(rows, stride, env, row).into()
    }

    /// Changes a row over all environments: what [`Batch::number`] gave, one an environment `[num_envs]`.
    pub fn restore(&mut self, part: Part, row: usize, from: impl Iterator<Item = f64>) {
        for (env, value) in from.enumerate().take(self.num_envs) {
            for lane in self.lanes_of(env) {
                let (rows, stride) = match part {
                    Part::State => (&mut self.state, self.plan.state_len.max(1)),
                    Part::Parameters => (&mut self.parameters, self.plan.parameters_len),
                    Part::Output => (&mut self.output, self.plan.output_len),
                };
                set_column(rows, stride, lane, row, &[value]);
            }
        }
    }

    fn part(&self, part: Part) -> (&[L], usize) {
        match part {
            Part::State => (&self.state, self.plan.state_len.max(1)),
            Part::Parameters => (&self.parameters, self.plan.parameters_len),
            Part::Output => (&self.output, self.plan.output_len),
        }
    }

    /// One control step of all environments under `control` `[nu, num_envs]`. An environment whose state is unusable
    /// afterwards keeps the one from before; its fault row says so, and it rests until its next reset.
    pub fn step(&mut self, control: &[L::Scalar]) {
        let num_envs = self.num_envs;
        self.each_block(|block| {
            let plan = block.plan;
            for a in 0..plan.actuators.len {
                let row = &control[a * num_envs..(a + 1) * num_envs];
                block.memory[plan.control + a] = chunk::<L>(row, block.first_env());
            }
            block.control_step();
            block.store();
        });
    }

    /// Runs a pass over all blocks, blocks over threads. Each begins with the state in its working memory, and keeps
    /// what it stores.
    pub fn pass(&mut self, pass: &dyn AnyPass) {
        self.each_block(|block| L::work(pass, block));
    }

    /// Fills the output from the state, with forces of zero.
    pub fn observe(&mut self) {
        self.each_block(|block| {
            let plan = block.plan;
            block.recall();
            let fault = block.memory[plan.fault];
            L::observe(plan, &mut block.machine());
            block.memory[plan.fault] = fault;
            block.store();
        });
    }

    /// The same for some rows, counted from [`Plan::fault`], of the environments with `mask[env]`; all other numbers
    /// stay.
    pub fn observe_some(&mut self, mask: &[bool], rows: Range<usize>) {
        self.each_block(|block| {
            let first = block.first_env();
            let mask = &mask[first.min(mask.len())..(first + L::WIDTH).min(mask.len())];
            if !mask.contains(&true) {
                return;
            }
            let mut chosen = [L::scalar(0.0); MAX_WIDTH];
            for (to, _) in chosen.iter_mut().zip(mask).filter(|(_, chosen)| **chosen) {
                *to = L::scalar(1.0);
            }
            let chosen = L::of(0.5).lt(L::read(&chosen));
            let plan = block.plan;
            L::observe(plan, &mut block.machine());
            for row in rows.clone() {
                block.output[row] = L::select(chosen, block.memory[plan.fault + row], block.output[row]);
            }
        });
    }

    fn provide_desks(&mut self) {
        while self.desks.len() < rayon::current_num_threads() + 1 {
            self.desks.push(Mutex::new(Desk::new(&self.plan)));
        }
    }

    fn each_block(&mut self, work: impl Fn(&mut Block<'_, L>) + Sync) {
        self.provide_desks();
        let Self { plan, reals, links, num_envs, state, parameters, output, desks } = self;
        state
            .par_chunks_mut(plan.state_len.max(1))
            .zip(parameters.par_chunks_mut(plan.parameters_len))
            .zip(output.par_chunks_mut(plan.output_len))
            .enumerate()
            .for_each(|(index, ((state, parameters), output))| {
                let desk = rayon::current_thread_index().map_or(0, |thread| thread + 1);
                let mut desk = desks[desk % desks.len()].lock().unwrap_or_else(PoisonError::into_inner);
                let Desk { memory, counts } = &mut *desk;
                memory[..plan.state_len].copy_from_slice(&state[..plan.state_len]);
                let len = (*num_envs - index * L::WIDTH).min(L::WIDTH);
                work(&mut Block {
                    index,
                    len,
                    plan,
                    links,
                    memory,
                    reals,
                    counts,
                    state,
                    parameters,
                    output,
                });
            });
    }
}

/// What a batch holds of each environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Kept from step to step, [`Plan::state_len`] rows.
    State,
    /// Set at the reset, [`Plan::parameters_len`] rows.
    Parameters,
    /// What the last step said, [`Plan::output_len`] rows.
    Output,
}

/// [`Lanes::WIDTH`] numbers of a row from environment `first` on; environments beyond the last repeat it.
fn chunk<L: Lanes>(row: &[L::Scalar], first: usize) -> L {
    if first + L::WIDTH <= row.len() {
        return L::read(&row[first..]);
    }
    let mut padded = [L::Scalar::default(); MAX_WIDTH];
    for (k, to) in padded.iter_mut().enumerate() {
        *to = row[(first + k).min(row.len() - 1)];
    }
    L::read(&padded)
}

fn set_column<L: Lanes>(rows: &mut [L], len: usize, env: usize, first: usize, values: &[f64]) {
    let (block, lane) = (env / L::WIDTH, env % L::WIDTH);
    for (row, &value) in rows[block * len + first..].iter_mut().zip(values) {
        set_lanes(row, lane..lane + 1, value);
    }
}

fn fill_column<L: Lanes>(rows: &mut [L], len: usize, env: usize, range: Range<usize>, value: f64) {
    let (block, lane) = (env / L::WIDTH, env % L::WIDTH);
    for row in &mut rows[block * len..][range] {
        set_lanes(row, lane..lane + 1, value);
    }
}

fn get<L: Lanes>(rows: &[L], len: usize, env: usize, row: usize) -> L::Scalar {
    let mut buffer = [L::Scalar::default(); MAX_WIDTH];
    rows[env / L::WIDTH * len + row].write(&mut buffer);
    buffer[env % L::WIDTH]
}

fn copy_row<L: Lanes>(rows: &[L], len: usize, row: usize, to: &mut [L::Scalar]) {
    let mut buffer = [L::Scalar::default(); MAX_WIDTH];
    for (block, to) in to.chunks_mut(L::WIDTH).enumerate() {
        rows[block * len + row].write(&mut buffer);
        to.copy_from_slice(&buffer[..to.len()]);
    }
}
