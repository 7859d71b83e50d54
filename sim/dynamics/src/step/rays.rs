//! Sensors that see by rays: distances, and heights of the ground.

use super::sense::{Frame, frame};
use crate::collide::height_field::Field;
use crate::collide::ray::{
    Ray, ray_box, ray_capsule, ray_cylinder, ray_ellipsoid, ray_height_field, ray_hull, ray_plane, ray_sphere,
};
use crate::collide::{Class, FAR, Placed};
use crate::lane::{Num, Phase};
use crate::machine::{Machine, Var};
use crate::plan::{Plan, scanner, sensor, target};
use crate::space::V3;

/// Fills the rows of the sensors that see by rays; working memory must hold kinematics and velocities.
pub struct Rays;

impl Phase for Rays {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for s in m.range(0, plan.sensors.len) {
            let kind = m.int(plan.sensors.int(s, sensor::KIND));
            if let Some(_then) = m.when(m.equal(kind, sensor::RAYS)) {
                scan(plan, m, s);
            }
        }
    }
}

/// Where the rays of a sensor are, from the origin of its tree: the first, the steps to its neighbours, the direction.
struct Bundle<M: Machine> {
    first: V3<M::Num>,
    step: [V3<M::Num>; 2],
    direction: V3<M::Num>,
    columns: M::Int,
    rows: M::Int,
    out: M::Int,
}

#[inline(always)]
fn scan<M: Machine>(plan: &Plan, m: &mut M, s: M::Int) {
    let this = frame(plan, m, s);
    let record = m.int(plan.sensors.int(s, sensor::SOURCE));
    let rays = bundle(plan, m, s, record, &this);
    let count = m.int(plan.sensors.int(s, sensor::NUM_VALUES));
    for k in m.range(0, count) {
        m.set(rays.out + k, m.num(FAR));
    }
    let list = m.int(plan.rays.scanners.int(record, scanner::LIST));
    let len = m.int(plan.rays.scanners.int(record, scanner::LIST_LEN));
    for k in m.range(0, len) {
        let g = m.int(list + k * 2);
        let cells = m.int(list + k * 2 + 1);
        let shape = placed(plan, m, g, &this);
        meet(plan, m, g, cells, &shape, &rays);
    }
    let above = m.real(plan.rays.scanners.real(record, scanner::ABOVE));
    let reach = m.real(plan.rays.scanners.real(record, scanner::REACH));
    let miss = m.real(plan.rays.scanners.real(record, scanner::MISS));
    for k in m.range(0, count) {
        let distance = m.get(rays.out + k) - above;
        m.set(rays.out + k, M::Num::select(distance.lt(reach), distance, miss));
    }
}

#[inline(always)]
fn bundle<M: Machine>(plan: &Plan, m: &M, s: M::Int, record: M::Int, this: &Frame<M::Num>) -> Bundle<M> {
    let real = |k| m.real(plan.rays.scanners.real(record, k));
    let axis = this.axes * m.real3(plan.sensors.real(s, sensor::AXIS));
    // The heading: the frame's x axis in the horizontal, or the world's where it points up or down.
    let x = this.axes.column(0);
    let squared = x.x.mul_add(x.x, x.y * x.y);
    let level = m.num(1e-12).lt(squared);
    let inverse = m.num(1.0) / M::Num::select(level, squared, m.num(1.0)).sqrt();
    let cosine = M::Num::select(level, x.x * inverse, m.num(1.0));
    let sine = M::Num::select(level, x.y * inverse, m.num(0.0));
    let zero = m.num(0.0);
    let (along, across) = (V3::new(cosine, sine, zero), V3::new(-sine, cosine, zero));
    let first = along.mul_add(
        real(scanner::FIRST),
        across.mul_add(real(scanner::FIRST + 1), V3::unit(2).mul_add(real(scanner::ABOVE), this.local)),
    );
    Bundle {
        first,
        step: [along * real(scanner::SPACING), across * real(scanner::SPACING + 1)],
        // A grid's sensor has no axis.
        direction: axis - V3::unit(2) * real(scanner::DOWN),
        columns: m.int(plan.rays.scanners.int(record, scanner::COLUMNS)),
        rows: m.int(plan.rays.scanners.int(record, scanner::ROWS)),
        out: m.int(plan.sensors.int(s, sensor::OUT)) + plan.sensed,
    }
}

