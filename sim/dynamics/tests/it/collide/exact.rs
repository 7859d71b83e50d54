//! Distances against slow definitions, and poses whose contacts are known by hand.

use keiko_dynamics::collide::{self, Placed};
use keiko_dynamics::space::V3;

use super::{Kind, Random, Shape, add, apart, array, column_z, deepest, routine, scale};

const IDENTITY: [f64; 4] = [0.0, 0.0, 0.0, 1.0];

/// Signed distance of a point from a shape, by definition; from an ellipsoid by golden-section descent is not needed,
/// because its routine is checked by its own optimality.
fn point_distance(point: [f64; 3], shape: &Shape) -> f64 {
    let placed: Placed<f64> = shape.placed();
    let p = placed.rotation.transpose_mul(V3::new(point[0], point[1], point[2]) - placed.position);
    let [x, y, z] = shape.size;
    let combine = |over: &[f64]| {
        let outside: f64 = over.iter().map(|d| d.max(0.0).powi(2)).sum::<f64>().sqrt();
        let inside = over.iter().copied().fold(f64::MIN, f64::max).min(0.0);
        outside + inside
    };
    match shape.kind {
        Kind::Sphere => p.length() - x,
        Kind::Capsule => (p - V3::new(0.0, 0.0, p.z.clamp(-y, y))).length() - x,
        Kind::Cylinder => combine(&[p.x.hypot(p.y) - x, p.z.abs() - y]),
        Kind::Box => combine(&[p.x.abs() - x, p.y.abs() - y, p.z.abs() - z]),
        Kind::Plane => p.z,
        Kind::Ellipsoid => unreachable!(),
    }
}

#[test]
fn spheres_touch_at_the_distance_of_their_centre() {
    let mut random = Random(21);
    for kind in [Kind::Sphere, Kind::Capsule, Kind::Cylinder, Kind::Box] {
        let f = routine::<f64>(Kind::Sphere, kind);
        for _ in 0..5000 {
            let (a, b) = random.pair(Kind::Sphere, kind);
            let contact = f(&a.placed(), &b.placed())[0];
            let centre = point_distance(a.position, &b);
            assert!((contact.distance - (centre - a.size[0])).abs() < 1e-12, "{a:?} {b:?}");
            // The normal leads from the centre to the surface.
            let surface = add(a.position, scale(array(contact.normal), centre));
            assert!(point_distance(surface, &b).abs() < 1e-9, "{a:?} {b:?} {contact:?}");
            let middle = add(a.position, scale(array(contact.normal), 0.5 * (centre + a.size[0])));
            assert!(apart(middle, array(contact.position)) < 1e-12);
        }
    }
}

/// The nearest point of an ellipsoid is the one on it from which the way to the centre is along the normal, and no
/// point of a fine mesh of the surface is nearer.
#[test]
fn spheres_touch_ellipsoids_at_the_nearest_point() {
    let mut random = Random(22);
    for case in 0..2000 {
        let (mut a, b) = random.pair(Kind::Sphere, Kind::Ellipsoid);
        if case % 4 == 0 {
            // Deep inside.
            a.position = add(b.position, scale(random.ball(), 0.05));
        }
        let contact = collide::sphere_ellipsoid::<f64>(&a.placed(), &b.placed())[0];
        let centre = contact.distance + a.size[0];
        let surface = add(a.position, scale(array(contact.normal), centre));
        let placed: Placed<f64> = b.placed();
        let p = placed.rotation.transpose_mul(V3::new(surface[0], surface[1], surface[2]) - placed.position);
        let on = [p.x / b.size[0], p.y / b.size[1], p.z / b.size[2]];
        let level: f64 = on.iter().map(|x| x * x).sum();
        assert!((level - 1.0).abs() < 1e-6, "{a:?} {b:?}: {level}");
        for i in 0..24 {
            for j in 0..48 {
                let (polar, azimuth) = (f64::from(i) * 0.1309, f64::from(j) * 0.1309);
                let q = V3::new(
                    b.size[0] * polar.sin() * azimuth.cos(),
                    b.size[1] * polar.sin() * azimuth.sin(),
                    b.size[2] * polar.cos(),
                );
                let q = array(placed.position + placed.rotation * q);
                assert!(apart(q, a.position) > centre.abs() - 1e-7, "{a:?} {b:?}");
            }
        }
    }
}

