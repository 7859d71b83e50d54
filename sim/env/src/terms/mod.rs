//! The terms of a task: small functions over the numbers of an environment.
//!
//! A term is bound once to rows of the memory that physics and task share; see [`Binder`](crate::bind::Binder). Its
//! text is that of the physics: it works on as many environments as a register holds, or is written into a kernel,
//! so it follows the rules of [`keiko_dynamics::machine`]. Lists of rows are plain loops: a kernel grows with a task.

pub(crate) mod observe;
pub(crate) mod reward;
pub(crate) mod success;
pub(crate) mod terminate;

use keiko_dynamics::lane::Num;
use keiko_dynamics::machine::Machine;
use keiko_dynamics::space::V3;

use crate::bind::{Body, Frame};

/// Net contact force from which a body counts as touched \[N\].
pub(crate) const TOUCH_FORCE: f64 = 1.0;

/// Commanded speed below which the policy is to stand \[m/s, rad/s\].
pub(crate) const STANDING_SPEED: f64 = 0.1;

/// A constant vector.
#[inline(always)]
pub(crate) fn constant<M: Machine>(m: &M, [x, y, z]: [f64; 3]) -> V3<M::Num> {
    V3::new(m.num(x), m.num(y), m.num(z))
}

/// 1 where a mask holds, else 0.
#[inline(always)]
pub(crate) fn flag<M: Machine>(m: &M, mask: <M::Num as Num>::Mask) -> M::Num {
    M::Num::select(mask, m.num(1.0), m.num(0.0))
}

/// Whether a row that is 1 or 0 is 1.
#[inline(always)]
pub(crate) fn holds<M: Machine>(m: &M, row: usize) -> <M::Num as Num>::Mask {
    m.num(0.5).lt(m.get(row))
}

/// `v` in the world, from the frame of a body.
#[inline(always)]
pub(crate) fn to_world<M: Machine>(m: &M, body: Body, v: V3<M::Num>) -> V3<M::Num> {
    turn(m.get3(body.rotation), m.get(body.rotation + 3), v)
}

/// `v` in the frame of a body, from the world.
#[inline(always)]
pub(crate) fn to_body<M: Machine>(m: &M, body: Body, v: V3<M::Num>) -> V3<M::Num> {
    turn(m.get3(body.rotation), -m.get(body.rotation + 3), v)
}

/// `v` turned by the unit quaternion of a vector part and a scalar part.
#[inline(always)]
fn turn<N: Num>(q: V3<N>, w: N, v: V3<N>) -> V3<N> {
    let twice = q.cross(v) * N::of(2.0);
    q.cross(twice) + twice.mul_add(w, v)
}

/// Velocity of a body's origin in the body's frame \[m/s\].
#[inline(always)]
pub(crate) fn linear_velocity<M: Machine>(m: &M, body: Body) -> V3<M::Num> {
    to_body(m, body, m.get3(body.linear))
}

/// Angular velocity of a body in the body's frame \[rad/s\].
#[inline(always)]
pub(crate) fn angular_velocity<M: Machine>(m: &M, body: Body) -> V3<M::Num> {
    to_body(m, body, m.get3(body.angular))
}

/// Direction of gravity in a body's frame.
#[inline(always)]
pub(crate) fn projected_gravity<M: Machine>(m: &M, body: Body) -> V3<M::Num> {
    to_body(m, body, constant(m, [0.0, 0.0, -1.0]))
}

/// Place of a frame in the world \[m\].
#[inline(always)]
pub(crate) fn frame_position<M: Machine>(m: &M, frame: &Frame) -> V3<M::Num> {
    m.get3(frame.body.position) + to_world(m, frame.body, constant(m, frame.point))
}

/// Velocity of a frame's point in the world \[m/s\].
#[inline(always)]
pub(crate) fn frame_velocity<M: Machine>(m: &M, frame: &Frame) -> V3<M::Num> {
    let arm = to_world(m, frame.body, constant(m, frame.point));
    m.get3(frame.body.linear) + m.get3(frame.body.angular).cross(arm)
}

/// Distance of a frame from the point in three rows \[m\].
#[inline(always)]
pub(crate) fn distance<M: Machine>(m: &M, frame: &Frame, point: usize) -> M::Num {
    (m.get3(point) - frame_position(m, frame)).length()
}

/// Whether the net contact force in three rows is over a threshold \[N\].
#[inline(always)]
pub(crate) fn touched<M: Machine>(m: &M, contact_force: usize, threshold: f64) -> <M::Num as Num>::Mask {
    m.num(threshold).lt(m.get3(contact_force).length())
}

/// Length of the x and y part.
#[inline(always)]
pub(crate) fn squared_xy<N: Num>(v: V3<N>) -> N {
    v.x.mul_add(v.x, v.y * v.y)
}

/// Adds to the sum in two rows, the second of which holds what rounding took from the first (Knuth, The Art of
/// Computer Programming 2, 4.2.2, theorem B): a sum of thousands of rewards in `f32` is as good as one in `f64`.
#[inline(always)]
pub(crate) fn add_to_sum<M: Machine>(m: &mut M, row: usize, value: M::Num) {
    let before = m.get(row);
    let sum = before + value;
    let added = sum - before;
    let lost = (before - (sum - added)) + (value - added);
    m.set(row, sum);
    m.set(row + 1, m.get(row + 1) + lost);
}
