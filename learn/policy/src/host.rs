//! Networks in plain Rust: what acting costs, without a tensor library's price per operation.

use crate::encoder::{self, HostEncoder};
use crate::{MlpShape, NetShape, activation::Activation};
use rayon::prelude::*;

/// Columns computed together: hidden values of a block stay in the first-level cache.
const BLOCK: usize = 64;
/// Columns of the inner tile.
const TILE: usize = 8;
/// Multiplications of a call from which other threads are worth waking.
const PARALLEL_FROM: usize = 4 << 20;

/// A multi-layer perceptron over `[features, num_envs]` batches. A column's result depends on that column
/// alone, bit for bit, whatever the batch and the number of threads.
#[derive(Clone, Debug, PartialEq)]
pub struct HostMlp {
    shape: MlpShape,
    /// Per layer weight `[inputs, outputs]` then bias `[outputs]`.
    parameters: Vec<f32>,
}

impl HostMlp {
    /// `parameters` holds [`MlpShape::num_parameters`] numbers in flat order.
    pub fn new(shape: MlpShape, parameters: &[f32]) -> Self {
        assert_eq!(parameters.len(), shape.num_parameters(), "one number per weight and bias");
        Self { shape, parameters: parameters.to_vec() }
    }

    /// What it looks like.
    pub fn shape(&self) -> &MlpShape {
        &self.shape
    }

    /// The flat parameters.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// Replaces the flat parameters.
    pub fn set_parameters(&mut self, parameters: &[f32]) {
        self.parameters.copy_from_slice(parameters);
    }

    /// `input` `[num_inputs, num_envs]` to `output` `[num_outputs, num_envs]`, environment fastest.
    pub fn forward(&self, input: &[f32], num_envs: usize, output: &mut [f32]) {
        let (num_inputs, num_outputs) = (self.shape.num_inputs(), self.shape.num_outputs());
        assert_eq!(input.len(), num_inputs * num_envs, "input is [num_inputs, num_envs]");
        assert_eq!(output.len(), num_outputs * num_envs, "output is [num_outputs, num_envs]");
        let starts: Vec<usize> = (0..num_envs).step_by(BLOCK).collect();
        let block = |scratch: &mut Scratch, start: usize| {
            let width = BLOCK.min(num_envs - start);
            scratch.load(input, num_envs, start, width);
            self.block(scratch, width.next_multiple_of(TILE));
        };
        if starts.len() > 1 && self.parameters.len() * num_envs >= PARALLEL_FROM {
            let results: Vec<Scratch> = starts
                .par_iter()
                .map(|&start| {
                    let mut scratch = Scratch::new(&self.shape);
                    block(&mut scratch, start);
                    scratch
                })
                .collect();
            for (scratch, &start) in results.iter().zip(&starts) {
                scratch.store(output, num_envs, start);
            }
        } else {
            let mut scratch = Scratch::new(&self.shape);
            for start in starts {
                block(&mut scratch, start);
                scratch.store(output, num_envs, start);
            }
        }
    }

    /// All layers over the first `width` columns of a block.
    fn block(&self, scratch: &mut Scratch, width: usize) {
        let mut parameters = self.parameters.as_slice();
        let num_layers = self.shape.layers().len();
        for (layer, (inputs, outputs)) in self.shape.layers().enumerate() {
            let (weight, rest) = parameters.split_at(inputs * outputs);
            let (bias, rest) = rest.split_at(outputs);
            parameters = rest;
            let activation = (layer + 1 < num_layers).then_some(self.shape.activation);
            linear(weight, bias, &scratch.front, &mut scratch.back, width, activation);
            std::mem::swap(&mut scratch.front, &mut scratch.back);
        }
    }
}

/// Convolutions over images and a perceptron behind them, over `[features, num_envs]` batches. A column's result
/// depends on that column alone, bit for bit, whatever the batch and the number of threads.
#[derive(Clone, Debug, PartialEq)]
pub struct HostNet {
    shape: NetShape,
    encoders: Vec<HostEncoder>,
    mlp: HostMlp,
    /// As it was given.
    parameters: Vec<f32>,
}

impl HostNet {
    /// `parameters` holds [`NetShape::num_parameters`] numbers in flat order.
    pub fn new(shape: NetShape, parameters: &[f32]) -> Self {
        assert_eq!(parameters.len(), shape.num_parameters(), "one number per weight and bias");
        let mut start = 0;
        let mut encoders = Vec::new();
        for encoder in &shape.encoders {
            let end = start + encoder.num_parameters();
            encoders.push(HostEncoder::new(encoder, &parameters[start..end]));
            start = end;
        }
        let mlp = HostMlp::new(shape.mlp.clone(), &parameters[start..]);
        Self { encoders, mlp, parameters: parameters.to_vec(), shape }
    }

