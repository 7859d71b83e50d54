//! Every lane of every width gives the bits of scalar `f32`; degenerate poses give numbers.

use keiko_dynamics::collide::{Contact, Placed};
use keiko_dynamics::lane::{F32x4, Isa, Lanes};
#[cfg(target_arch = "x86_64")]
use keiko_dynamics::lane::{F32x8, F32x16};
use keiko_dynamics::space::{Mat3, V3};

use super::{Kind, Random, Shape, routine, routines};

const IDENTITY: [f64; 4] = [0.0, 0.0, 0.0, 1.0];

fn components<L: Lanes<Scalar = f32>>(contact: &Contact<L>, lane: usize) -> [f32; 7] {
    let (p, n) = (contact.position, contact.normal);
    [contact.distance, p.x, p.y, p.z, n.x, n.y, n.z].map(|number| {
        let mut out = vec![0.0; L::WIDTH];
        number.write(&mut out);
        out[lane]
    })
}

fn gather<L: Lanes<Scalar = f32>>(placed: &[Placed<f32>]) -> Placed<L> {
    let pick = |f: &dyn Fn(&Placed<f32>) -> f32| L::read(&placed.iter().map(f).collect::<Vec<_>>());
    let vector = |f: &dyn Fn(&Placed<f32>) -> V3<f32>| {
        V3::new(pick(&|p| f(p).x), pick(&|p| f(p).y), pick(&|p| f(p).z))
    };
    Placed {
        position: vector(&|p| p.position),
        rotation: Mat3 { rows: [0, 1, 2].map(|k| vector(&|p| p.rotation.rows[k])) },
        size: vector(&|p| p.size),
    }
}

fn check<L: Lanes<Scalar = f32>>() {
    let mut random = Random(3);
    for ((a, b, one), (_, _, many)) in routines::<f32>().into_iter().zip(routines::<L>()) {
        for _ in 0..50 {
            let (left, right): (Vec<Placed<f32>>, Vec<Placed<f32>>) = (0..L::WIDTH)
                .map(|_| random.pair(a, b))
                .map(|(a, b)| (a.placed::<f32>(), b.placed::<f32>()))
                .unzip();
            let together = many(&gather::<L>(&left), &gather::<L>(&right));
            for lane in 0..L::WIDTH {
                let alone = one(&left[lane], &right[lane]);
                assert_eq!(alone.len(), together.len());
                for (x, y) in alone.iter().zip(&together) {
                    let (x, y) = (components(x, 0), components(y, lane));
                    assert_eq!(x.map(f32::to_bits), y.map(f32::to_bits), "{a:?} {b:?}: {x:?} {y:?}");
                }
            }
        }
    }
}

#[test]
fn lanes_give_the_bits_of_scalars() {
    check::<F32x4>();
    #[cfg(target_arch = "x86_64")]
    {
        if Isa::detect().width() >= 8 {
            check::<F32x8>();
        }
        if Isa::detect().width() >= 16 {
            check::<F32x16>();
        }
    }
}

/// Sizes, positions and turns that make axes parallel, centres coincide and faces meet exactly.
#[test]
fn degenerate_poses_give_numbers() {
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let turns = [
        IDENTITY,
        [half, 0.0, 0.0, half],
        [0.0, half, 0.0, half],
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 1e-8, 1.0],
        [0.0, 3e-4, 0.0, 1.0],
        [0.0, (std::f64::consts::PI / 8.0).sin(), 0.0, (std::f64::consts::PI / 8.0).cos()],
    ];
    let positions = [0.0, 1e-30, 1e-7, 0.05, 0.1, 0.2];
    let sizes = [[0.1, 0.1, 0.1], [0.1, 0.0, 0.2], [0.05, 0.1, 0.0], [1e-6, 0.5, 1e-6]];
    for ((a, b, f), (_, _, g)) in routines::<f32>().into_iter().zip(routines::<f64>()) {
        for (size_a, size_b) in sizes.iter().flat_map(|x| sizes.iter().map(move |y| (*x, *y))) {
            for (turn_a, turn_b) in turns.iter().flat_map(|x| turns.iter().map(move |y| (*x, *y))) {
                for position in positions.iter().flat_map(|&p| [[p, 0.0, 0.0], [0.0, p, p], [0.0, 0.0, -p]]) {
                    let a = Shape { kind: a, size: size_a, position: [0.0; 3], quaternion: turn_a };
                    let b = Shape { kind: b, size: size_b, position, quaternion: turn_b };
                    for contact in f(&a.placed(), &b.placed()) {
                        let numbers = components(&contact, 0);
                        let unit = contact.normal.length();
                        assert!(
                            numbers.iter().all(|x| x.is_finite()) && (unit - 1.0).abs() < 1e-5,
                            "f32: {a:?} {b:?}: {contact:?}"
                        );
                    }
                    for contact in g(&a.placed(), &b.placed()) {
                        let unit = contact.normal.length();
                        assert!(
                            contact.distance.is_finite() && (unit - 1.0).abs() < 1e-5,
                            "f64: {a:?} {b:?}: {contact:?}"
                        );
                    }
                }
            }
        }
    }
}

/// `f32` is within its rounding of `f64` at a distance from the origin that a walking robot reaches.
#[test]
fn single_precision_is_near_double() {
    let mut random = Random(9);
    for (a, b, single) in routines::<f32>() {
        let double = routine::<f64>(a, b);
        let mut worst = 0.0f64;
        for _ in 0..2000 {
            let (a, b) = random.pair(a, b);
            let least = |distances: Vec<f64>| distances.into_iter().fold(f64::MAX, f64::min);
            let x = least(single(&a.placed(), &b.placed()).iter().map(|c| f64::from(c.distance)).collect());
            let y = least(double(&a.placed(), &b.placed()).iter().map(|c| c.distance).collect());
            // Deeper than the thinnest radius the normal may leap, and the depth with it.
            if (-0.045..0.02).contains(&y) {
                worst = worst.max((x - y).abs());
            }
        }
        println!("{a:?} {b:?}: f32 differs by {worst:.1e} m");
        assert!(worst < SINGLE, "{a:?} {b:?}: {worst}");
    }
}

/// A few roundings of numbers near 1 \[m\], and 1e-4 of a radius where a nearest point gives way to an end.
const SINGLE: f64 = 5e-6;

#[test]
fn every_pair_has_one_routine() {
    let pairs: Vec<(Kind, Kind)> = routines::<f64>().into_iter().map(|r| (r.0, r.1)).collect();
    for (i, pair) in pairs.iter().enumerate() {
        assert!((pair.0 as usize) <= (pair.1 as usize) && !pairs[..i].contains(pair));
    }
}
