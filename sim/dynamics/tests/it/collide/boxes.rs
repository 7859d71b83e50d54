//! Two boxes against slow definitions: separation over all axes, the patch by clipping polygons.

use keiko_dynamics::collide::{self, Contact, Placed};
use keiko_dynamics::space::V3;

use super::{Kind, Random, Shape, add, apart, array, deepest, dot, scale};

const IDENTITY: [f64; 4] = [0.0, 0.0, 0.0, 1.0];

/// A corner 1e-5 of a half size outside a face counts as inside, which moves the patch's corners by this \[m\].
const SLACK: f64 = 3e-5;

fn cube(size: [f64; 3], position: [f64; 3], quaternion: [f64; 4]) -> Shape {
    Shape { kind: Kind::Box, size, position, quaternion }
}

/// A turn about z \[rad\].
fn yaw(angle: f64) -> [f64; 4] {
    [0.0, 0.0, (0.5 * angle).sin(), (0.5 * angle).cos()]
}

fn axes(shape: &Shape) -> [[f64; 3]; 3] {
    let placed: Placed<f64> = shape.placed();
    [0, 1, 2].map(|k| array(placed.rotation.column(k)))
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn corners(shape: &Shape) -> Vec<[f64; 3]> {
    let axes = axes(shape);
    let sign = |i: usize, k: usize| if i >> k & 1 == 1 { 1.0 } else { -1.0 };
    let corner = |i| (0..3).fold(shape.position, |p, k| add(p, scale(axes[k], sign(i, k) * shape.size[k])));
    (0..8).map(corner).collect()
}

/// How far b is from a along the unit vector n from a to b.
fn separation(a: &Shape, b: &Shape, n: [f64; 3]) -> f64 {
    let least = corners(b).iter().map(|p| dot(*p, n)).fold(f64::MAX, f64::min);
    let most = corners(a).iter().map(|p| dot(*p, n)).fold(f64::MIN, f64::max);
    least - most
}

/// The best of the fifteen axes, both ways.
fn best_separation(a: &Shape, b: &Shape) -> f64 {
    let (of_a, of_b) = (axes(a), axes(b));
    let edges = of_a.iter().flat_map(|x| of_b.iter().map(move |y| cross(*x, *y)));
    let all = of_a.into_iter().chain(of_b).chain(edges);
    all.filter(|n| dot(*n, *n) > 1e-6)
        .map(|n| scale(n, 1.0 / dot(n, n).sqrt()))
        .map(|n| separation(a, b, n).max(separation(a, b, scale(n, -1.0))))
        .fold(f64::MIN, f64::max)
}

/// Signed distance of a point from a box.
fn depth(point: [f64; 3], shape: &Shape) -> f64 {
    let d = add(point, scale(shape.position, -1.0));
    let over = [0, 1, 2].map(|k| dot(d, axes(shape)[k]).abs() - shape.size[k]);
    over.into_iter().fold(f64::MIN, f64::max)
}

/// The corners of the patch where the face of `above` that looks against `n` lies over the face of `below` that looks
/// along n; both as (x, y, z above the lower face) in axes (u, v, n).
fn patch(below: &Shape, above: &Shape, k: usize, n: [f64; 3]) -> Vec<[f64; 3]> {
    let (u, v) = (axes(below)[(k + 1) % 3], axes(below)[(k + 2) % 3]);
    let (a, b) = (below.size[(k + 1) % 3], below.size[(k + 2) % 3]);
    let face = (0..3).max_by(|&i, &j| dot(axes(above)[i], n).abs().total_cmp(&dot(axes(above)[j], n).abs()));
    let j = face.expect("three axes");
    let out = scale(axes(above)[j], -dot(axes(above)[j], n).signum() * above.size[j]);
    let (g, h) = (
        scale(axes(above)[(j + 1) % 3], above.size[(j + 1) % 3]),
        scale(axes(above)[(j + 2) % 3], above.size[(j + 2) % 3]),
    );
    let mut polygon: Vec<[f64; 3]> = [(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)]
        .into_iter()
        .map(|(s, t)| {
            let p = add(
                add(add(above.position, out), add(scale(g, s), scale(h, t))),
                scale(below.position, -1.0),
            );
            [dot(p, u), dot(p, v), dot(p, n) - below.size[k]]
        })
        .collect();
    for (axis, limit) in [(0, a), (1, b)] {
        for side in [1.0, -1.0] {
            let inside = |p: &[f64; 3]| limit - side * p[axis];
            let mut clipped = Vec::new();
            for (i, p) in polygon.iter().enumerate() {
                let q = &polygon[(i + 1) % polygon.len()];
                let (x, y) = (inside(p), inside(q));
                if x >= 0.0 {
                    clipped.push(*p);
                }
                if (x < 0.0) != (y < 0.0) {
                    clipped.push(add(*p, scale(add(*q, scale(*p, -1.0)), x / (x - y))));
                }
            }
            polygon = clipped;
        }
    }
    polygon
}

/// Area of the convex hull of points in the plane, by their order around the middle.
fn area(points: &[[f64; 3]]) -> f64 {
    let count = points.len() as f64;
    let middle = scale(points.iter().copied().fold([0.0; 3], add), 1.0 / count);
    let mut around: Vec<[f64; 3]> = points.iter().map(|p| add(*p, scale(middle, -1.0))).collect();
    around.sort_by(|p, q| p[1].atan2(p[0]).total_cmp(&q[1].atan2(q[0])));
    let next = around.iter().cycle().skip(1);
    around.iter().zip(next).map(|(p, q)| 0.5 * (p[0] * q[1] - p[1] * q[0])).sum()
}

#[test]
fn contacts_are_corners_of_the_patch_on_the_best_axis() {
    let mut random = Random(31);
    let (mut faces, mut edges, mut sharp, mut shares) = (0, 0, 0, Vec::new());
    for _ in 0..5000 {
        let (a, b) = random.pair(Kind::Box, Kind::Box);
        let best = best_separation(&a, &b);
        let smallest = a.size.iter().chain(&b.size).copied().fold(f64::MAX, f64::min);
        // A face is kept where another axis separates by a little more.
        let allowed = 2.1 * (1e-4 * smallest + 1e-2 * best.abs());
        let found = collide::box_box::<f64>(&a.placed(), &b.placed());
        let there: Vec<Contact<f64>> = found.into_iter().filter(|c| c.distance < 1.0).collect();
        if there.is_empty() {
            // Only boxes that do not overlap, or hardly, are without contacts.
            assert!(best > -allowed, "{a:?} {b:?}: {best}");
            continue;
        }
        let n = array(there[0].normal);
        let gap = separation(&a, &b, n);
        if best < 0.0 {
            assert!(gap <= best + 1e-9 && gap > best - allowed, "{a:?} {b:?}: {gap} {best}");
        }
        let on_axis = |shape: &Shape| (0..3).find(|&k| dot(axes(shape)[k], n).abs() > 1.0 - 1e-12);
        let (below, above, k, up) = match (on_axis(&a), on_axis(&b)) {
            (Some(k), _) => (&a, &b, k, n),
            (None, Some(k)) => (&b, &a, k, scale(n, -1.0)),
            (None, None) => {
                edges += 1;
                assert_eq!(there.len(), 1);
                assert!((there[0].distance - gap).abs() < 1e-9, "{a:?} {b:?}: {there:?} {gap}");
                let half = scale(n, 0.5 * gap);
                let on_a = add(array(there[0].position), scale(half, -1.0));
                let on_b = add(array(there[0].position), half);
                assert!(depth(on_a, &a).abs() < 1e-9 && depth(on_b, &b).abs() < 1e-9, "{a:?} {b:?}");
                continue;
            }
        };
        faces += 1;
        let polygon = patch(below, above, k, up);
        let (u, v) = (axes(below)[(k + 1) % 3], axes(below)[(k + 2) % 3]);
        let flat = |c: &Contact<f64>| {
            let p = add(array(c.position), scale(below.position, -1.0));
            assert!((dot(p, up) - below.size[k] - 0.5 * c.distance).abs() < 1e-9, "midway: {a:?} {b:?}");
            [dot(p, u), dot(p, v), c.distance]
        };
        let points: Vec<[f64; 3]> = there.iter().map(flat).collect();
        for point in &points {
            let nearest = polygon.iter().map(|q| apart(*point, *q)).fold(f64::MAX, f64::min);
            // Where borders cross at a sharp angle the slack moves their crossing farther.
            sharp += usize::from(nearest > SLACK);
            assert!(nearest < 30.0 * SLACK, "{a:?} {b:?}: {point:?} {polygon:?}");
        }
        let lowest = polygon.iter().map(|p| p[2]).fold(f64::MAX, f64::min);
        let error = deepest(&there).distance - lowest;
        assert!(error > -30.0 * SLACK && error < 1.1e-4 * smallest, "{a:?} {b:?}: {error}");
        if area(&polygon) > 1e-4 {
            shares.push(area(&points) / area(&polygon));
        }
    }
    assert!(sharp * 100 < faces, "{sharp} of {faces}");
    shares.sort_by(f64::total_cmp);
    let median = shares[shares.len() / 2];
    println!(
        "{faces} faces, {edges} edges; four corners span {:.2} to 1 of a patch, {median:.2} in the median",
        shares[0]
    );
    assert!(faces > 1000 && edges > 100 && shares[0] > 0.49 && median > 0.9);
}

/// Where the four contacts of boxes that lie on each other must be, x and y.
fn assert_corners(a: &Shape, b: &Shape, expected: &[[f64; 2]], gap: f64) {
    let found = collide::box_box::<f64>(&a.placed(), &b.placed());
    assert_eq!(found.iter().filter(|c| c.distance < 1.0).count(), expected.len(), "{found:?}");
    for [x, y] in expected {
        let at = |c: &&Contact<f64>| (c.position.x - x).hypot(c.position.y - y) < 1e-6;
        let contact = found.iter().find(at).unwrap_or_else(|| panic!("none at {x} {y}: {found:?}"));
        assert!((contact.distance - gap).abs() < 1e-9, "{contact:?}");
        assert!(apart(array(contact.normal), [0.0, 0.0, 1.0]) < 1e-9);
    }
}

#[test]
fn stacked_boxes_touch_at_the_corners_of_the_common_patch() {
    let h = 0.05;
    let low = cube([h; 3], [0.0; 3], IDENTITY);
    for gap in [-1e-3, 0.0, 1e-2] {
        let above = |size: [f64; 3], x: f64, y: f64, turn| cube(size, [x, y, h + size[2] + gap], turn);
        let rectangle = |x0: f64, x1: f64, y0: f64, y1: f64| [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
        for turn in [IDENTITY, yaw(std::f64::consts::FRAC_PI_2), [1.0, 0.0, 0.0, 0.0]] {
            assert_corners(&low, &above([h; 3], 0.0, 0.0, turn), &rectangle(-h, h, -h, h), gap);
            assert_corners(&low, &above([h; 3], 0.03, -0.01, turn), &rectangle(-0.02, h, -h, 0.04), gap);
            assert_corners(
                &low,
                &above([0.02; 3], 0.0, 0.01, turn),
                &rectangle(-0.02, 0.02, -0.01, 0.03),
                gap,
            );
            assert_corners(&low, &above([0.3; 3], 0.0, 0.1, turn), &rectangle(-h, h, -h, h), gap);
        }
        // A small cube turned by 45° stands on its own corners, an equal one on four of the octagon's.
        let reach = 0.02 * std::f64::consts::SQRT_2;
        let diamond = [[reach, 0.0], [0.0, reach], [-reach, 0.0], [0.0, -reach]];
        assert_corners(&low, &above([0.02; 3], 0.0, 0.0, yaw(std::f64::consts::FRAC_PI_4)), &diamond, gap);
        let corner = h * (std::f64::consts::SQRT_2 - 1.0);
        let octagon = [[h, corner], [-corner, h], [-h, -corner], [corner, -h]];
        assert_corners(&low, &above([h; 3], 0.0, 0.0, yaw(std::f64::consts::FRAC_PI_4)), &octagon, gap);
    }
}

/// Edges that cross touch in one point between them.
#[test]
fn crossed_edges_touch_once() {
    let (c, s) = ((std::f64::consts::PI / 8.0).cos(), (std::f64::consts::PI / 8.0).sin());
    let reach = 0.1 * std::f64::consts::SQRT_2;
    for gap in [-2e-3, 5e-3] {
        let low = cube([0.3, 0.1, 0.1], [0.0; 3], [s, 0.0, 0.0, c]);
        let high = cube([0.1, 0.3, 0.1], [0.02, 0.01, 2.0 * reach + gap], [0.0, s, 0.0, c]);
        let found = collide::box_box::<f64>(&low.placed(), &high.placed());
        assert!((found[0].distance - gap).abs() < 1e-9, "{found:?}");
        assert!(apart(array(found[0].position), [0.02, 0.0, reach + 0.5 * gap]) < 1e-9, "{found:?}");
        assert!(apart(array(found[0].normal), [0.0, 0.0, 1.0]) < 1e-9);
        assert!(found[1..].iter().all(|c| c.distance > 1.0));
    }
}

/// The noise of single precision moves no contact to another slot, whatever the yaw, and takes none away.
#[test]
fn slots_keep_their_corners_under_noise() {
    let mut random = Random(33);
    for turn in [0.0, 0.3, std::f64::consts::FRAC_PI_4, 1.0, std::f64::consts::FRAC_PI_2] {
        for offset in [[0.0, 0.0], [0.02, -0.01]] {
            let low = cube([0.05; 3], [0.5, -0.4, 0.3], IDENTITY);
            let high = cube([0.05; 3], [0.5 + offset[0], offset[1] - 0.4, 0.4], yaw(turn));
            let at = |shapes: [&Shape; 2]| {
                let [a, b]: [Placed<f32>; 2] = shapes.map(Shape::placed);
                collide::box_box(&a, &b)
                    .map(|c| (c.distance, V3::new(c.position.x, c.position.y, c.position.z)))
            };
            let first = at([&low, &high]);
            for _ in 0..2000 {
                let mut noisy = high;
                noisy.position = noisy.position.map(|x| x + random.uniform(-1e-6, 1e-6));
                noisy.quaternion = noisy.quaternion.map(|x| x + random.uniform(-1e-6, 1e-6));
                for ((gap, p), (other_gap, q)) in first.iter().zip(at([&low, &noisy])) {
                    assert!((gap - other_gap).abs() < 1e-5, "{turn} {offset:?}: {gap} {other_gap}");
                    assert!((*p - q).length() < 1e-4, "{turn} {offset:?}: {p:?} {q:?}");
                }
            }
        }
    }
}

/// A box that tips touches with its lowest edge or corner, whichever slot holds it.
#[test]
fn the_lowest_corner_is_always_there() {
    let mut random = Random(34);
    let low = cube([0.2, 0.2, 0.05], [0.0; 3], IDENTITY);
    for _ in 0..2000 {
        let mut quaternion = yaw(random.uniform(0.0, 6.3));
        quaternion[0] += random.uniform(-0.05, 0.05);
        quaternion[1] += random.uniform(-0.05, 0.05);
        let length = quaternion.iter().map(|x| x * x).sum::<f64>().sqrt();
        let mut high = cube([0.05; 3], [0.01, 0.02, 0.2], quaternion.map(|x| x / length));
        let lowest = corners(&high).into_iter().min_by(|p, q| p[2].total_cmp(&q[2])).expect("eight");
        high.position[2] += 0.05 - lowest[2] - 1e-3;
        let contact = deepest(&collide::box_box::<f64>(&low.placed(), &high.placed()));
        assert!((contact.distance + 1e-3).abs() < 1e-5, "{contact:?}");
        assert!((contact.position.x - lowest[0]).hypot(contact.position.y - lowest[1]) < 6e-3, "{contact:?}");
    }
}
