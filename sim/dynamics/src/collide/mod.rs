//! Contacts between two shapes.
//!
//! A routine is a pure function of two placed shapes. It returns a fixed number of contacts, in an order that is
//! stable from step to step, because a contact's place in it is its identity for the warm start.

use crate::lane::Num;
use crate::space::{Mat3, V3};

/// Distance of a contact that is not there \[m\].
pub const FAR: f64 = 1e6;

/// A point where two shapes touch, or nearly.
#[derive(Clone, Copy, Debug)]
pub struct Contact<N> {
    /// Gap \[m\]; negative is penetration; [`FAR`] if there is no such contact.
    pub distance: N,
    /// Midway between the two surfaces \[m\].
    pub position: V3<N>,
    /// Unit vector from the first shape to the second.
    pub normal: V3<N>,
}

impl<N: Num> Contact<N> {
    /// No contact.
    #[inline(always)]
    pub fn none() -> Self {
        Self { distance: N::of(FAR), position: V3::zero(), normal: V3::unit(2) }
    }
}

/// A shape in the world. The three sizes are: sphere radius; capsule and cylinder radius, half length along z; box half
/// sizes; ellipsoid semi-axes; plane none (its normal is z).
#[derive(Clone, Copy, Debug)]
pub struct Placed<N> {
    /// Its origin \[m\].
    pub position: V3<N>,
    /// `world_from_shape`.
    pub rotation: Mat3<N>,
    /// Sizes \[m\].
    pub size: V3<N>,
}
