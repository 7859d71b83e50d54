//! Contacts with height fields.

use glam::{DQuat, DVec3};
use keiko_dynamics::collide::height_field::{
    Field, box_height_field, capsule_height_field, cylinder_height_field, hull_height_field,
    sphere_height_field,
};
use keiko_dynamics::collide::hull::Hull;
use keiko_dynamics::collide::hull_table::{HullTable, MAX_VERTICES};
use keiko_dynamics::collide::{Contact, FAR, Placed};
use keiko_dynamics::lane::{F32x4, Lanes, Phase};
use keiko_dynamics::machine::Machine;
use keiko_dynamics::plan::Plan;
use keiko_model::robot::HeightField;
use keiko_testkit::{ask_python, available};
use serde_json::json;

use super::{GRID, field, hills, plan, pose, run, triangles};
use crate::convex::scene::{Draw, mesh};

/// Where the field's pose, the margin and the answers lie, after pose and size of the shape.
const FIELD: usize = 15;
const MARGIN: usize = 27;
const OUT: usize = 28;

const SPHERE: usize = 0;
const CAPSULE: usize = 1;
const BOX: usize = 2;
const CYLINDER: usize = 3;
const HULL: usize = 4;

struct Touch<const KIND: usize>;

impl<const KIND: usize> Phase for Touch<KIND> {
    #[inline(always)]
    fn run<M: Machine>(_: &Plan, m: &mut M) {
        let a = Placed { position: m.get3(0), rotation: m.get9(3), size: m.get3(12) };
        let ground = Placed { position: m.get3(FIELD), rotation: m.get9(FIELD + 3), size: m.get3(12) };
        let b = Field::new(m, &ground, m.int(0));
        let margin = m.get(MARGIN);
        match KIND {
            SPHERE => keep(m, sphere_height_field(m, &a, &b)),
            CAPSULE => keep(m, capsule_height_field(m, &a, &b)),
            BOX => keep(m, box_height_field(m, &a, &b)),
            CYLINDER => keep(m, cylinder_height_field(m, &a, &b, margin)),
            _ => {
                let hull = Hull::new(m, &a, m.int(1) + HullTable::VERTICES, m.int(2));
                keep(m, hull_height_field(m, &hull, &b, margin));
            }
        }
    }
}

