//! Contacts of everything without a routine of its own: convex solids and hulls by one search, height fields.
//!
//! The search is long, so it is compiled for three kinds of pairs and not for every two classes.

use super::contact::{Candidates, candidates, keep};
use crate::collide::height_field::{
    Field, box_height_field, capsule_height_field, cylinder_height_field, hull_height_field,
    sphere_height_field,
};
use crate::collide::hull::{Hull, plane_hull};
use crate::collide::manifold::convex_contacts;
use crate::collide::support::Solid;
use crate::collide::{Class, Placed};
use crate::lane::Phase;
use crate::machine::Machine;
use crate::plan::{Plan, geom, pair};

/// What a pair without a routine of its own is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    PlaneHull,
    Solids,
    SolidHull,
    Hulls,
    SphereField,
    CapsuleField,
    CylinderField,
    BoxField,
    HullField,
}

impl Kind {
    fn of(a: Class, b: Class) -> Option<Self> {
        let solid = |class| {
            matches!(class, Class::Sphere | Class::Capsule | Class::Cylinder | Class::Ellipsoid | Class::Box)
        };
        Some(match (a, b) {
            (Class::Plane, Class::Hull) => Self::PlaneHull,
            (Class::Hull, Class::Hull) => Self::Hulls,
            (Class::Sphere, Class::HeightField) => Self::SphereField,
            (Class::Capsule, Class::HeightField) => Self::CapsuleField,
            (Class::Cylinder, Class::HeightField) => Self::CylinderField,
            (Class::Box, Class::HeightField) => Self::BoxField,
            (Class::Hull, Class::HeightField) => Self::HullField,
            (a, Class::Hull) if solid(a) => Self::SolidHull,
            (a, b) if solid(a) && solid(b) => Self::Solids,
            _ => return None,
        })
    }
}

/// Contacts that a pair of classes may have; `None` if keiko has no routine for them.
pub(super) fn num_contacts(a: Class, b: Class) -> Option<usize> {
    Kind::of(a, b).map(|kind| match kind {
        Kind::SphereField => 2,
        Kind::CapsuleField => 3,
        _ => 4,
    })
}

/// Whether the pair needs working memory for its faces.
pub(crate) fn needs_scratch(a: Class, b: Class) -> bool {
    matches!(Kind::of(a, b), Some(Kind::Solids | Kind::SolidHull | Kind::Hulls))
}

/// All phases that the model needs.
#[inline(always)]
pub(super) fn collide<M: Machine>(plan: &Plan, m: &mut M) {
    let mut done = [false; 9];
    for &(a, b, ..) in &plan.routines {
        if super::contact::has_routine(a, b) {
            continue;
        }
        let Some(kind) = Kind::of(a, b) else { continue };
        // Several pairs of classes share a phase; it sees to all of them.
        if std::mem::replace(&mut done[kind as usize], true) {
            continue;
        }
        match kind {
            Kind::PlaneHull => m.call::<PlaneHull>(plan),
            Kind::Solids => m.call::<Solids>(plan),
            Kind::SolidHull => m.call::<SolidHull>(plan),
            Kind::Hulls => m.call::<Hulls>(plan),
            Kind::SphereField => m.call::<SphereField>(plan),
            Kind::CapsuleField => m.call::<CapsuleField>(plan),
            Kind::CylinderField => m.call::<CylinderField>(plan),
            Kind::BoxField => m.call::<BoxField>(plan),
            Kind::HullField => m.call::<HullField>(plan),
        }
    }
}

#[inline(always)]
fn solid<M: Machine>(plan: &Plan, m: &M, g: M::Int, placed: &Placed<M::Num>) -> Solid<M::Num> {
    Solid::read(m, placed, m.int(plan.geoms.int(g, geom::DATA)))
}

#[inline(always)]
fn hull<M: Machine>(plan: &Plan, m: &M, g: M::Int, placed: &Placed<M::Num>) -> Hull<M> {
    let (vertices, count) = (m.int(plan.geoms.int(g, geom::DATA)), m.int(plan.geoms.int(g, geom::COUNT)));
    Hull::new(m, placed, vertices, count)
}

#[inline(always)]
fn field<M: Machine>(plan: &Plan, m: &M, g: M::Int, placed: &Placed<M::Num>) -> Field<M> {
    Field::new(m, placed, m.int(plan.geoms.int(g, geom::DATA)))
}

#[inline(always)]
fn plain<M: Machine>(_: &Plan, _: &M, _: M::Int, placed: &Placed<M::Num>) -> Placed<M::Num> {
    *placed
}

macro_rules! phases {
    ($($phase:ident, $plane:literal, $count:literal, $read_a:ident, $read_b:ident,
        |$plan:ident, $m:ident, $a:ident, $b:ident, $margin:ident| $contacts:expr;)*) => {$(
        struct $phase;

        impl Phase for $phase {
            #[inline(always)]
            fn run<M: Machine>($plan: &Plan, $m: &mut M) {
                for &(a, b, start, end) in &$plan.routines {
                    if super::contact::has_routine(a, b) || Kind::of(a, b) != Some(Kind::$phase) {
                        continue;
                    }
                    for p in $m.range(start, end) {
                        let Candidates { a, b, near } = candidates($plan, $m, p, $plane);
                        if let Some(_then) = $m.when($m.any(near)) {
                            let $a = $read_a($plan, $m, $m.int($plan.pairs.int(p, pair::A)), &a);
                            let $b = $read_b($plan, $m, $m.int($plan.pairs.int(p, pair::B)), &b);
                            let $margin = $m.real($plan.pairs.real(p, pair::DETECT));
                            let contacts = $contacts;
                            keep::<M, $count>($plan, $m, p, contacts);
                        }
                    }
                }
            }
        }
    )*};
}

phases! {
    PlaneHull, true, 4, plain, hull, |plan, m, a, b, margin| plane_hull(m, &a, &b, margin);
    Solids, false, 4, solid, solid,
        |plan, m, a, b, margin| convex_contacts::<M, 4>(m, &a, &b, margin, plan.faces.into());
    SolidHull, false, 4, solid, hull,
        |plan, m, a, b, margin| convex_contacts::<M, 4>(m, &a, &b, margin, plan.faces.into());
    Hulls, false, 4, hull, hull,
        |plan, m, a, b, margin| convex_contacts::<M, 4>(m, &a, &b, margin, plan.faces.into());
    SphereField, false, 2, plain, field, |plan, m, a, b, _margin| sphere_height_field(m, &a, &b);
    CapsuleField, false, 3, plain, field, |plan, m, a, b, _margin| capsule_height_field(m, &a, &b);
    CylinderField, false, 4, plain, field, |plan, m, a, b, margin| cylinder_height_field(m, &a, &b, margin);
    BoxField, false, 4, plain, field, |plan, m, a, b, _margin| box_height_field(m, &a, &b);
    HullField, false, 4, hull, field, |plan, m, a, b, margin| hull_height_field(m, &a, &b, margin);
}
