//! What the world sees after a control step: poses, velocities, mean forces, and whether the state is usable.

use crate::lane::{Num, Phase};
use crate::machine::{Machine, Var};
use crate::plan::{Plan, body};
use crate::space::{Mat3, V3};

/// Fills the output rows from the state; working memory must hold its kinematics and velocities.
pub struct Report;

impl Phase for Report {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for b in m.range(0, plan.bodies.len) {
            place_body(plan, m, b);
        }
        let steps = (plan.options.decimation * plan.options.substeps) as f64;
        for a in m.range(0, plan.actuators.len) {
            m.set(a + plan.actuator_force, m.get(a + plan.actuator_force) * m.num(1.0 / steps));
        }
        let time = plan.options.timestep * plan.options.decimation as f64;
        for b in m.range(0, 3 * plan.num_bodies) {
            m.set(b + plan.contact_force, m.get(b + plan.contact_impulse) * m.num(1.0 / time));
        }
        judge(plan, m);
    }
}

#[inline(always)]
fn place_body<M: Machine>(plan: &Plan, m: &mut M, b: M::Int) {
    let l = m.int(plan.bodies.int(b, body::LINK));
    let tree = m.int(plan.bodies.int(b, body::TREE));
    let link = m.get9(l * 9 + plan.rotation);
    let local = m.get3(l * 3 + plan.position) + link * m.real3(plan.bodies.real(b, body::POSITION));
    m.set3(b * 3 + plan.body_position, local + m.get3(tree * 3 + plan.origin));
    let rotation = link * m.real9(plan.bodies.real(b, body::ROTATION));
    let [x, y, z, w] = quaternion(rotation);
    m.set3(b * 4 + plan.body_rotation, V3::new(x, y, z));
    m.set(b * 4 + (plan.body_rotation + 3), w);
    let velocity = m.get6(l * 6 + plan.velocity);
    m.set3(b * 3 + plan.body_linear, velocity.linear + velocity.angular.cross(local));
    m.set3(b * 3 + plan.body_angular, velocity.angular);
}

/// The unit quaternion xyzw of a rotation, from the largest of its four components.
#[inline(always)]
pub(super) fn quaternion<N: Num>(rotation: Mat3<N>) -> [N; 4] {
    let [a, b, c] = rotation.rows;
    let one = N::one();
    let (xx, yy, zz) = (a.x, b.y, c.z);
    // Four times each component squared, and the candidate that it leads to.
    let sizes = [one + xx - yy - zz, one - xx + yy - zz, one - xx - yy + zz, one + xx + yy + zz];
    let candidates = [
        [sizes[0], a.y + b.x, a.z + c.x, c.y - b.z],
        [a.y + b.x, sizes[1], b.z + c.y, a.z - c.x],
        [a.z + c.x, b.z + c.y, sizes[2], b.x - a.y],
        [c.y - b.z, a.z - c.x, b.x - a.y, sizes[3]],
    ];
    let (mut best, mut out) = (sizes[3], candidates[3]);
    for k in 0..3 {
        let larger = best.lt(sizes[k]);
        best = N::select(larger, sizes[k], best);
        for i in 0..4 {
            out[i] = N::select(larger, candidates[k][i], out[i]);
        }
    }
    let scale = N::of(0.5) / best.sqrt();
    [out[0] * scale, out[1] * scale, out[2] * scale, out[3] * scale]
}

/// A position or velocity beyond this is as good as infinite. Well inside 32 bits: a compiler that believes in
/// finite numbers, as those of GPUs do, could take a comparison with the largest of them for true, or `x - x` for 0.
const HUGE: f64 = 1e30;

/// 1 where a position or velocity is not finite, 2 where a velocity is beyond what the scene allows, else 0.
#[inline(always)]
fn judge<M: Machine>(plan: &Plan, m: &mut M) {
    let (zero, one, two) = (m.num(0.0), m.num(1.0), m.num(2.0));
    let (mut broken, mut fastest) = (m.var(zero), m.var(zero));
    for d in m.range(plan.qpos, plan.qpos + plan.num_qpos) {
        let finite = m.get(d).abs().lt(m.num(HUGE));
        broken.set(M::Num::select(finite, broken.get(), one));
    }
    for d in m.range(plan.qvel, plan.qvel + plan.dofs.len) {
        let speed = m.get(d).abs();
        broken.set(M::Num::select(speed.lt(m.num(HUGE)), broken.get(), one));
        fastest.set(fastest.get().max(speed));
    }
    let within = fastest.get().le(m.num(plan.options.max_velocity));
    let fault = M::Num::select(within, zero, two);
    m.set(plan.fault, M::Num::select(broken.get().lt(m.num(0.5)), fault, one));
}