/// A shape as its routine wants it, from the origin of the sensor's tree.
#[inline(always)]
fn placed<M: Machine>(plan: &Plan, m: &M, g: M::Int, this: &Frame<M::Num>) -> Placed<M::Num> {
    let targets = &plan.rays.targets;
    let (link, tree) = (m.int(targets.int(g, target::LINK)), m.int(targets.int(g, target::TREE)));
    let carrier = m.get9(link * 9 + plan.rotation);
    let local = m.get3(link * 3 + plan.position) + carrier * m.real3(targets.real(g, target::POSITION));
    let position = local + (m.get3(tree * 3 + plan.origin) - this.origin);
    let mut shifted = [m.var(position.x), m.var(position.y), m.var(position.z)];
    if plan.has_terrain {
        let terrain = m.int(targets.int(g, target::TERRAIN));
        if let Some(_then) = m.when(m.equal(terrain, 1)) {
            let shift = m.parameter3(plan.p_terrain);
            shifted[0].set(position.x + shift.x);
            shifted[1].set(position.y + shift.y);
            shifted[2].set(position.z + shift.z);
        }
    }
    Placed {
        position: V3::new(shifted[0].get(), shifted[1].get(), shifted[2].get()),
        rotation: carrier * m.real9(targets.real(g, target::ROTATION)),
        size: m.real3(targets.real(g, target::SIZE)),
    }
}

/// Shortens each ray of a bundle to the distance at which it meets a shape.
macro_rules! shorten {
    ($m:ident, $rays:ident, |$ray:ident| $distance:expr) => {{
        let (mut row_x, mut row_y) = ($m.var($rays.first.x), $m.var($rays.first.y));
        for r in $m.range(0, $rays.rows) {
            let (mut x, mut y) = ($m.var(row_x.get()), $m.var(row_y.get()));
            for c in $m.range(0, $rays.columns) {
                let origin = V3::new(x.get(), y.get(), $rays.first.z);
                let $ray = Ray { origin, direction: $rays.direction };
                let distance = $distance;
                let at = $rays.out + r * $rays.columns + c;
                $m.set(at, $m.get(at).min(distance));
                x.set(x.get() + $rays.step[0].x);
                y.set(y.get() + $rays.step[0].y);
            }
            row_x.set(row_x.get() + $rays.step[1].x);
            row_y.set(row_y.get() + $rays.step[1].y);
        }
    }};
}

#[inline(always)]
fn meet<M: Machine>(
    plan: &Plan,
    m: &mut M,
    g: M::Int,
    cells: M::Int,
    shape: &Placed<M::Num>,
    rays: &Bundle<M>,
) {
    let targets = &plan.rays.targets;
    let class = m.int(targets.int(g, target::CLASS));
    let data = m.int(targets.int(g, target::DATA));
    if let Some(_then) = m.when(m.equal(class, Class::Plane as usize)) {
        shorten!(m, rays, |ray| ray_plane(&ray, shape));
    }
    if let Some(_then) = m.when(m.equal(class, Class::Sphere as usize)) {
        shorten!(m, rays, |ray| ray_sphere(&ray, shape));
    }
    if let Some(_then) = m.when(m.equal(class, Class::Capsule as usize)) {
        shorten!(m, rays, |ray| ray_capsule(&ray, shape));
    }
    if let Some(_then) = m.when(m.equal(class, Class::Cylinder as usize)) {
        shorten!(m, rays, |ray| ray_cylinder(&ray, shape));
    }
    if let Some(_then) = m.when(m.equal(class, Class::Ellipsoid as usize)) {
        shorten!(m, rays, |ray| ray_ellipsoid(&ray, shape));
    }
    if let Some(_then) = m.when(m.equal(class, Class::Box as usize)) {
        shorten!(m, rays, |ray| ray_box(&ray, shape));
    }
    if let Some(_then) = m.when(m.equal(class, Class::Hull as usize)) {
        let (faces, count) = (m.int(targets.int(g, target::FACES)), m.int(targets.int(g, target::COUNT)));
        shorten!(m, rays, |ray| ray_hull(m, &ray, shape, data, faces, count));
    }
    if let Some(_then) = m.when(m.equal(class, Class::HeightField as usize)) {
        let field = Field::new(m, shape, data);
        shorten!(m, rays, |ray| ray_height_field(m, &ray, &field, cells));
    }
}
