//! Pairs of shapes in random poses, run through the routines at any width and through MuJoCo.

use std::fmt::Debug;

use glam::{DMat3, DQuat, DVec3};
use keiko_dynamics::collide::hull::{Hull, plane_hull};
use keiko_dynamics::collide::hull_table::{HullTable, MAX_VERTICES};
use keiko_dynamics::collide::manifold::{SCRATCH, convex_contacts};
use keiko_dynamics::collide::support::{Convex, Solid, solid_numbers};
use keiko_dynamics::collide::{Class, Contact, Placed};
use keiko_dynamics::lane::{Lanes, Phase};
use keiko_dynamics::machine::{Cpu, Machine};
use keiko_dynamics::plan::Plan;
use keiko_dynamics::space::V3;
use keiko_model::robot::Mesh;
use serde_json::{Value, json};

/// A shape in its own frame.
#[derive(Clone, Debug)]
pub enum Shape {
    Plane,
    Sphere(f64),
    Capsule(f64, f64),
    Cylinder(f64, f64),
    Ellipsoid(DVec3),
    Box(DVec3),
    Hull(Vec<DVec3>),
}

/// Position and rotation.
pub type Pose = (DVec3, DQuat);

/// A contact in `f64`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Met {
    pub distance: f64,
    pub position: DVec3,
    pub normal: DVec3,
}

impl Shape {
    /// What makes it up, if it is a solid.
    fn numbers(&self) -> [f64; 7] {
        let numbers = match *self {
            Self::Sphere(r) => solid_numbers(Class::Sphere, [r, 0.0, 0.0]),
            Self::Capsule(r, l) => solid_numbers(Class::Capsule, [r, l, 0.0]),
            Self::Cylinder(r, l) => solid_numbers(Class::Cylinder, [r, l, 0.0]),
            Self::Ellipsoid(e) => solid_numbers(Class::Ellipsoid, e.to_array()),
            Self::Box(h) => solid_numbers(Class::Box, h.to_array()),
            Self::Plane | Self::Hull(_) => None,
        };
        numbers.unwrap_or_default()
    }

    /// Radius of a ball about the origin that holds it \[m\].
    pub fn bound(&self) -> f64 {
        match self {
            Self::Plane => 0.0,
            Self::Sphere(r) => *r,
            Self::Capsule(r, l) => r + l,
            Self::Cylinder(r, l) => r.hypot(*l),
            Self::Ellipsoid(e) => e.max_element(),
            Self::Box(h) => h.length(),
            Self::Hull(v) => v.iter().map(|v| v.length()).fold(0.0, f64::max),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Plane => json!({"type": "plane", "size": "0 0 1"}),
            Self::Sphere(r) => json!({"type": "sphere", "size": format!("{r}")}),
            Self::Capsule(r, l) => json!({"type": "capsule", "size": format!("{r} {l}")}),
            Self::Cylinder(r, l) => json!({"type": "cylinder", "size": format!("{r} {l}")}),
            Self::Ellipsoid(e) => json!({"type": "ellipsoid", "size": format!("{} {} {}", e.x, e.y, e.z)}),
            Self::Box(h) => json!({"type": "box", "size": format!("{} {} {}", h.x, h.y, h.z)}),
            Self::Hull(v) => {
                json!({"type": "mesh", "vertex": v.iter().map(|v| v.to_array()).collect::<Vec<_>>()})
            }
        }
    }
}

pub fn mesh(vertices: &[DVec3]) -> Mesh {
    Mesh {
        name: "hull".to_owned(),
        vertices: vertices.iter().map(|v| v.as_vec3().to_array()).collect(),
        triangles: Vec::new(),
        texcoords: Vec::new(),
    }
}

const B: usize = 21;
const MARGIN: usize = 42;
const OUT: usize = 43;
const SPACE: usize = OUT + 4 * 7;

#[inline(always)]
fn read_solid<M: Machine>(m: &M, at: usize) -> Solid<M::Num> {
    Solid {
        position: m.get3(at),
        rotation: m.get9(at + 3),
        half_size: m.get3(at + 12),
        semi_axes: m.get3(at + 15),
        radius: m.get(at + 18),
    }
}

