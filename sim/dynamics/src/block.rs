//! A block: as many environments as a register holds, in the working memory of a thread.

use std::ops::Range;

use glam::DVec3;

use crate::lane::{Lanes, Phase};
use crate::machine::Cpu;
use crate::plan::{Links, Plan, link_wrenches};

/// The widest lanes.
pub(crate) const MAX_WIDTH: usize = 16;

/// What is done with a block of environments while its numbers are at hand; see
/// [`Batch::pass`](crate::batch::Batch::pass).
pub trait Pass: Sync {
    /// Does it. Blocks come in any order, on any thread.
    fn block<L: Lanes>(&self, block: &mut Block<'_, L>);
}

/// A [`Pass`] behind a `dyn`, with a method for each width.
pub trait AnyPass: Sync {
    /// One environment in `f32`.
    fn f32(&self, block: &mut Block<'_, f32>);
    /// One environment in `f64`.
    fn f64(&self, block: &mut Block<'_, f64>);
    /// Four environments.
    fn x4(&self, block: &mut Block<'_, crate::lane::F32x4>);
    /// Eight environments.
    #[cfg(target_arch = "x86_64")]
    fn x8(&self, block: &mut Block<'_, crate::lane::F32x8>);
    /// Sixteen environments.
    #[cfg(target_arch = "x86_64")]
    fn x16(&self, block: &mut Block<'_, crate::lane::F32x16>);
}

impl<T: Pass> AnyPass for T {
    fn f32(&self, block: &mut Block<'_, f32>) {
        self.block(block);
    }

    fn f64(&self, block: &mut Block<'_, f64>) {
        self.block(block);
    }

    fn x4(&self, block: &mut Block<'_, crate::lane::F32x4>) {
        self.block(block);
    }

    #[cfg(target_arch = "x86_64")]
    fn x8(&self, block: &mut Block<'_, crate::lane::F32x8>) {
        self.block(block);
    }

    #[cfg(target_arch = "x86_64")]
    fn x16(&self, block: &mut Block<'_, crate::lane::F32x16>) {
        self.block(block);
    }
}

/// [`Lanes::WIDTH`] environments. Rows are addressed as the plan has them; the state lies at the front of `memory`.
pub struct Block<'a, L: Lanes> {
    /// Which.
    pub index: usize,
    /// Environments in it. Lanes behind the last one are copies of it, so that they do not go ways of their own, which
    /// would cost time.
    pub len: usize,
    /// What the step follows.
    pub plan: &'a Plan,
    /// The links of the model.
    pub links: &'a Links,
    /// Working memory.
    pub memory: &'a mut [L],
    pub(crate) reals: &'a [L::Scalar],
    pub(crate) counts: &'a mut [u32],
    /// The state before the pass, or what [`Block::store`] last stored.
    pub(crate) state: &'a mut [L],
    pub(crate) parameters: &'a mut [L],
    /// The output before the pass, or what [`Block::store`] last stored.
    pub(crate) output: &'a mut [L],
}

impl<L: Lanes> Block<'_, L> {
    /// Index in the batch of its first environment.
    pub fn first_env(&self) -> usize {
        self.index * L::WIDTH
    }

    /// The lanes of an environment of the block: its own, and for the last one those behind it.
    pub fn lanes_of(&self, env: usize) -> Range<usize> {
        env..if env + 1 == self.len { L::WIDTH } else { env + 1 }
    }

    pub(crate) fn machine(&mut self) -> Cpu<'_, L> {
        Cpu {
            memory: self.memory,
            parameters: self.parameters,
            reals: self.reals,
            ints: &self.plan.ints,
            counts: self.counts,
        }
    }

    /// Runs a phase on the working memory.
    pub fn call<Q, P: Phase<Q>>(&mut self, plan: &Q) {
        L::call_with::<Q, P>(plan, &mut self.machine());
    }

    /// One number of an environment of the block.
    pub fn get(&self, row: usize, env: usize) -> L::Scalar {
        let mut lanes = [L::Scalar::default(); MAX_WIDTH];
        self.memory[row].write(&mut lanes);
        lanes[env]
    }

    /// Changes one number of an environment of the block.
    pub fn set(&mut self, row: usize, env: usize, value: f64) {
        let lanes = self.lanes_of(env);
        set_lanes(&mut self.memory[row], lanes, value);
    }

    /// Changes a row: `values` are the environments' numbers, one each.
    pub fn set_row(&mut self, row: usize, values: &[f32]) {
        let mut lanes = [L::Scalar::default(); MAX_WIDTH];
        for (k, lane) in lanes.iter_mut().enumerate() {
            *lane = L::scalar(f64::from(values[k.min(values.len() - 1)]));
        }
        self.memory[row] = L::read(&lanes);
    }

    /// A row as `f32`.
    pub fn row(&self, row: usize, to: &mut [f32]) {
        write_single(self.memory[row], to);
    }

    /// Whether a row is over one half in any environment.
    pub fn any(&self, row: usize) -> bool {
        L::any(L::of(0.5).lt(self.memory[row]))
    }

    /// One control step of the physics. An environment whose state is unusable afterwards keeps the one from before;
    /// its fault row says so, and it rests until its next reset.
    pub fn control_step(&mut self) {
        let plan = self.plan;
        L::control_step(plan, &mut self.machine());
        let (before, now) = (self.output[0], self.memory[plan.fault]);
        let rests = L::of(0.5).lt(before);
        let fault = L::select(rests, before, now);
        let usable = fault.lt(L::of(0.5));
        if L::any(!usable) {
            let (state, output) = (plan.physics_state_len, plan.physics_output_len);
            keep(usable, &mut self.memory[..state], &self.state[..state]);
            keep(usable, &mut self.memory[plan.fault..][..output], &self.output[..output]);
        }
        self.memory[plan.fault] = fault;
    }

    /// Fills the output of the physics from the state, with forces of zero, where `row` is over one half; all other
    /// numbers are as they were when they were last stored. Faults stay.
    pub fn observe(&mut self, row: usize) {
        let plan = self.plan;
        let (chosen, fault) = (L::of(0.5).lt(self.memory[row]), self.memory[plan.fault]);
        L::observe(plan, &mut self.machine());
        let len = plan.physics_output_len;
        keep(chosen, &mut self.memory[plan.fault..][..len], &self.output[..len]);
        self.memory[plan.fault] = fault;
    }

    /// Puts an environment of the block at `qpos` `[nq]`, `qvel` `[nv]` under parameters, with no memory of the past
    /// and no fault. Rows of a task stay.
    pub fn reset(&mut self, env: usize, numbers: &[f64], qpos: &[f64], qvel: &[f64]) {
        let (plan, lanes) = (self.plan, self.lanes_of(env));
        for (row, &number) in self.parameters.iter_mut().zip(numbers) {
            set_lanes(row, lanes.clone(), number);
        }
        let late = if plan.options.max_delay > 0 { plan.heard..plan.state_len } else { 0..0 };
        for row in (0..plan.physics_state_len).chain(late) {
            set_lanes(&mut self.memory[row], lanes.clone(), 0.0);
        }
        for (k, &q) in qpos.iter().enumerate() {
            set_lanes(&mut self.memory[plan.qpos + k], lanes.clone(), q);
        }
        for (k, &v) in qvel.iter().enumerate() {
            set_lanes(&mut self.memory[plan.qvel + k], lanes.clone(), v);
        }
        set_lanes(&mut self.memory[plan.fault], lanes, 0.0);
    }

    /// Sets the moment and force on each body `[nb]` of an environment of the block; see
    /// [`Parameters::wrench`](crate::plan::Parameters::wrench).
    pub fn set_wrench(&mut self, env: usize, wrench: &[[DVec3; 2]]) {
        let lanes = self.lanes_of(env);
        let rows = self.parameters[self.plan.p_wrench..].iter_mut();
        for (row, number) in rows.zip(link_wrenches(self.links, wrench)) {
            set_lanes(row, lanes.clone(), number);
        }
    }

    /// Keeps state and output of the working memory.
    pub fn store(&mut self) {
        let plan = self.plan;
        self.state[..plan.state_len].copy_from_slice(&self.memory[..plan.state_len]);
        self.output.copy_from_slice(&self.memory[plan.fault..][..plan.output_len]);
    }

    /// Brings the output that was last stored back into the working memory.
    pub fn recall(&mut self) {
        self.memory[self.plan.fault..][..self.plan.output_len].copy_from_slice(self.output);
    }
}

/// Keeps the new numbers of the environments in the mask, and the others as they were.
fn keep<L: Lanes>(chosen: L::Mask, rows: &mut [L], before: &[L]) {
    for (row, &before) in rows.iter_mut().zip(before) {
        *row = L::select(chosen, *row, before);
    }
}

/// Changes some lanes of a row.
pub(crate) fn set_lanes<L: Lanes>(row: &mut L, lanes: Range<usize>, value: f64) {
    let mut buffer = [L::Scalar::default(); MAX_WIDTH];
    row.write(&mut buffer);
    buffer[lanes].fill(L::scalar(value));
    *row = L::read(&buffer);
}

/// The first numbers of a row as `f32`.
pub(crate) fn write_single<L: Lanes>(row: L, to: &mut [f32]) {
    let mut buffer = [L::Scalar::default(); MAX_WIDTH];
    row.write(&mut buffer);
    for (to, &from) in to.iter_mut().zip(&buffer[..L::WIDTH]) {
        *to = from.into() as f32;
    }
}
