//! Where shapes touch: places the geoms, asks the routine of every pair, and lists the contacts that act.

use crate::collide::{self, Class, Contact, Placed};
use crate::lane::{Num, Phase};
use crate::machine::{Int, Machine};
use crate::plan::{Plan, geom, item, pair};

/// Poses of all geoms that may touch something, from the origins of their trees.
pub struct PlaceGeoms;

impl Phase for PlaceGeoms {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for g in m.range(0, plan.geoms.len) {
            let l = m.int(plan.geoms.int(g, geom::LINK));
            let rotation = m.get9(l * 9 + plan.rotation);
            let position = m.get3(l * 3 + plan.position);
            let offset = m.real3(plan.geoms.real(g, geom::POSITION));
            m.set3(g * 12 + plan.placed, position + rotation * offset);
            m.set9(g * 12 + (plan.placed + 3), rotation * m.real9(plan.geoms.real(g, geom::ROTATION)));
            if plan.has_terrain {
                let terrain = m.int(plan.geoms.int(g, geom::TERRAIN));
                if let Some(_then) = m.when(m.equal(terrain, 1)) {
                    let at = g * 12 + plan.placed;
                    m.set3(at, m.get3(at) + m.parameter3(plan.p_terrain));
                }
            }
        }
    }
}

/// Appends a constraint to the list of those that act.
#[inline(always)]
pub(super) fn act<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    let count = m.count(plan.acting) + 1;
    m.set_count(count + plan.acting, i);
    m.set_count(plan.acting, count);
}

/// A geom as its routine wants it, from the origin of tree `frame`.
#[inline(always)]
fn placed<M: Machine>(plan: &Plan, m: &M, g: M::Int, frame: M::Int) -> Placed<M::Num> {
    let tree = m.int(plan.geoms.int(g, geom::TREE));
    let shift = m.get3(tree * 3 + plan.origin) - m.get3(frame * 3 + plan.origin);
    Placed {
        position: m.get3(g * 12 + plan.placed) + shift,
        rotation: m.get9(g * 12 + (plan.placed + 3)),
        size: m.real3(plan.geoms.real(g, geom::SIZE)),
    }
}

/// The two geoms of a pair, their records, and where any environment has them near each other.
pub(super) struct Candidates<M: Machine> {
    pub a: Placed<M::Num>,
    pub b: Placed<M::Num>,
    pub near: <M::Num as Num>::Mask,
}

#[inline(always)]
pub(super) fn candidates<M: Machine>(plan: &Plan, m: &M, p: M::Int, plane: bool) -> Candidates<M> {
    let frame = m.int(plan.pairs.int(p, pair::FRAME));
    let a = placed(plan, m, m.int(plan.pairs.int(p, pair::A)), frame);
    let b = placed(plan, m, m.int(plan.pairs.int(p, pair::B)), frame);
    let reach = m.real(plan.pairs.real(p, pair::REACH));
    let between = b.position - a.position;
    let near = if plane {
        a.rotation.column(2).dot(between).lt(reach)
    } else {
        between.length_squared().lt(reach * reach)
    };
    Candidates { a, b, near }
}

/// Keeps what a routine found: `K` contacts from the pair's first on.
#[inline(always)]
pub(super) fn keep<M: Machine, const K: usize>(
    plan: &Plan,
    m: &mut M,
    p: M::Int,
    found: [Contact<M::Num>; K],
) {
    let first = m.int(plan.pairs.int(p, pair::ITEM));
    let detect = m.real(plan.pairs.real(p, pair::DETECT));
    for (k, contact) in found.into_iter().enumerate() {
        let i = first + k;
        let there = contact.distance.lt(detect);
        let at = i * item::NUM_GEOMETRY + plan.contact;
        m.set(at + item::C_DISTANCE, contact.distance);
        m.set3(at + item::C_NORMAL, contact.normal);
        m.set3(at + item::C_POSITION, contact.position);
        m.set(flag(plan, i), M::Num::select(there, m.num(1.0), m.num(0.0)));
        if let Some(_then) = m.when(m.any(there)) {
            act(plan, m, i);
        }
    }
}

/// Contacts that acted in the last substep and are gone have no impulse to start from. All others have none already:
/// a pair that is far costs no more than finding that out.
pub struct Forget;

impl Phase for Forget {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        let count = m.count(plan.acted);
        for n in m.range(0, count) {
            let i = m.count(n + (plan.acted + 1));
            keep_impulse_where(plan, m, i, m.num(0.5), flag(plan, i));
        }
    }
}

/// Lists the contacts that hold an impulse from the last control step. None acts until it is found.
pub struct Recall;

impl Phase for Recall {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        m.set_count(plan.acted, 0.into());
        for i in m.range(0, plan.num_contacts) {
            let impulse = m.int(plan.items.int(i, item::IMPULSE));
            keep_impulse_where(plan, m, i, m.num(0.0), impulse);
            m.set(flag(plan, i), m.num(0.0));
            let pushes = m.num(0.0).lt(m.get(impulse));
            if let Some(_then) = m.when(m.any(pushes)) {
                retire(plan, m, i);
            }
        }
    }
}

