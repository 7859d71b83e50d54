//! Termination terms.

use keiko_dynamics::lane::Num;
use keiko_dynamics::machine::Machine;
use keiko_model::Result;
use keiko_model::task::Termination;

use super::{projected_gravity, touched};
use crate::bind::{Binder, Body};

/// A termination term with its names resolved to rows.
#[derive(Clone, Debug)]
pub(crate) enum Ends {
    JointOutOfRange { positions: Vec<usize>, range: [f64; 2] },
    HeightOutside { height: usize, range: [f64; 2] },
    Tilt { base: Body, cos: f64 },
    ContactOn { contact_forces: Vec<usize>, threshold: f64 },
    OutOfBounds { position: usize, half_size: f64 },
}

impl Ends {
    /// Resolves the names of a term.
    pub fn bind(binder: &Binder<'_>, term: &Termination, path: &str) -> Result<Self> {
        let at = |key: &str| format!("{path}.{key}");
        let base = binder.base();
        Ok(match term {
            Termination::JointOutOfRange { joints, range } => {
                let joints = binder.joints(joints, &at("joints"))?;
                Self::JointOutOfRange {
                    positions: joints.iter().map(|joint| binder.rows.qpos + joint.q).collect(),
                    range: binder.ordered(*range, &at("range"))?,
                }
            }
            Termination::BaseHeightOutside { range } => Self::HeightOutside {
                height: base.position + 2,
                range: binder.ordered(*range, &at("range"))?,
            },
            Termination::Tilt { angle } => Self::Tilt { base, cos: angle.cos() },
            Termination::ContactOn { bodies, force } => {
                let bodies = binder.bodies(bodies, &at("bodies"))?;
                Self::ContactOn {
                    contact_forces: bodies.iter().map(|b| binder.body_rows(*b).contact_force).collect(),
                    threshold: *force,
                }
            }
            Termination::OutOfBounds { half_size } => {
                Self::OutOfBounds { position: base.position, half_size: *half_size }
            }
        })
    }

    /// Whether the episode is to end.
    #[inline(always)]
    pub fn holds<M: Machine>(&self, m: &M) -> <M::Num as Num>::Mask {
        match self {
            Self::JointOutOfRange { positions, range } => {
                let mut out = m.num(1.0).lt(m.num(0.0));
                for row in positions {
                    out = out | outside(m, *row, *range);
                }
                out
            }
            Self::HeightOutside { height, range } => outside(m, *height, *range),
            Self::Tilt { base, cos } => (-projected_gravity(m, *base).z).lt(m.num(*cos)),
            Self::ContactOn { contact_forces, threshold } => {
                let mut touches = m.num(1.0).lt(m.num(0.0));
                for row in contact_forces {
                    touches = touches | touched(m, *row, *threshold);
                }
                touches
            }
            Self::OutOfBounds { position, half_size } => {
                let range = [-half_size, *half_size];
                outside(m, *position, range) | outside(m, position + 1, range)
            }
        }
    }
}

/// Whether a row is outside a range.
#[inline(always)]
fn outside<M: Machine>(m: &M, row: usize, [low, high]: [f64; 2]) -> <M::Num as Num>::Mask {
    let value = m.get(row);
    value.lt(m.num(low)) | value.gt(m.num(high))
}
