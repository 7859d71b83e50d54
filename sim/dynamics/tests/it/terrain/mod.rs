//! Height fields, and rays to all shapes.

mod field;
mod ray;

use glam::{DMat3, DQuat, DVec3};
use keiko_dynamics::collide::height_field::{HEADER, table};
use keiko_dynamics::lane::{Lanes, Phase};
use keiko_dynamics::machine::Cpu;
use keiko_dynamics::plan::Plan;
use keiko_model::robot::HeightField;

use crate::convex::scene::Draw;

/// Rows, columns.
const GRID: [usize; 2] = [7, 9];

/// Hills of up to 0.2 m on cells of about 0.1 m.
fn hills(seed: u64) -> HeightField {
    let mut draw = Draw(seed);
    let heights = (0..GRID[0] * GRID[1]).map(|_| draw.between(0.0, 0.2) as f32).collect();
    field(heights)
}

fn field(heights: Vec<f32>) -> HeightField {
    let [num_rows, num_cols] = GRID;
    HeightField { name: "ground".to_owned(), num_rows, num_cols, half_size: [0.45, 0.3], heights, base: 0.1 }
}

/// Where column and row lie, with the height there.
fn corner(field: &HeightField, column: usize, row: usize) -> DVec3 {
    let at = |k: usize, n: usize, half: f64| (2.0 * k as f64 / (n - 1) as f64 - 1.0) * half;
    DVec3::new(
        at(column, field.num_cols, field.half_size[0]),
        at(row, field.num_rows, field.half_size[1]),
        f64::from(field.heights[row * field.num_cols + column]),
    )
}

/// All triangles, counter-clockwise seen from above.
fn triangles(field: &HeightField) -> Vec<[DVec3; 3]> {
    let mut out = Vec::new();
    for r in 0..field.num_rows - 1 {
        for c in 0..field.num_cols - 1 {
            let at = |dc, dr| corner(field, c + dc, r + dr);
            out.push([at(0, 0), at(1, 0), at(1, 1)]);
            out.push([at(0, 0), at(1, 1), at(0, 1)]);
        }
    }
    out
}

/// A plan with the tables of a field and then `more`; the integers are where the heights start, and where `more` does.
fn plan(field: &HeightField, more: &[f64]) -> Plan {
    let mut plan = Plan::default();
    plan.reals.extend(table(field).unwrap());
    plan.ints = vec![HEADER as u32, plan.reals.len() as u32];
    plan.reals.extend(more);
    plan
}

/// Position and rotation as numbers.
fn pose(position: DVec3, rotation: DQuat) -> Vec<f64> {
    let mut out = position.to_array().to_vec();
    out.extend(DMat3::from_quat(rotation).transpose().to_cols_array());
    out
}

/// Runs a phase on columns of memory, one an environment, and gives `len` numbers from `out` of each.
fn run<L: Lanes, P: Phase>(plan: &Plan, columns: &[Vec<f64>], out: usize, len: usize) -> Vec<Vec<f64>> {
    let reals: Vec<L::Scalar> = plan.reals.iter().map(|r| L::scalar(*r)).collect();
    let mut answers = Vec::new();
    for group in columns.chunks(L::WIDTH) {
        let lane = |k: usize| &group[k.min(group.len() - 1)];
        let cell = |at: usize| -> L {
            let row: Vec<L::Scalar> =
                (0..L::WIDTH).map(|k| L::scalar(lane(k).get(at).copied().unwrap_or(0.0))).collect();
            L::read(&row)
        };
        let mut memory: Vec<L> = (0..out + len).map(cell).collect();
        let mut machine =
            Cpu { memory: &mut memory, parameters: &[], reals: &reals, ints: &plan.ints, counts: &mut [] };
        L::call::<P>(plan, &mut machine);
        for k in 0..group.len() {
            let number = |cell: &L| -> f64 {
                let mut row = vec![L::scalar(0.0); L::WIDTH];
                cell.write(&mut row);
                row[k].into()
            };
            answers.push(memory[out..].iter().map(number).collect());
        }
    }
    answers
}
