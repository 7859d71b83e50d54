//! Constraints: contacts and ties. Each has a place of its own for its whole life, so
//! that the impulse of the last step is its warm start.

use keiko_model::robot::Softness;

use super::options::{Law, StepOptions};

/// Fields of a constraint.
pub mod item {
    /// Integer: how its rows are projected, see below.
    pub const KIND: usize = 0;
    /// Integer: list of degrees of freedom that its white rows touch, ascending.
    pub const SUPPORT: usize = 1;
    /// Integer: length of that list.
    pub const SUPPORT_LEN: usize = 2;
    /// Integer: list of those that move only the first body.
    pub const A: usize = 3;
    /// Integer: length of that list.
    pub const A_LEN: usize = 4;
    /// Integer: list of those that move only the second body.
    pub const B: usize = 5;
    /// Integer: length of that list.
    pub const B_LEN: usize = 6;
    /// Integer: where its white rows are in memory.
    pub const ROWS: usize = 7;
    /// Integer: where its impulses are in memory: 3 of contacts and triples, else 1.
    pub const IMPULSE: usize = 8;
    /// Integer: tree of the first body.
    pub const TREE_A: usize = 9;
    /// Integer: tree of the second body.
    pub const TREE_B: usize = 10;
    /// Integer: first body, or first degree of freedom of a limited ball joint.
    pub const BODY_A: usize = 11;
    /// Integer: second body.
    pub const BODY_B: usize = 12;
    /// Integer: link of the first body.
    pub const LINK_A: usize = 13;
    /// Integer: link of the second body.
    pub const LINK_B: usize = 14;
    /// Integer: a number that the kind needs; of torsional friction its contact.
    pub const EXTRA: usize = 15;
    /// Integers of a record.
    pub const NUM_INTS: usize = 16;

    /// Number: stiffness of the reference acceleration \[1/s²\].
    pub const STIFFNESS: usize = 0;
    /// Number: damping of the reference acceleration \[1/s\].
    pub const DAMPING: usize = 1;
    /// Number: least impedance.
    pub const IMPEDANCE_LOW: usize = 2;
    /// Number: most impedance.
    pub const IMPEDANCE_HIGH: usize = 3;
    /// Number: 1 / width over which impedance grows \[1/m\].
    pub const INVERSE_WIDTH: usize = 4;
    /// Number: where on it the curve turns.
    pub const MIDPOINT: usize = 5;
    /// Number: 1 for a curve of degree 2, 0 for a line; between them a mix.
    pub const CURVED: usize = 6;
    /// Number: inverse inertia seen by the constraint at the reference configuration.
    pub const INVERSE_INERTIA: usize = 7;
    /// Number: distance at which it is there \[m\].
    pub const DETECT: usize = 8;
    /// Number: distance at which it pushes \[m\].
    pub const MARGIN: usize = 9;
    /// Number: sliding friction, or the torsional one \[m\], or the bound of dry friction.
    pub const FRICTION: usize = 10;
    /// Number: coefficient of restitution.
    pub const RESTITUTION: usize = 11;
    /// Number: softness of friction over softness of the normal.
    pub const FRICTION_SOFTNESS: usize = 12;
    /// Numbers: what the kind needs, 7.
    pub const OWN: usize = 13;
    /// Numbers of a record.
    pub const NUM_REALS: usize = 20;

    /// A contact: one row that pushes, two inside a disc of friction.
    pub const CONE: usize = 0;
    /// One row between two bounds.
    pub const ROW: usize = 1;
    /// Three rows without bounds.
    pub const TRIPLE: usize = 2;
    /// One row whose bound is a share of the impulse of the contact before.
    pub const TORSION: usize = 3;

    /// Working numbers of a constraint: target speeds, with the speeds at the start of the substep.
    pub const D_BIAS: usize = 0;
    /// Target speeds of the relaxing sweeps.
    pub const D_RELAX: usize = 3;
    /// Softness.
    pub const D_SOFTNESS: usize = 6;
    /// `1 / (A + softness)`; of a triple the inverse pivots of that matrix.
    pub const D_INVERSE: usize = 9;
    /// `1 / A`; of a triple the factor below the pivots: 10, 20, 21.
    pub const D_RELAX_INVERSE: usize = 12;
    /// Products of the rows: 01, 02, 12.
    pub const D_COUPLING: usize = 15;
    /// Friction; or the lower bound.
    pub const D_LOW: usize = 18;
    /// The upper bound.
    pub const D_HIGH: usize = 19;
    /// 1 where it acts, else 0.
    pub const D_ACTIVE: usize = 20;
    /// Diagonal products of the rows, 3.
    pub const D_DIAGONAL: usize = 21;
    /// Working numbers of a constraint.
    pub const NUM_WORKING: usize = 24;

    /// Geometry of a contact: distance.
    pub const C_DISTANCE: usize = 0;
    /// Normal from the first to the second body, 3.
    pub const C_NORMAL: usize = 1;
    /// Place, from the origin of the first moving body's tree, 3.
    pub const C_POSITION: usize = 4;
    /// Numbers of a contact's geometry.
    pub const NUM_GEOMETRY: usize = 7;
}

/// The numbers of [`item`] that follow from softness: stiffness to `CURVED`.
pub(super) fn softness_numbers(softness: &Softness, options: &StepOptions) -> [f64; 7] {
    let [low, high, width, midpoint, power] = softness.solimp;
    let (mut low, mut high) = (low.clamp(1e-4, 0.9999), high.clamp(1e-4, 0.9999));
    let (stiffness, damping) = match softness.solref {
        [time, ratio] if time > 0.0 => {
            // A time constant below two steps cannot be followed.
            let time = time.max(2.0 * options.substep());
            (1.0 / (high * high * time * time * ratio * ratio).max(1e-15), 2.0 / (high * time).max(1e-15))
        }
        [stiffness, damping] => (-stiffness / (high * high), -damping / high),
    };
    if width <= 1e-15 {
        (low, high) = (0.5 * (low + high), 0.5 * (low + high));
    }
    let curved = (power - 1.0).clamp(0.0, 1.0);
    [stiffness, damping, low, high, 1.0 / width.max(1e-15), midpoint.clamp(1e-4, 0.9999), curved]
}

/// Softness of [`Law::Soft`] as a share of the error corrected in a second, and as share of the row's inverse inertia.
pub(crate) fn soft_numbers(frequency: f64, damping_ratio: f64, h: f64) -> (f64, f64) {
    let w = std::f64::consts::TAU * frequency;
    let erp_inv_dt = w / (h * w + 2.0 * damping_ratio);
    let erp = h * erp_inv_dt;
    let k = 1.0 / erp - 1.0;
    (erp_inv_dt, k * k / ((1.0 + k) * 4.0 * damping_ratio * damping_ratio))
}

/// Distance at which a contact is there under the soft law, so that it is met before it penetrates \[m\].
pub(super) fn detection_distance(margin: f64, options: &StepOptions) -> f64 {
    match options.law {
        Law::Soft { .. } => margin + (5.0 * options.substep()).clamp(0.002, 0.02),
        Law::Mujoco => margin,
    }
}