    /// What it looks like.
    pub fn shape(&self) -> &NetShape {
        &self.shape
    }

    /// The flat parameters.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// `input` `[num_inputs, num_envs]` to `output` `[num_outputs, num_envs]`, environment fastest.
    pub fn forward(&self, input: &[f32], num_envs: usize, output: &mut [f32]) {
        if self.encoders.is_empty() {
            return self.mlp.forward(input, num_envs, output);
        }
        assert_eq!(input.len(), self.shape.num_inputs() * num_envs, "input is [num_inputs, num_envs]");
        let (numbers, mut images) = input.split_at(self.shape.num_numbers() * num_envs);
        let mut seen = numbers.to_vec();
        for (encoder, shape) in self.encoders.iter().zip(&self.shape.encoders) {
            let (pixels, rest) = images.split_at(shape.num_pixels() * num_envs);
            images = rest;
            let starts: Vec<usize> = (0..num_envs).step_by(encoder::TILE).collect();
            let tiles: Vec<_> =
                starts.par_iter().map(|start| encoder.forward(load_tile(pixels, num_envs, *start))).collect();
            for feature in 0..shape.num_features() {
                let tiles = starts.iter().zip(&tiles);
                seen.extend(tiles.flat_map(|(start, tile)| {
                    tile[feature][..encoder::TILE.min(num_envs - start)].iter().copied()
                }));
            }
        }
        self.mlp.forward(&seen, num_envs, output);
    }
}

/// Columns `start..` of `[rows, num_envs]`; zeros behind the last.
fn load_tile(rows: &[f32], num_envs: usize, start: usize) -> Vec<[f32; encoder::TILE]> {
    let width = encoder::TILE.min(num_envs - start);
    let rows = rows.chunks_exact(num_envs).map(|row| {
        let mut tile = [0.0; encoder::TILE];
        tile[..width].copy_from_slice(&row[start..start + width]);
        tile
    });
    rows.collect()
}

/// Two `[widest, BLOCK]` buffers that the layers write in turn.
struct Scratch {
    front: Vec<f32>,
    back: Vec<f32>,
}

impl Scratch {
    fn new(shape: &MlpShape) -> Self {
        let widest = shape.sizes.iter().max().copied().unwrap_or(0);
        Self { front: vec![0.0; widest * BLOCK], back: vec![0.0; widest * BLOCK] }
    }

    fn load(&mut self, input: &[f32], num_envs: usize, start: usize, width: usize) {
        for (row, from) in self.front.chunks_exact_mut(BLOCK).zip(input.chunks_exact(num_envs)) {
            row[..width].copy_from_slice(&from[start..start + width]);
            row[width..].fill(0.0);
        }
    }

    fn store(&self, output: &mut [f32], num_envs: usize, start: usize) {
        let width = BLOCK.min(num_envs - start);
        for (row, to) in self.front.chunks_exact(BLOCK).zip(output.chunks_exact_mut(num_envs)) {
            to[start..start + width].copy_from_slice(&row[..width]);
        }
    }
}

/// `output[o, :] = activation(bias[o] + sum_i weight[i, o] input[i, :])` over the first `width` columns.
fn linear(
    weight: &[f32],
    bias: &[f32],
    input: &[f32],
    output: &mut [f32],
    width: usize,
    activation: Option<Activation>,
) {
    let outputs = bias.len();
    let full = outputs - outputs % 4;
    for column in (0..width).step_by(TILE) {
        for first in (0..full).step_by(4) {
            tile::<4>(weight, bias, input, output, first, column);
        }
        for first in full..outputs {
            tile::<1>(weight, bias, input, output, first, column);
        }
    }
    if let Some(activation) = activation {
        for row in output.chunks_exact_mut(BLOCK).take(outputs) {
            activation.apply(&mut row[..width]);
        }
    }
}

/// `ROWS` outputs by [`TILE`] columns in registers.
#[inline(always)]
fn tile<const ROWS: usize>(
    weight: &[f32],
    bias: &[f32],
    input: &[f32],
    output: &mut [f32],
    first: usize,
    column: usize,
) {
    let mut sums = [[0.0f32; TILE]; ROWS];
    for (sum, &bias) in sums.iter_mut().zip(&bias[first..first + ROWS]) {
        *sum = [bias; TILE];
    }
    for (weights, values) in weight.chunks_exact(bias.len()).zip(input.chunks_exact(BLOCK)) {
        let weights = &weights[first..first + ROWS];
        let values = &values[column..column + TILE];
        for (sum, &weight) in sums.iter_mut().zip(weights) {
            for (sum, &value) in sum.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
    }
    for (row, sum) in sums.iter().enumerate() {
        let start = (first + row) * BLOCK + column;
        output[start..start + TILE].copy_from_slice(sum);
    }
}
