//! Distances, normals and contacts of convex shapes.

pub mod scene;

use glam::{DQuat, DVec3};
use keiko_dynamics::lane::{F32x4, Isa};
use keiko_testkit::{ask_python, available};
use scene::{DISTANCES, Draw, Meeting, Met, Pose, Shape};
use serde_json::Value;

/// The margin of the tests \[m\].
const MARGIN: f64 = 0.04;

fn shapes(draw: &mut Draw) -> Vec<Shape> {
    let tetrahedron =
        [[0.125, 0.0, 0.0], [-0.0625, 0.125, 0.0], [-0.0625, -0.125, 0.0], [0.0, 0.03125, 0.25]];
    vec![
        Shape::Sphere(0.1),
        Shape::Capsule(0.06, 0.15),
        Shape::Cylinder(0.1, 0.15),
        Shape::Ellipsoid(DVec3::new(0.08, 0.12, 0.2)),
        Shape::Box(DVec3::new(0.1, 0.15, 0.07)),
        draw.hull(40, DVec3::new(0.1, 0.16, 0.12)),
        Shape::Hull(tetrahedron.map(DVec3::from).to_vec()),
    ]
}

/// All pairs of shapes in random poses with distances from `low` to `high` \[m\] along the first normal.
fn meetings(seed: u64, count: usize, low: f64, high: f64) -> Vec<(Meeting, Vec<[Pose; 2]>)> {
    let mut draw = Draw(seed);
    let all = shapes(&mut draw);
    let mut out = Vec::new();
    for (i, a) in all.iter().enumerate() {
        for b in &all[i..] {
            let meeting = Meeting::new(a.clone(), b.clone());
            let reach = a.bound() + b.bound();
            let mut poses: Vec<[Pose; 2]> = (0..count)
                .map(|_| {
                    let away = draw.direction() * draw.between(0.6, 1.0) * reach;
                    [(DVec3::new(0.3, -0.2, 0.1), draw.rotation()), (away, draw.rotation())]
                })
                .collect();
            let first = meeting.run::<f64>(&poses, 10.0);
            for (both, four) in poses.iter_mut().zip(first) {
                both[1].0 += four[0].normal * (draw.between(low, high) - least(&four));
            }
            out.push((meeting, poses));
        }
    }
    out
}

fn least(contacts: &[Met; 4]) -> f64 {
    contacts.iter().map(|c| c.distance).fold(f64::INFINITY, f64::min)
}

/// Their distance and the nearest points of a and b.
fn theirs(meetings: &[(Meeting, Vec<[Pose; 2]>)]) -> Option<Vec<Vec<(f64, [DVec3; 2])>>> {
    let question = Value::Array(meetings.iter().map(|(meeting, poses)| meeting.json(poses)).collect());
    let answer = available(ask_python(DISTANCES, &question))?;
    let rows: Vec<Vec<[f64; 7]>> = serde_json::from_value(answer).unwrap();
    let row = |r: &[f64; 7]| (r[0], [DVec3::new(r[1], r[2], r[3]), DVec3::new(r[4], r[5], r[6])]);
    Some(rows.iter().map(|rows| rows.iter().map(row).collect()).collect())
}

/// Distance errors, and for those that agree the angle between normals \[rad\].
fn errors(ours: &[[Met; 4]], theirs: &[(f64, [DVec3; 2])]) -> Vec<(f64, f64, f64)> {
    let row = |(four, (distance, [a, b])): (&[Met; 4], &(f64, [DVec3; 2]))| {
        let normal = (*b - *a).normalize_or_zero() * distance.signum();
        (*distance, least(four) - distance, normal.cross(four[0].normal).length())
    };
    ours.iter().zip(theirs).map(row).filter(|(distance, ..)| *distance < MARGIN).collect()
}

/// MuJoCo's own tolerance is 1e-9 here. Apart, all agree. Overlapping, ours is never less than theirs, and more only
/// where the way out that was found is not the shortest of all.
#[test]
fn near_shapes_are_as_far_apart_as_in_mujoco() {
    let meetings = meetings(7, 200, -0.01, 0.03);
    let Some(theirs) = theirs(&meetings) else { return };
    let (mut all, mut longer) = (0, 0);
    for ((meeting, poses), theirs) in meetings.iter().zip(&theirs) {
        for ours in [meeting.run::<f64>(poses, MARGIN), meeting.run::<f32>(poses, MARGIN)] {
            for (distance, error, turn) in errors(&ours, theirs) {
                let what = format!("{:?} {:?} at {distance}: {error:e}", meeting.a, meeting.b);
                assert!(error < 2e-5, "{what}");
                assert!(distance < 0.0 || error > -1e-5, "{what}");
                all += 1;
                longer += usize::from(error < -1e-4);
                // Where the distance is little, rounding turns the line between the nearest points.
                assert!(distance < 2e-3 || turn < 0.01, "{what}: normals {turn} rad apart");
            }
        }
    }
    assert!(all > 10_000 && longer * 100 < all, "{longer} of {all} overlaps are not the shortest way out");
}