#[inline(always)]
fn read_placed<M: Machine>(m: &M, at: usize) -> Placed<M::Num> {
    Placed { position: m.get3(at), rotation: m.get9(at + 3), size: V3::zero() }
}

#[inline(always)]
fn read_hull<M: Machine>(m: &M, at: usize, ints: usize) -> Hull<M> {
    Hull::new(m, &read_placed(m, at), m.int(ints), m.int(ints + 1))
}

#[inline(always)]
fn write<M: Machine>(m: &mut M, at: usize, contact: &Contact<M::Num>) {
    m.set(at, contact.distance);
    m.set3(at + 1, contact.position);
    m.set3(at + 4, contact.normal);
}

#[inline(always)]
fn meet<M: Machine>(m: &mut M, a: &impl Convex<M>, b: &impl Convex<M>) {
    let margin = m.get(MARGIN);
    let all: [_; 4] = convex_contacts(m, a, b, margin, M::Int::from(SPACE));
    for (k, contact) in all.iter().enumerate() {
        write(m, OUT + 7 * k, contact);
    }
}

struct SolidSolid;
struct SolidHull;
struct HullHull;
struct PlaneHull;

impl Phase for SolidSolid {
    #[inline(always)]
    fn run<M: Machine>(_: &Plan, m: &mut M) {
        let (a, b) = (read_solid(m, 0), read_solid(m, B));
        meet(m, &a, &b);
    }
}

impl Phase for SolidHull {
    #[inline(always)]
    fn run<M: Machine>(_: &Plan, m: &mut M) {
        let (a, b) = (read_solid(m, 0), read_hull(m, B, 2));
        meet(m, &a, &b);
    }
}

impl Phase for HullHull {
    #[inline(always)]
    fn run<M: Machine>(_: &Plan, m: &mut M) {
        let (a, b) = (read_hull(m, 0, 0), read_hull(m, B, 2));
        meet(m, &a, &b);
    }
}

impl Phase for PlaneHull {
    #[inline(always)]
    fn run<M: Machine>(_: &Plan, m: &mut M) {
        let (a, b, margin) = (read_placed(m, 0), read_hull(m, B, 2), m.get(MARGIN));
        for (k, contact) in plane_hull(m, &a, &b, margin).iter().enumerate() {
            write(m, OUT + 7 * k, contact);
        }
    }
}

/// Two shapes.
pub struct Meeting {
    pub a: Shape,
    pub b: Shape,
    plan: Plan,
}

impl Meeting {
    pub fn new(a: Shape, b: Shape) -> Self {
        let mut plan = Plan::default();
        for shape in [&a, &b] {
            let start = plan.reals.len() + HullTable::VERTICES;
            let mut count = 0;
            if let Shape::Hull(v) = shape {
                let table = HullTable::new(&mesh(v), MAX_VERTICES).unwrap();
                count = table.num_vertices;
                plan.reals.extend(table.reals);
            }
            plan.ints.extend([start as u32, count as u32]);
        }
        Self { a, b, plan }
    }

    /// The four contacts of each pair of poses.
    pub fn run<L: Lanes>(&self, poses: &[[Pose; 2]], margin: f64) -> Vec<[Met; 4]> {
        let reals: Vec<L::Scalar> = self.plan.reals.iter().map(|r| L::scalar(*r)).collect();
        let mut memory = vec![L::splat(L::scalar(0.0)); SPACE + SCRATCH];
        let mut answers = Vec::new();
        for group in poses.chunks(L::WIDTH) {
            let columns: Vec<Vec<f64>> =
                (0..L::WIDTH).map(|lane| self.column(&group[lane.min(group.len() - 1)], margin)).collect();
            for (at, cell) in memory.iter_mut().enumerate().take(OUT) {
                let row: Vec<L::Scalar> = columns.iter().map(|c| L::scalar(c[at])).collect();
                *cell = L::read(&row);
            }
            let mut machine = Cpu {
                memory: &mut memory,
                parameters: &[],
                reals: &reals,
                ints: &self.plan.ints,
                counts: &mut [],
            };
            match (&self.a, &self.b) {
                (Shape::Plane, Shape::Hull(_)) => L::call::<PlaneHull>(&self.plan, &mut machine),
                (Shape::Hull(_), Shape::Hull(_)) => L::call::<HullHull>(&self.plan, &mut machine),
                (_, Shape::Hull(_)) => L::call::<SolidHull>(&self.plan, &mut machine),
                _ => L::call::<SolidSolid>(&self.plan, &mut machine),
            }
            for lane in 0..group.len() {
                answers.push(std::array::from_fn(|k| met(&memory, OUT + 7 * k, lane)));
            }
        }
        answers
    }

