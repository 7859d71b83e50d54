//! Rays against MuJoCo's.

use glam::{DQuat, DVec3};
use keiko_dynamics::collide::height_field::Field;
use keiko_dynamics::collide::hull_table::{HullTable, MAX_VERTICES};
use keiko_dynamics::collide::ray::{
    Ray, ray_box, ray_capsule, ray_cylinder, ray_ellipsoid, ray_height_field, ray_hull, ray_plane, ray_sphere,
};
use keiko_dynamics::collide::{FAR, Placed};
use keiko_dynamics::lane::{F32x4, Lanes, Phase};
use keiko_dynamics::machine::Machine;
use keiko_dynamics::plan::Plan;
use keiko_testkit::{ask_python, available};
use serde_json::{Value, json};

use super::{GRID, hills, plan, pose, run};
use crate::convex::scene::{Draw, Shape, mesh};

const OUT: usize = 21;

const PLANE: usize = 0;
const SPHERE: usize = 1;
const CAPSULE: usize = 2;
const CYLINDER: usize = 3;
const ELLIPSOID: usize = 4;
const BOX: usize = 5;
const HULL: usize = 6;
const FIELD: usize = 7;

struct Cast<const KIND: usize>;

impl<const KIND: usize> Phase for Cast<KIND> {
    #[inline(always)]
    fn run<M: Machine>(_: &Plan, m: &mut M) {
        let shape = Placed { position: m.get3(0), rotation: m.get9(3), size: m.get3(12) };
        let ray = Ray { origin: m.get3(15), direction: m.get3(18) };
        let distance = match KIND {
            PLANE => ray_plane(&ray, &shape),
            SPHERE => ray_sphere(&ray, &shape),
            CAPSULE => ray_capsule(&ray, &shape),
            CYLINDER => ray_cylinder(&ray, &shape),
            ELLIPSOID => ray_ellipsoid(&ray, &shape),
            BOX => ray_box(&ray, &shape),
            HULL => ray_hull(m, &ray, &shape, m.int(1), m.int(3), m.int(4)),
            _ => ray_height_field(m, &ray, &Field::new(m, &shape, m.int(0)), m.int(2)),
        };
        m.set(OUT, distance);
    }
}

const RAYS: &str = r#"
import json, sys
import mujoco, numpy as np
question = json.load(sys.stdin)
rows, columns = question["grid"]
answers = []
for case in question["cases"]:
    points = " ".join(str(x) for v in question["vertices"] for x in v)
    model = mujoco.MjModel.from_xml_string(f'''<mujoco>
      <asset><hfield name="h" nrow="{rows}" ncol="{columns}" size="0.45 0.3 1 0.1"/>
      <mesh name="m" vertex="{points}"/></asset>
      <worldbody><body mocap="true"><geom {case["geom"]}/></body></worldbody></mujoco>''')
    model.hfield_data[:] = question["heights"]
    data = mujoco.MjData(model)
    data.mocap_pos[0], data.mocap_quat[0] = case["position"], case["quaternion"]
    mujoco.mj_forward(model, data)
    hit = np.zeros(1, dtype=np.int32)
    answers.append([mujoco.mj_ray(model, data, np.array(r[:3]), np.array(r[3:]), None, 1, -1, hit, None)
                    for r in case["rays"]])
print(json.dumps(answers))
"#;