/// Overlaps of up to a third of a shape's size: 9 in 10 ways out are the shortest.
#[test]
fn deep_overlaps_are_never_less_than_in_mujoco() {
    let meetings = meetings(8, 100, -0.04, -0.01);
    let Some(theirs) = theirs(&meetings) else { return };
    let (mut all, mut longer) = (0, 0);
    for ((meeting, poses), theirs) in meetings.iter().zip(&theirs) {
        for (distance, error, _) in errors(&meeting.run::<f32>(poses, MARGIN), theirs) {
            assert!(error < 2e-5, "{:?} {:?} at {distance}: {error:e}", meeting.a, meeting.b);
            all += 1;
            longer += usize::from(error < -1e-4);
        }
    }
    assert!(all > 2_500 && longer * 12 < all, "{longer} of {all} overlaps are not the shortest way out");
}

#[test]
fn every_width_gives_the_same_bits() {
    for (meeting, poses) in meetings(9, 19, -0.02, 0.06) {
        let one = meeting.run::<f32>(&poses, MARGIN);
        assert_eq!(one, meeting.run::<F32x4>(&poses, MARGIN));
        #[cfg(target_arch = "x86_64")]
        {
            use keiko_dynamics::lane::{F32x8, F32x16};
            if Isa::detect() != Isa::Portable {
                assert_eq!(one, meeting.run::<F32x8>(&poses, MARGIN));
            }
            if Isa::detect() == Isa::Avx512 {
                assert_eq!(one, meeting.run::<F32x16>(&poses, MARGIN));
            }
        }
    }
}

fn cuboid(half: DVec3) -> Vec<DVec3> {
    let corner =
        |k: usize| DVec3::from_array([0, 1, 2].map(|axis| if k >> axis & 1 == 0 { -1.0 } else { 1.0 }));
    (0..8).map(|k| corner(k) * half).collect()
}

/// Sorted positions in whole micrometres, and all distances within `tolerance` of `distance`.
fn corners(contacts: &[Met], distance: f64, tolerance: f64) -> Vec<[i64; 3]> {
    let mut out: Vec<[i64; 3]> = contacts
        .iter()
        .map(|c| {
            assert!((c.distance - distance).abs() < tolerance, "{c:?}");
            assert!((c.normal - DVec3::Z).length() < 1e-5, "{c:?}");
            (c.position * 1e4).round().to_array().map(|x| x as i64)
        })
        .collect();
    out.sort_unstable();
    out
}

/// A cube a millimetre deep in a larger block: the corners of the cube, or of where the two overlap.
#[test]
fn flat_faces_touch_at_the_corners_of_their_overlap() {
    let (half, block) = (DVec3::new(0.125, 0.0625, 0.0625), DVec3::new(0.5, 0.25, 0.125));
    let shapes = |h: DVec3| [Shape::Box(h), Shape::Hull(cuboid(h))];
    let turn = DQuat::from_rotation_z(std::f64::consts::FRAC_PI_2);
    for a in shapes(block) {
        for b in shapes(half) {
            if matches!((&a, &b), (Shape::Hull(_), Shape::Box(_))) {
                continue;
            }
            let meeting = Meeting::new(a.clone(), b);
            let at = |x, y, q| [(DVec3::ZERO, DQuat::IDENTITY), (DVec3::new(x, y, 0.1865), q)];
            let poses = [at(0.1, 0.05, DQuat::IDENTITY), at(0.5, 0.25, DQuat::IDENTITY), at(0.0, 0.0, turn)];
            for found in [meeting.run::<f64>(&poses, 0.01), meeting.run::<f32>(&poses, 0.01)] {
                let z = 1245;
                let inside = [[-250, -125, z], [-250, 1125, z], [2250, -125, z], [2250, 1125, z]];
                assert_eq!(corners(&found[0], -0.001, 1e-6), inside);
                let over = [[3750, 1875, z], [3750, 2500, z], [5000, 1875, z], [5000, 2500, z]];
                assert_eq!(corners(&found[1], -0.001, 1e-6), over);
                let turned = [[-625, -1250, z], [-625, 1250, z], [625, -1250, z], [625, 1250, z]];
                assert_eq!(corners(&found[2], -0.001, 1e-6), turned);
            }
        }
    }
}