    fn column(&self, poses: &[Pose; 2], margin: f64) -> Vec<f64> {
        let mut out = Vec::new();
        for ((position, rotation), shape) in poses.iter().zip([&self.a, &self.b]) {
            out.extend(position.to_array());
            out.extend(DMat3::from_quat(*rotation).transpose().to_cols_array());
            out.extend(shape.numbers());
            out.extend([0.0, 0.0]);
        }
        out.push(margin);
        out
    }

    /// The question to MuJoCo.
    pub fn json(&self, poses: &[[Pose; 2]]) -> Value {
        let number = |(p, q): &Pose| [p.x, p.y, p.z, q.w, q.x, q.y, q.z];
        let poses: Vec<_> = poses.iter().map(|both| both.each_ref().map(number)).collect();
        json!({"a": self.a.json(), "b": self.b.json(), "poses": poses})
    }
}

fn met<L: Lanes>(memory: &[L], at: usize, lane: usize) -> Met {
    let number = |at: usize| -> f64 {
        let mut row = vec![L::scalar(0.0); L::WIDTH];
        memory[at].write(&mut row);
        row[lane].into()
    };
    let three = |at| DVec3::new(number(at), number(at + 1), number(at + 2));
    Met { distance: number(at), position: three(at + 1), normal: three(at + 4) }
}

/// Signed distance and the points of both shapes that are nearest, of each pair of poses, by MuJoCo 4.0.0.
pub const DISTANCES: &str = r#"
import json, sys
import mujoco, numpy as np

def geom(name, shape, assets):
    if shape["type"] == "mesh":
        points = " ".join(str(x) for v in shape["vertex"] for x in v)
        assets.append(f'<mesh name="{name}" vertex="{points}"/>')
        return f'<geom name="{name}" type="mesh" mesh="{name}"/>'
    return f'<geom name="{name}" type="{shape["type"]}" size="{shape["size"]}"/>'

answers = []
for pair in json.load(sys.stdin):
    assets = []
    a, b = geom("a", pair["a"], assets), geom("b", pair["b"], assets)
    model = mujoco.MjModel.from_xml_string(f'''<mujoco>
      <compiler boundmass="1e-6" boundinertia="1e-9"/>
      <option ccd_tolerance="1e-9" ccd_iterations="200"/>
      <asset>{"".join(assets)}</asset><worldbody>
      <body mocap="true">{a}</body><body mocap="true">{b}</body></worldbody></mujoco>''')
    data = mujoco.MjData(model)
    rows = []
    for poses in pair["poses"]:
        for k, pose in enumerate(poses):
            data.mocap_pos[k] = pose[:3]
            data.mocap_quat[k] = pose[3:]
        mujoco.mj_kinematics(model, data)
        points = np.zeros(6)
        distance = mujoco.mj_geomDistance(model, data, 0, 1, 100.0, points)
        rows.append([distance, *points])
    answers.append(rows)
print(json.dumps(answers))
"#;

/// Numbers that look random (splitmix64).
pub struct Draw(pub u64);

impl Draw {
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub fn direction(&mut self) -> DVec3 {
        loop {
            let v = DVec3::new(self.between(-1.0, 1.0), self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            if (0.01..1.0).contains(&v.length_squared()) {
                return v.normalize();
            }
        }
    }

    pub fn rotation(&mut self) -> DQuat {
        DQuat::from_axis_angle(self.direction(), self.between(-3.1, 3.1))
    }

    /// A hull of points on a stretched sphere; coordinates are exact in `f32`.
    pub fn hull(&mut self, count: usize, stretch: DVec3) -> Shape {
        let off = DVec3::new(0.05, -0.03, 0.02);
        Shape::Hull((0..count).map(|_| (self.direction() * stretch + off).as_vec3().as_dvec3()).collect())
    }
}
