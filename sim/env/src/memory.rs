//! What an episode remembers between control steps.

use keiko_world::Field;
use serde::{Deserialize, Serialize};

/// The running state of all episodes; with the physics it is all that a snapshot needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// Episodes started since the environment was made, per environment `[num_envs]`.
    pub episode: Vec<u64>,
    /// Control steps in the episode `[num_envs]`.
    pub step: Vec<u32>,
    /// Actions of the last step, clipped `[num_actions]`.
    pub action: Field,
    /// Actions of the step before `[num_actions]`.
    pub previous_action: Field,
    /// Targets of position actions, absolute `[num_actions]` \[rad or m\].
    pub target: Field,
    /// qvel before the last step `[nv]`.
    pub previous_qvel: Field,
    /// Body origins before the last step `[3 nb]` \[m\].
    pub previous_body_position: Field,
    /// Time since each body was last touched `[nb]` \[s\]; 0 while it is.
    pub air_time: Field,
    /// Time that each body had been in the air when it landed in the last step, else 0 `[nb]` \[s\].
    pub landed: Field,
    /// Commands, three rows each `[3 num_commands]`.
    pub command: Field,
    /// Control step at which the next push comes `[num_pushes]`.
    pub next_push: Vec<Vec<u32>>,
    /// Control step at which the push that acts now ends, 0 where none does `[num_pushes]`.
    pub push_end: Vec<Vec<u32>>,
    /// Its force along x and y, two rows each `[2 num_pushes]` \[N\].
    pub push_force: Field,
    /// Sum of rewards `[num_envs]`.
    pub return_sum: Vec<f64>,
    /// Sum of each weighted term, `term * num_envs + env`.
    pub reward_sums: Vec<f64>,
    /// Sum of each term before its weight, `term * num_envs + env`.
    pub raw_sums: Vec<f64>,
}

/// Sizes of a [`Memory`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryLayout {
    pub num_envs: usize,
    pub num_actions: usize,
    pub num_dofs: usize,
    pub num_bodies: usize,
    pub num_commands: usize,
    pub num_pushes: usize,
    pub num_rewards: usize,
}

impl Memory {
    pub fn new(layout: MemoryLayout) -> Self {
        let n = layout.num_envs;
        let field = |rows| Field::zeros(rows, n);
        Self {
            episode: vec![0; n],
            step: vec![0; n],
            action: field(layout.num_actions),
            previous_action: field(layout.num_actions),
            target: field(layout.num_actions),
            previous_qvel: field(layout.num_dofs),
            previous_body_position: field(3 * layout.num_bodies),
            air_time: field(layout.num_bodies),
            landed: field(layout.num_bodies),
            command: field(3 * layout.num_commands),
            next_push: vec![vec![0; n]; layout.num_pushes],
            push_end: vec![vec![0; n]; layout.num_pushes],
            push_force: field(2 * layout.num_pushes),
            return_sum: vec![0.0; n],
            reward_sums: vec![0.0; layout.num_rewards * n],
            raw_sums: vec![0.0; layout.num_rewards * n],
        }
    }

    /// Whether two memories are of one layout.
    pub fn same_layout(&self, other: &Self) -> bool {
        let rows = |m: &Self| {
            [
                &m.action,
                &m.previous_action,
                &m.target,
                &m.previous_qvel,
                &m.previous_body_position,
                &m.air_time,
                &m.landed,
                &m.command,
                &m.push_force,
            ]
            .map(|field| (field.num_rows(), field.num_envs(), field.as_slice().len()))
        };
        let lengths = |m: &Self| {
            [
                m.episode.len(),
                m.step.len(),
                m.return_sum.len(),
                m.reward_sums.len(),
                m.raw_sums.len(),
                m.next_push.len(),
                m.push_end.len(),
            ]
        };
        let pushes = |m: &Self| m.next_push.iter().chain(&m.push_end).map(Vec::len).collect::<Vec<_>>();
        rows(self) == rows(other) && lengths(self) == lengths(other) && pushes(self) == pushes(other)
    }

    /// Forgets one environment's episode; the episode counter stays.
    pub fn clear(&mut self, env: usize) {
        self.step[env] = 0;
        self.return_sum[env] = 0.0;
        self.push_end.iter_mut().for_each(|end| end[env] = 0);
        for field in [
            &mut self.action,
            &mut self.previous_action,
            &mut self.target,
            &mut self.previous_qvel,
            &mut self.previous_body_position,
            &mut self.air_time,
            &mut self.landed,
            &mut self.command,
            &mut self.push_force,
        ] {
            for row in 0..field.num_rows() {
                field.set(row, env, 0.0);
            }
        }
        let n = self.episode.len();
        for sums in [&mut self.reward_sums, &mut self.raw_sums] {
            sums.iter_mut().skip(env).step_by(n.max(1)).for_each(|sum| *sum = 0.0);
        }
    }
}
