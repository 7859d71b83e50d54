//! The one array shape of keiko: rows by environments, environment index fastest.

use serde::{Deserialize, Serialize};

/// A structure-of-arrays column set `[num_rows, num_envs]`, row-major: element `(row, env)` is at
/// `row * num_envs + env`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Field {
    num_envs: usize,
    data: Vec<f32>,
}

impl Field {
    /// A field of zeros.
    pub fn zeros(num_rows: usize, num_envs: usize) -> Self {
        Self::filled(num_rows, num_envs, 0.0)
    }

    /// A field with one value everywhere.
    pub fn filled(num_rows: usize, num_envs: usize, value: f32) -> Self {
        Self { num_envs, data: vec![value; num_rows * num_envs] }
    }

    /// Rows.
    pub fn num_rows(&self) -> usize {
        self.data.len().checked_div(self.num_envs).unwrap_or(0)
    }

    /// Environments: the length of a row.
    pub fn num_envs(&self) -> usize {
        self.num_envs
    }

    /// One row over all environments `[num_envs]`.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.num_envs..(row + 1) * self.num_envs]
    }

    /// One row over all environments `[num_envs]`.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.data[row * self.num_envs..(row + 1) * self.num_envs]
    }

    /// One number.
    pub fn get(&self, row: usize, env: usize) -> f32 {
        self.data[row * self.num_envs + env]
    }

    /// Sets one number.
    pub fn set(&mut self, row: usize, env: usize, value: f32) {
        self.data[row * self.num_envs + env] = value;
    }

    /// All numbers `[num_rows * num_envs]`.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }

    /// All numbers `[num_rows * num_envs]`.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The column of one environment `[num_rows]`.
    pub fn column(&self, env: usize) -> impl ExactSizeIterator<Item = f32> + '_ {
        (0..self.num_rows()).map(move |row| self.get(row, env))
    }

    /// Writes the column of one environment; `values` has `num_rows` numbers.
    pub fn set_column(&mut self, env: usize, values: impl IntoIterator<Item = f32>) {
        for (row, value) in values.into_iter().enumerate() {
            self.set(row, env, value);
        }
    }
}