/// The smallest value of a convex function on [-1, 1].
fn least(f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (-1.0, 1.0);
    for _ in 0..100 {
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if f(a) <= f(b) { high = b } else { low = a }
    }
    f(0.5 * (low + high))
}

/// Least distance of a capsule's axis from a shape.
fn axis_distance(capsule: &Shape, shape: &Shape) -> f64 {
    let axis = scale(column_z(capsule.quaternion), capsule.size[1]);
    least(|t| point_distance(add(capsule.position, scale(axis, t)), shape))
}

#[test]
fn capsules_touch_at_the_distance_of_their_axis() {
    let mut random = Random(23);
    for kind in [Kind::Capsule, Kind::Box] {
        let f = routine::<f64>(Kind::Capsule, kind);
        let (mut outside, mut coarse) = (0, 0);
        for _ in 0..5000 {
            let (a, b) = random.pair(Kind::Capsule, kind);
            let axis = axis_distance(&a, &b);
            let contact = deepest(&f(&a.placed(), &b.placed()));
            let core = if kind == Kind::Capsule { axis + b.size[0] } else { axis };
            if core < 1e-3 {
                continue;
            }
            outside += 1;
            // An end that is as near as 1e-4 of the radius stands for the nearest point.
            let radius = a.size[0] + if kind == Kind::Capsule { b.size[0] } else { 0.0 };
            let error = contact.distance - (axis - a.size[0]);
            assert!(error > -1e-9 && error < 1.01e-4 * radius, "{a:?} {b:?}: {error}");
            coarse += usize::from(error > 1e-9);
        }
        assert!(outside > 1000 && coarse * 20 < outside, "{outside} {coarse}");
    }
}

/// An axis inside a box is pushed out: the contact is as deep as the radius at least and leads to the surface.
#[test]
fn capsules_are_pushed_out_of_boxes() {
    let mut random = Random(24);
    let mut seen = 0;
    for _ in 0..5000 {
        let (a, b) = random.pair(Kind::Capsule, Kind::Box);
        let axis = axis_distance(&a, &b);
        if axis > -1e-6 {
            continue;
        }
        seen += 1;
        let contact = deepest(&collide::capsule_box::<f64>(&a.placed(), &b.placed()));
        assert!(contact.distance <= -a.size[0] + 1e-9, "{a:?} {b:?}");
        assert!(contact.distance >= axis - a.size[0] - 1e-9, "{a:?} {b:?}");
    }
    assert!(seen > 500, "{seen}");
}

/// A capsule that lies on a box that is longer or shorter touches at the ends of the common stretch.
#[test]
fn a_lying_capsule_touches_at_both_ends() {
    let across = [0.0, std::f64::consts::FRAC_1_SQRT_2, 0.0, std::f64::consts::FRAC_1_SQRT_2];
    for (length, expected) in [(0.1, 0.1), (0.5, 0.3)] {
        for tilt in [0.0, 1e-9, -1e-9] {
            let a = Shape {
                kind: Kind::Capsule,
                size: [0.05, length, 0.0],
                position: [0.0, 0.02, 0.149],
                quaternion: [0.0, across[1] + tilt, 0.0, across[3] - tilt],
            };
            let b =
                Shape { kind: Kind::Box, size: [0.3, 0.2, 0.1], position: [0.0; 3], quaternion: IDENTITY };
            let found = collide::capsule_box::<f64>(&a.placed(), &b.placed());
            for (contact, x) in found.iter().zip([expected, -expected]) {
                assert!((contact.distance + 0.001).abs() < 1e-6, "{contact:?}");
                assert!(apart(array(contact.position), [x, 0.02, 0.0995]) < 1e-6, "{contact:?}");
                assert!(apart(array(contact.normal), [0.0, 0.0, -1.0]) < 1e-6);
            }
            let log = Shape { kind: Kind::Capsule, size: [0.1, 0.3, 0.0], quaternion: across, ..b };
            let found = collide::capsule_capsule::<f64>(&a.placed(), &log.placed());
            for (contact, x) in found.iter().zip([expected, -expected]) {
                assert!((contact.position.x - x).abs() < 1e-6, "{contact:?}");
            }
        }
    }
}