/// A capsule that lies on a face has its two ends there; a cylinder that stands has four points of its rim.
#[test]
fn long_and_round_shapes_rest_on_more_than_a_point() {
    let block = Shape::Hull(cuboid(DVec3::new(0.5, 0.25, 0.125)));
    let lying = DQuat::from_rotation_y(std::f64::consts::FRAC_PI_2);
    let run = |shape: Shape, height: f64, q| {
        let meeting = Meeting::new(shape, block.clone());
        let poses = [[(DVec3::new(0.1, 0.0, -height), q), (DVec3::ZERO, DQuat::IDENTITY)]];
        let found = meeting.run::<f32>(&poses, 0.01)[0];
        found.into_iter().filter(|c| c.distance < 0.01).collect::<Vec<_>>()
    };
    let capsule = run(Shape::Capsule(0.05, 0.1), 0.174, lying);
    assert_eq!(corners(&capsule, -0.001, 1e-6), [[0, 0, -1245], [2000, 0, -1245]]);
    let standing = run(Shape::Cylinder(0.1, 0.15), 0.274, DQuat::IDENTITY);
    let (low, high) = (1000 - 707, 1000 + 707);
    let rim = [[low, -707, -1245], [low, 707, -1245], [high, -707, -1245], [high, 707, -1245]];
    assert_eq!(corners(&standing, -0.001, 1e-6), rim);
    let rolling = run(Shape::Cylinder(0.1, 0.15), 0.224, lying);
    assert_eq!(corners(&rolling, -0.001, 2e-6), [[-500, 0, -1245], [2500, 0, -1245]]);
}

/// The deepest vertex of a hull over a tilted plane is found, each contact is a vertex at its height, and a cube that
/// lies flat has its four corners.
#[test]
fn a_hull_touches_a_plane_at_its_vertices() {
    let mut draw = Draw(3);
    let Shape::Hull(vertices) = draw.hull(40, DVec3::new(0.1, 0.16, 0.12)) else { unreachable!() };
    let meeting = Meeting::new(Shape::Plane, Shape::Hull(vertices.clone()));
    let poses: Vec<[Pose; 2]> = (0..100)
        .map(|_| {
            let tilt = draw.rotation();
            [(DVec3::new(0.3, -0.2, 0.1), tilt), (draw.direction() * 0.3, draw.rotation())]
        })
        .collect();
    for (both, found) in poses.iter().zip(meeting.run::<f32>(&poses, 0.01)) {
        let [(origin, tilt), (position, rotation)] = both;
        let up = *tilt * DVec3::Z;
        let height = |v: &DVec3| (*position + *rotation * *v - *origin).dot(up);
        let lowest = vertices.iter().map(height).fold(f64::INFINITY, f64::min);
        // Within the share of the shape's size that counts as level.
        assert!((0.0..1.5e-3 * 0.3).contains(&(least(&found) - lowest + 1e-6)), "{found:?} {lowest}");
        for contact in found.iter().filter(|c| c.distance < 1.0) {
            let at = contact.position + up * (contact.distance * 0.5);
            let vertex = vertices.iter().map(|v| (*position + *rotation * *v - at).length());
            assert!(vertex.fold(f64::INFINITY, f64::min) < 1e-6, "{contact:?}");
            assert!((contact.normal - up).length() < 1e-6, "{contact:?}");
            assert!(contact.distance < 0.01 || contact == &found[0], "{contact:?}");
        }
    }
    let cube = Meeting::new(Shape::Plane, Shape::Hull(cuboid(DVec3::splat(0.125))));
    for turn in [0.0, 0.3, 0.785, 1.2] {
        let rotation = DQuat::from_rotation_z(turn);
        let found =
            cube.run::<f32>(&[[(DVec3::ZERO, DQuat::IDENTITY), (DVec3::Z * 0.124, rotation)]], 0.0)[0];
        let expected: Vec<Met> = cuboid(DVec3::new(0.125, 0.125, 0.0))[..4]
            .iter()
            .map(|c| Met { distance: -0.001, position: rotation * *c - DVec3::Z * 5e-4, normal: DVec3::Z })
            .collect();
        assert_eq!(corners(&found, -0.001, 1e-6), corners(&expected, -0.001, 1e-6));
    }
}