#[inline(always)]
fn keep<M: Machine, const K: usize>(m: &mut M, contacts: [Contact<M::Num>; K]) {
    for (k, contact) in contacts.into_iter().enumerate() {
        m.set(OUT + 7 * k, contact.distance);
        m.set3(OUT + 7 * k + 1, contact.position);
        m.set3(OUT + 7 * k + 4, contact.normal);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Met {
    distance: f64,
    position: DVec3,
    normal: DVec3,
}

/// A shape of sizes `size` over a field.
struct Case {
    position: DVec3,
    rotation: DQuat,
    size: DVec3,
    ground: (DVec3, DQuat),
}

fn touch<L: Lanes, const KIND: usize>(plan: &Plan, cases: &[Case], count: usize) -> Vec<Vec<Met>> {
    let columns: Vec<Vec<f64>> = cases
        .iter()
        .map(|case| {
            let mut out = pose(case.position, case.rotation);
            out.extend(case.size.to_array());
            out.extend(pose(case.ground.0, case.ground.1));
            out.push(0.01);
            out
        })
        .collect();
    let met = |row: &[f64]| Met {
        distance: row[0],
        position: DVec3::from_slice(&row[1..]),
        normal: DVec3::from_slice(&row[4..]),
    };
    let answers = run::<L, Touch<KIND>>(plan, &columns, OUT, 7 * count);
    answers.iter().map(|row| row.chunks(7).map(met).collect()).collect()
}

/// The nearest point of a triangle, by looking at its face, its edges and its corners.
fn nearest(p: DVec3, [a, b, c]: [DVec3; 3]) -> DVec3 {
    let normal = (b - a).cross(c - a).normalize();
    let foot = p - normal * normal.dot(p - a);
    let inner = |from: DVec3, to: DVec3| (to - from).cross(foot - from).dot(normal) >= 0.0;
    if inner(a, b) && inner(b, c) && inner(c, a) {
        return foot;
    }
    let on_edge = |from: DVec3, to: DVec3| {
        let edge = to - from;
        from + edge * ((p - from).dot(edge) / edge.length_squared()).clamp(0.0, 1.0)
    };
    let edges = [on_edge(a, b), on_edge(b, c), on_edge(c, a)];
    edges.into_iter().min_by(|x, y| x.distance(p).total_cmp(&y.distance(p))).unwrap()
}

/// Spheres about the surface of hills, in the frame of the field, and the nearest point of all triangles to each.
fn spheres(ground: &HeightField, radius: f64, count: usize) -> Vec<(DVec3, DVec3)> {
    let mut draw = Draw(5);
    let all = triangles(ground);
    let mut out = Vec::new();
    while out.len() < count {
        let p = DVec3::new(draw.between(-0.4, 0.4), draw.between(-0.25, 0.25), draw.between(0.0, 0.3));
        let closest =
            all.iter().map(|t| nearest(p, *t)).min_by(|x, y| x.distance(p).total_cmp(&y.distance(p)));
        let foot = closest.unwrap();
        if foot.distance(p) < 1.2 * radius && p.z > foot.z {
            out.push((p, foot));
        }
    }
    out
}

/// The nearest point to a sphere is that of all triangles of the field, however it is turned; f64 and f32.
#[test]
fn a_sphere_is_nearest_to_the_right_triangle() {
    let ground = hills(1);
    let radius = 0.04;
    let mut draw = Draw(11);
    let placed = (DVec3::new(0.4, -0.1, 0.2), draw.rotation());
    let spheres = spheres(&ground, radius, 400);
    let cases: Vec<Case> = spheres
        .iter()
        .map(|(p, _)| Case {
            position: placed.0 + placed.1 * *p,
            rotation: draw.rotation(),
            size: DVec3::new(radius, 0.0, 0.0),
            ground: placed,
        })
        .collect();
    let plan = plan(&ground, &[]);
    let exact = touch::<f64, SPHERE>(&plan, &cases, 2);
    let single = touch::<f32, SPHERE>(&plan, &cases, 2);
    assert_eq!(single, touch::<F32x4, SPHERE>(&plan, &cases, 2));
    for (found, tolerance) in [(exact, 1e-9), (single, 2e-6)] {
        for ((p, foot), found) in spheres.iter().zip(found) {
            let gap = foot.distance(*p);
            assert!((found[0].distance - (gap - radius)).abs() < tolerance, "{p} {foot} {found:?}");
            let normal = placed.1 * ((foot - p) / gap);
            assert!((found[0].normal - normal).length() < tolerance / gap * 10.0, "{p} {foot} {found:?}");
            let middle = placed.0 + placed.1 * (foot - (foot - p) / gap * ((gap - radius) * 0.5));
            assert!((found[0].position - middle).length() < tolerance * 10.0, "{found:?} {middle}");
        }
    }
}

const CONTACTS: &str = r#"
import json, sys
import mujoco, numpy as np
question = json.load(sys.stdin)
rows, columns = question["grid"]
model = mujoco.MjModel.from_xml_string(f'''<mujoco><option ccd_tolerance="1e-9" ccd_iterations="200"/>
  <asset><hfield name="h" nrow="{rows}" ncol="{columns}" size="0.45 0.3 1 0.1"/></asset><worldbody>
  <geom type="hfield" hfield="h"/><body><freejoint/><geom type="sphere" size="0.04"/></body></worldbody></mujoco>''')
model.hfield_data[:] = question["heights"]
data = mujoco.MjData(model)
answers = []
for p in question["positions"]:
    data.qpos[:3] = p
    mujoco.mj_forward(model, data)
    contacts = [[c.dist, *c.frame[:3]] for c in data.contact[:data.ncon]]
    answers.append(min(contacts) if contacts else [1, 0, 0, 0])
print(json.dumps(answers))
"#;

/// MuJoCo collides with a prism under each triangle, so where a sphere is pressed into a ridge from its steep side it
/// may find another way out; elsewhere the deepest contacts agree.
#[test]
fn spheres_touch_hills_as_in_mujoco() {
    let ground = hills(1);
    let spheres = spheres(&ground, 0.04, 300);
    let question = json!({
        "grid": GRID, "heights": ground.heights,
        "positions": spheres.iter().map(|(p, _)| p.to_array()).collect::<Vec<_>>(),
    });
    let Some(answer) = available(ask_python(CONTACTS, &question)) else { return };
    let theirs: Vec<[f64; 4]> = serde_json::from_value(answer).unwrap();
    let cases: Vec<Case> = spheres
        .iter()
        .map(|(p, _)| Case {
            position: *p,
            rotation: DQuat::IDENTITY,
            size: DVec3::new(0.04, 0.0, 0.0),
            ground: (DVec3::ZERO, DQuat::IDENTITY),
        })
        .collect();
    let (mut agree, mut touching) = (0, 0);
    for (ours, theirs) in touch::<f32, SPHERE>(&plan(&ground, &[]), &cases, 2).iter().zip(&theirs) {
        let [distance, x, y, z] = *theirs;
        // Their normal points from the field to the sphere.
        let normal = -DVec3::new(x, y, z);
        if distance < 0.0 || ours[0].distance < -1e-5 {
            touching += 1;
            let same =
                (ours[0].distance - distance).abs() < 1e-4 && (ours[0].normal - normal).length() < 0.02;
            agree += usize::from(same);
        }
    }
    assert!(touching > 100 && agree * 20 > touching * 19, "{agree} of {touching} agree");
}

/// A ball in a groove leans on both of its sides; one on a flat touches once.
#[test]
fn a_ball_in_a_groove_has_two_contacts() {
    let [rows, columns] = GRID;
    let cell = 0.9 / (columns - 1) as f64;
    let groove = |c: usize| (c as f64 - 4.0).abs() * cell;
    let heights = (0..rows * columns).map(|k| groove(k % columns) as f32).collect();
    let size = DVec3::new(0.03, 0.0, 0.0);
    let ground = (DVec3::ZERO, DQuat::IDENTITY);
    let at =
        |x: f64, z: f64| Case { position: DVec3::new(x, 0.02, z), rotation: DQuat::IDENTITY, size, ground };
    // Both sides slope at 45 degrees; a ball of radius r at height r √2 touches both.
    let height = 0.03 * 2.0_f64.sqrt() - 0.001;
    let found = touch::<f32, SPHERE>(&plan(&field(heights), &[]), &[at(0.0, height)], 2);
    let mut sideways: Vec<f64> = found[0].iter().map(|c| c.normal.x).collect();
    sideways.sort_by(f64::total_cmp);
    let slope = std::f64::consts::FRAC_1_SQRT_2;
    assert!((sideways[0] + slope).abs() < 1e-5 && (sideways[1] - slope).abs() < 1e-5, "{found:?}");
    assert!(found[0].iter().all(|c| (c.distance + 0.001 * slope).abs() < 1e-6), "{found:?}");
    let flat = plan(&field(vec![0.0; rows * columns]), &[]);
    for x in [0.0, 0.01, 0.1, 0.149] {
        let found = touch::<f32, SPHERE>(&flat, &[at(x, 0.029)], 2);
        assert!((found[0][0].distance + 0.001).abs() < 1e-6 && found[0][1].distance > 1.0, "{found:?}");
        assert!((found[0][0].normal + DVec3::Z).length() < 1e-6, "{found:?}");
    }
    assert!(
        touch::<f32, SPHERE>(&flat, &[at(0.47, 0.029)], 2)[0][0].distance > 1.0,
        "no ground beside the field"
    );
}

/// On a slope that lies across all cells the contacts are those of a plane.
#[test]
fn shapes_rest_on_a_slope_as_on_a_plane() {
    let [rows, columns] = GRID;
    let (rise_x, rise_y) = (0.25, -0.125);
    let height = |x: f64, y: f64| 0.1 + rise_x * x + rise_y * y;
    let ground = field(vec![0.0; rows * columns]);
    let heights = (0..rows * columns)
        .map(|k| {
            let p = super::corner(&ground, k % columns, k / columns);
            height(p.x, p.y) as f32
        })
        .collect();
    let ground = field(heights);
    let up = DVec3::new(-rise_x, -rise_y, 1.0).normalize();
    let gap = |p: DVec3| (p.z - height(p.x, p.y)) * up.z;
    // Shapes whose z is the normal of the slope, half a millimetre deep.
    let upright = DQuat::from_rotation_arc(DVec3::Z, up) * DQuat::from_rotation_z(0.4);
    let half = DVec3::new(0.08, 0.05, 0.0625);
    let case = |size: DVec3, reach: f64, rotation: DQuat| Case {
        position: DVec3::new(0.03, -0.02, height(0.03, -0.02)) + up * (reach - 0.0005),
        rotation,
        size,
        ground: (DVec3::ZERO, DQuat::IDENTITY),
    };
    let corners: Vec<DVec3> = (0..8)
        .map(|k| DVec3::from_array([0, 1, 2].map(|i| if k >> i & 1 == 0 { half[i] } else { -half[i] })))
        .collect();
    let hull = HullTable::new(&mesh(&corners), MAX_VERTICES).unwrap();
    let mut tables = plan(&ground, &hull.reals);
    tables.ints.push(hull.num_vertices as u32);
    let lying = upright * DQuat::from_rotation_y(std::f64::consts::FRAC_PI_2);
    let rod = DVec3::new(0.05, 0.1, 0.0);
    let found = [
        (4, touch::<f32, BOX>(&tables, &[case(half, half.z, upright)], 4)),
        (4, touch::<f32, HULL>(&tables, &[case(half, half.z, upright)], 4)),
        (4, touch::<f32, CYLINDER>(&tables, &[case(rod, rod.y, upright)], 4)),
        (2, touch::<f32, CYLINDER>(&tables, &[case(rod, rod.x, lying)], 4)),
        (3, touch::<f32, CAPSULE>(&tables, &[case(rod, rod.x, lying)], 3)),
    ];
    for (count, found) in &found {
        let there: Vec<&Met> = found[0].iter().filter(|c| c.distance < FAR * 0.5).collect();
        assert_eq!(there.len(), *count, "{found:?}");
        for (k, contact) in there.iter().enumerate() {
            assert!((contact.distance + 0.0005).abs() < 2e-6, "{found:?}");
            assert!((contact.normal + up).length() < 1e-5, "{found:?}");
            assert!((gap(contact.position) + 0.00025).abs() < 2e-6, "{found:?}");
            assert!(there[..k].iter().all(|c| c.position.distance(contact.position) > 0.05), "{found:?}");
        }
    }
    // Tilted, the lowest corner is found.
    let mut draw = Draw(2);
    let cases: Vec<Case> = (0..100).map(|_| case(half, 0.07, draw.rotation())).collect();
    for (case, found) in cases.iter().zip(touch::<f32, BOX>(&tables, &cases, 4)) {
        let lowest = corners.iter().map(|c| gap(case.position + case.rotation * *c)).fold(FAR, f64::min);
        let deepest = found.iter().map(|c| c.distance).fold(FAR, f64::min);
        assert!((deepest - lowest).abs() < 2e-6, "{lowest} {found:?}");
    }
}

#[test]
fn a_field_that_is_no_grid_is_refused() {
    let mut broken = hills(1);
    broken.heights.pop();
    let message = keiko_dynamics::collide::height_field::table(&broken).unwrap_err();
    assert!(message.contains("7 rows, 9 columns and 62 heights"), "{message}");
    let mut broken = hills(1);
    broken.heights[3] = f32::NAN;
    assert!(keiko_dynamics::collide::height_field::table(&broken).unwrap_err().contains("NaN"));
}