/// Where the flag of a contact is.
#[inline(always)]
fn flag<I: Int>(plan: &Plan, i: I) -> I {
    i * item::NUM_WORKING + (plan.working + item::D_ACTIVE)
}

/// Clears the impulse of a contact but where the number at `of` is over a bound.
#[inline(always)]
fn keep_impulse_where<M: Machine>(plan: &Plan, m: &mut M, i: M::Int, bound: M::Num, of: M::Int) {
    let keeps = bound.lt(m.get(of));
    let impulse = m.int(plan.items.int(i, item::IMPULSE));
    for r in 0..3 {
        m.set(impulse + r, M::Num::select(keeps, m.get(impulse + r), m.num(0.0)));
    }
}

/// A contact acts no more until it is found again, and [`Forget`] will look at it.
#[inline(always)]
pub(super) fn retire<M: Machine>(plan: &Plan, m: &mut M, i: M::Int) {
    m.set(flag(plan, i), m.num(0.0));
    let count = m.count(plan.acted) + 1;
    m.set_count(count + plan.acted, i);
    m.set_count(plan.acted, count);
}

/// Lists the torsional friction of the contacts that act, behind all contacts.
pub struct Torsion;

impl Phase for Torsion {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for i in m.range(plan.num_contacts, plan.num_touches) {
            let contact = m.int(plan.items.int(i, item::EXTRA));
            let acts = m.get(flag(plan, contact));
            m.set(flag(plan, i), acts);
            let there = m.num(0.5).lt(acts);
            let impulse = m.int(plan.items.int(i, item::IMPULSE));
            m.set(impulse, M::Num::select(there, m.get(impulse), m.num(0.0)));
            if let Some(_then) = m.when(m.any(there)) {
                act(plan, m, i);
            }
        }
    }
}

/// The places of the pairs of two classes in the table.
#[inline(always)]
fn pairs_of(plan: &Plan, a: Class, b: Class) -> Option<(usize, usize)> {
    plan.routines.iter().find(|r| (r.0, r.1) == (a, b)).map(|r| (r.2, r.3))
}

/// One phase a routine. `simple` routines see two placed shapes.
macro_rules! routines {
    ($($phase:ident: $a:ident, $b:ident, $count:literal, $routine:path;)*) => {
        $(
            #[doc = concat!("Contacts of all pairs of these classes, by [`", stringify!($routine), "`].")]
            pub struct $phase;

            impl Phase for $phase {
                #[inline(always)]
                fn run<M: Machine>(plan: &Plan, m: &mut M) {
                    let Some((start, end)) = pairs_of(plan, Class::$a, Class::$b) else { return };
                    for p in m.range(start, end) {
                        let plane = matches!(Class::$a, Class::Plane);
                        let Candidates { a, b, near } = candidates(plan, m, p, plane);
                        if let Some(_then) = m.when(m.any(near)) {
                            keep::<M, $count>(plan, m, p, $routine(&a, &b));
                        }
                    }
                }
            }
        )*

        /// Contacts that a pair of classes may have; `None` if keiko has no routine for them.
        pub(crate) fn num_contacts(a: Class, b: Class) -> Option<usize> {
            match (a, b) {
                $((Class::$a, Class::$b) => Some($count),)*
                _ => super::meshes::num_contacts(a, b),
            }
        }

        /// Whether a pair of classes has a routine here.
        pub(super) fn has_routine(a: Class, b: Class) -> bool {
            matches!((a, b), $((Class::$a, Class::$b))|*)
        }

        /// All routines that the model needs.
        #[inline(always)]
        pub(crate) fn collide<M: Machine>(plan: &Plan, m: &mut M) {
            m.call::<PlaceGeoms>(plan);
            for &(a, b, ..) in &plan.routines {
                match (a, b) {
                    $((Class::$a, Class::$b) => m.call::<$phase>(plan),)*
                    _ => {}
                }
            }
            super::meshes::collide(plan, m);
            if plan.num_contacts > 0 {
                m.call::<Forget>(plan);
            }
            if plan.num_touches > plan.num_contacts {
                m.call::<Torsion>(plan);
            }
        }
    };
}

routines! {
    PlaneSphere: Plane, Sphere, 1, collide::plane_sphere;
    PlaneCapsule: Plane, Capsule, 2, collide::plane_capsule;
    PlaneCylinder: Plane, Cylinder, 4, collide::plane_cylinder;
    PlaneEllipsoid: Plane, Ellipsoid, 1, collide::plane_ellipsoid;
    PlaneBox: Plane, Box, 4, collide::plane_box;
    SphereSphere: Sphere, Sphere, 1, collide::sphere_sphere;
    SphereCapsule: Sphere, Capsule, 1, collide::sphere_capsule;
    SphereCylinder: Sphere, Cylinder, 1, collide::sphere_cylinder;
    SphereEllipsoid: Sphere, Ellipsoid, 1, collide::sphere_ellipsoid;
    SphereBox: Sphere, Box, 1, collide::sphere_box;
    CapsuleCapsule: Capsule, Capsule, 2, collide::capsule_capsule;
    CapsuleBox: Capsule, Box, 2, collide::capsule_box;
    BoxBox: Box, Box, 4, collide::box_box;
}
