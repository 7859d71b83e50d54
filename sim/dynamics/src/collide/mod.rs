//! Contacts between two shapes.
//!
//! A routine is a pure function of two placed shapes. It returns a fixed number of contacts, in an order that is
//! stable from step to step, because a contact's place in it is its identity for the warm start. It finds near contacts
//! as well as touching ones: what is too far to matter is for its caller to say.
//!
//! Of two shapes the first is that of the earlier kind: plane, sphere, capsule, cylinder, ellipsoid, box, hull, height
//! field. A routine is named for both in that order, and its normals point from the first to the second.

mod box_box;
mod capsule;
mod class;
pub mod convex;
pub mod height_field;
pub mod hull;
pub mod hull_table;
pub mod manifold;
mod plane;
pub mod ray;
mod sphere;
pub mod support;

pub use box_box::box_box;
pub use capsule::{capsule_box, capsule_capsule};
pub use class::Class;
pub use plane::{plane_box, plane_capsule, plane_cylinder, plane_ellipsoid, plane_sphere};
pub use sphere::{sphere_box, sphere_capsule, sphere_cylinder, sphere_ellipsoid, sphere_sphere};

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

    /// `yes` where `mask` holds, else `no`.
    #[inline(always)]
    pub fn select(mask: N::Mask, yes: Self, no: Self) -> Self {
        Self {
            distance: N::select(mask, yes.distance, no.distance),
            position: V3::select(mask, yes.position, no.position),
            normal: V3::select(mask, yes.normal, no.normal),
        }
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