/// One in a few hundred rays grazes an edge, where rounding decides.
#[test]
fn rays_go_as_far_as_in_mujoco() {
    let ground = hills(4);
    let mut draw = Draw(21);
    let Shape::Hull(vertices) = draw.hull(40, DVec3::new(0.1, 0.16, 0.12)) else { unreachable!() };
    let hull = HullTable::new(&mesh(&vertices), MAX_VERTICES).unwrap();
    let mut tables = plan(&ground, &hull.reals);
    let faces = tables.ints[1] + hull.faces() as u32;
    tables.ints.extend([(GRID[0] + GRID[1]) as u32, faces, hull.num_faces as u32]);

    let kinds = [
        ("type='plane' size='0 0 1'", DVec3::ZERO),
        ("type='sphere' size='0.1'", DVec3::new(0.1, 0.0, 0.0)),
        ("type='capsule' size='0.06 0.15'", DVec3::new(0.06, 0.15, 0.0)),
        ("type='cylinder' size='0.1 0.15'", DVec3::new(0.1, 0.15, 0.0)),
        ("type='ellipsoid' size='0.08 0.12 0.2'", DVec3::new(0.08, 0.12, 0.2)),
        ("type='box' size='0.1 0.15 0.07'", DVec3::new(0.1, 0.15, 0.07)),
        ("type='mesh' mesh='m'", DVec3::ZERO),
        ("type='hfield' hfield='h'", DVec3::ZERO),
    ];
    let (mut cases, mut columns) = (Vec::<Value>::new(), Vec::new());
    for (kind, (geom, size)) in kinds.iter().enumerate() {
        let (position, rotation) = (DVec3::new(0.2, -0.1, 0.3), draw.rotation());
        let rays: Vec<[DVec3; 2]> = (0..500)
            .map(|_| {
                if kind == FIELD {
                    // From over the field: MuJoCo's has walls besides.
                    let x = draw.between(-0.44, 0.44);
                    let from = DVec3::new(x, draw.between(-0.29, 0.29), draw.between(0.21, 0.4));
                    let mut to = draw.direction();
                    to.z = -0.4 * to.z.abs();
                    return [position + rotation * from, rotation * to.normalize()];
                }
                // Some start inside.
                let from = draw.direction() * draw.between(0.0, 0.5);
                let to = draw.direction() * 0.15;
                [position + from, (to - from).normalize()]
            })
            .collect();
        let numbers = |[o, d]: &[DVec3; 2]| [o.x, o.y, o.z, d.x, d.y, d.z];
        cases.push(json!({
            "geom": geom, "position": position.to_array(),
            "quaternion": [rotation.w, rotation.x, rotation.y, rotation.z],
            "rays": rays.iter().map(numbers).collect::<Vec<_>>(),
        }));
        let column = |ray: &[DVec3; 2]| {
            let mut out = pose(position, rotation);
            out.extend(size.to_array());
            out.extend(numbers(ray));
            out
        };
        columns.push(rays.iter().map(column).collect::<Vec<_>>());
    }
    let vertices: Vec<_> = vertices.iter().map(|v| v.to_array()).collect();
    let question = json!({"grid": GRID, "heights": ground.heights, "vertices": vertices, "cases": cases});
    let Some(answer) = available(ask_python(RAYS, &question)) else { return };
    let theirs: Vec<Vec<f64>> = serde_json::from_value(answer).unwrap();
    for (kind, (columns, theirs)) in columns.iter().zip(&theirs).enumerate() {
        let exact = cast::<f64>(kind, &tables, columns);
        let single = cast::<f32>(kind, &tables, columns);
        assert_eq!(single, cast::<F32x4>(kind, &tables, columns));
        for (ours, tolerance) in [(exact, 1e-6), (single, 1e-4)] {
            let same = |(ours, theirs): &(&f64, &f64)| match **theirs < 0.0 {
                true => **ours >= FAR * 0.5,
                false => (*ours - *theirs).abs() < tolerance,
            };
            let count = ours.iter().zip(theirs).filter(same).count();
            let hits = theirs.iter().filter(|t| **t >= 0.0).count();
            println!("{}: {count} of {} agree, {hits} hit", kinds[kind].0, ours.len());
            assert!(count + 2 >= ours.len() && hits > 100, "{}: {count} agree, {hits} hit", kinds[kind].0);
        }
    }
}

fn cast<L: Lanes>(kind: usize, plan: &Plan, columns: &[Vec<f64>]) -> Vec<f64> {
    let answers = match kind {
        PLANE => run::<L, Cast<PLANE>>(plan, columns, OUT, 1),
        SPHERE => run::<L, Cast<SPHERE>>(plan, columns, OUT, 1),
        CAPSULE => run::<L, Cast<CAPSULE>>(plan, columns, OUT, 1),
        CYLINDER => run::<L, Cast<CYLINDER>>(plan, columns, OUT, 1),
        ELLIPSOID => run::<L, Cast<ELLIPSOID>>(plan, columns, OUT, 1),
        BOX => run::<L, Cast<BOX>>(plan, columns, OUT, 1),
        HULL => run::<L, Cast<HULL>>(plan, columns, OUT, 1),
        _ => run::<L, Cast<FIELD>>(plan, columns, OUT, 1),
    };
    answers.into_iter().flatten().collect()
}

/// From the middle of a cell straight down, the ray ends on the plane of the triangle there.
#[test]
fn a_ray_down_is_as_long_as_the_ground_is_low() {
    let ground = hills(4);
    let mut tables = plan(&ground, &[]);
    tables.ints.push((GRID[0] + GRID[1]) as u32);
    let all = super::triangles(&ground);
    let column = |t: &[DVec3; 3]| {
        let middle = (t[0] + t[1] + t[2]) / 3.0;
        let mut out = pose(DVec3::ZERO, DQuat::IDENTITY);
        out.extend([0.0, 0.0, 0.0, middle.x, middle.y, 1.0, 0.0, 0.0, -1.0]);
        (out, 1.0 - middle.z)
    };
    let (columns, expected): (Vec<_>, Vec<f64>) = all.iter().map(column).unzip();
    for (ours, expected) in cast::<f32>(FIELD, &tables, &columns).iter().zip(expected) {
        assert!((ours - expected).abs() < 1e-6, "{ours} {expected}");
    }
}
