//! The same two geoms in MuJoCo.

use keiko_dynamics::collide::Contact;
use keiko_testkit as testkit;
use serde_json::{Value, json};

use super::{Kind, Random, Shape, apart, array, deepest, routine};

/// Both find contacts up to this distance \[m\].
const MARGIN: f64 = 0.02;

const SCRIPT: &str = r#"
import json, sys, mujoco, numpy as np
answers = []
for pair, poses in json.load(sys.stdin):
    out = []
    for shapes in poses:
        geoms = "".join(
            '<body pos="%.17g %.17g %.17g" quat="%.17g %.17g %.17g %.17g"><freejoint/><inertial pos="0 0 0" mass="1" '
            'diaginertia="1 1 1"/>%s</body>' % (*p, q[3], q[0], q[1], q[2],
            '<geom type="%s" size="%.17g %.17g %.17g" margin="0.01"/>' % (kind, *size))
            if kind != "plane" else
            '<geom type="plane" size="5 5 1" margin="0.01" pos="%.17g %.17g %.17g" quat="%.17g %.17g %.17g %.17g"/>'
            % (*p, q[3], q[0], q[1], q[2])
            for kind, size, p, q in shapes)
        m = mujoco.MjModel.from_xml_string('<mujoco><worldbody>%s</worldbody></mujoco>' % geoms)
        d = mujoco.MjData(m)
        mujoco.mj_kinematics(m, d); mujoco.mj_comPos(m, d); mujoco.mj_collision(m, d)
        out.append([[c.dist, *c.pos.tolist(), *c.frame[:3].tolist()] for c in d.contact])
    answers.append(out)
print(json.dumps(answers))
"#;

/// How near the routine of a pair is to MuJoCo's.
struct Agreement {
    pair: (Kind, Kind),
    /// Every contact has its like in the other's answer; else only the deepest is compared.
    all: bool,
    /// Of position \[m\] and normal: rounding, or what MuJoCo's iteration for convex shapes stops at.
    tolerance: f64,
    /// Share of poses in which they must agree: 1, but where MuJoCo stops at another point.
    share: f64,
}

const PAIRS: [Agreement; 13] = [
    Agreement { pair: (Kind::Plane, Kind::Sphere), all: true, tolerance: TOLERANCE, share: 1.0 },
    Agreement { pair: (Kind::Plane, Kind::Capsule), all: true, tolerance: TOLERANCE, share: 1.0 },
    Agreement { pair: (Kind::Plane, Kind::Cylinder), all: true, tolerance: TOLERANCE, share: 1.0 },
    Agreement { pair: (Kind::Plane, Kind::Ellipsoid), all: true, tolerance: TOLERANCE, share: 1.0 },
    Agreement { pair: (Kind::Plane, Kind::Box), all: true, tolerance: TOLERANCE, share: 1.0 },
    Agreement { pair: (Kind::Sphere, Kind::Sphere), all: true, tolerance: TOLERANCE, share: 1.0 },
    Agreement { pair: (Kind::Sphere, Kind::Capsule), all: true, tolerance: TOLERANCE, share: 1.0 },
    Agreement { pair: (Kind::Sphere, Kind::Cylinder), all: true, tolerance: TOLERANCE, share: 1.0 },
    // MuJoCo's polytope lies within the shape, so that it finds deep contacts too shallow.
    Agreement { pair: (Kind::Sphere, Kind::Ellipsoid), all: true, tolerance: 5e-3, share: 0.9 },
    Agreement { pair: (Kind::Sphere, Kind::Box), all: true, tolerance: TOLERANCE, share: 1.0 },
    // An end stands for a nearest point that is nearer by less than 1e-4 of the radius.
    Agreement { pair: (Kind::Capsule, Kind::Capsule), all: false, tolerance: TOLERANCE, share: 0.95 },
    Agreement { pair: (Kind::Capsule, Kind::Box), all: false, tolerance: TOLERANCE, share: 0.95 },
    // Where an edge is hardly better than a face the two may choose differently.
    Agreement { pair: (Kind::Box, Kind::Box), all: false, tolerance: TOLERANCE, share: 0.9 },
];

/// Of distance \[m\].
const TOLERANCE: f64 = 1e-6;

fn question(shape: &Shape) -> Value {
    let kind = format!("{:?}", shape.kind).to_lowercase();
    json!([kind, shape.size, shape.position, shape.quaternion])
}

fn contacts(value: &Value) -> Vec<Contact<f64>> {
    let number = |x: &Value| x.as_f64().expect("a number");
    let contact = |x: &Value| {
        let x: Vec<f64> = x.as_array().expect("seven numbers").iter().map(number).collect();
        Contact {
            distance: x[0],
            position: keiko_dynamics::space::V3::new(x[1], x[2], x[3]),
            normal: keiko_dynamics::space::V3::new(x[4], x[5], x[6]),
        }
    };
    value.as_array().expect("a list").iter().map(contact).collect()
}

/// The differences of two contacts: of distance, of position or normal.
fn difference(a: &Contact<f64>, b: &Contact<f64>, position: bool) -> (f64, f64) {
    let place = if position { apart(array(a.position), array(b.position)) } else { 0.0 };
    ((a.distance - b.distance).abs(), place.max(apart(array(a.normal), array(b.normal))))
}

fn larger(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.max(b.0), a.1.max(b.1))
}

/// The largest differences of any contact from the nearest of the other list.
fn unmatched(these: &[Contact<f64>], those: &[Contact<f64>]) -> (f64, f64) {
    let sum = |d: &(f64, f64)| d.0 + d.1;
    let nearest = |a: &Contact<f64>| {
        let all = those.iter().map(|b| difference(a, b, true));
        all.min_by(|x, y| sum(x).total_cmp(&sum(y))).unwrap_or((f64::MAX, f64::MAX))
    };
    these.iter().filter(|a| a.distance < MARGIN - TOLERANCE).map(nearest).fold((0.0, 0.0), larger)
}

#[test]
fn contacts_are_those_of_mujoco() {
    let mut random = Random(1);
    let cases: Vec<Vec<(Shape, Shape)>> =
        PAIRS.iter().map(|p| (0..400).map(|_| random.pair(p.pair.0, p.pair.1)).collect()).collect();
    let request: Vec<Value> = PAIRS
        .iter()
        .zip(&cases)
        .map(|(p, poses)| {
            let poses: Vec<Value> = poses.iter().map(|(a, b)| json!([question(a), question(b)])).collect();
            json!([format!("{:?}", p.pair), poses])
        })
        .collect();
    let Some(answer) = testkit::available(testkit::ask_python(SCRIPT, &Value::from(request))) else { return };
    for (k, agreement) in PAIRS.iter().enumerate() {
        let f = routine::<f64>(agreement.pair.0, agreement.pair.1);
        let (mut touching, mut agreeing, mut worst) = (0, 0, (0.0, 0.0));
        let mut other = String::new();
        for (i, (a, b)) in cases[k].iter().enumerate() {
            let ours = f(&a.placed(), &b.placed());
            let theirs = contacts(&answer[k][i]);
            let least = deepest(&ours);
            // MuJoCo does not look for the least way out when a capsule's axis is inside a box.
            let deep = agreement.pair == (Kind::Capsule, Kind::Box) && least.distance < -a.size[0];
            if deep || theirs.is_empty() && least.distance > MARGIN - TOLERANCE {
                continue;
            }
            touching += 1;
            let error = if theirs.is_empty() {
                (MARGIN - least.distance, 0.0)
            } else if agreement.all {
                larger(unmatched(&ours, &theirs), unmatched(&theirs, &ours))
            } else {
                difference(&least, &deepest(&theirs), false)
            };
            if error.0 < TOLERANCE && error.1 < agreement.tolerance {
                agreeing += 1;
                worst = larger(worst, error);
            } else {
                other = format!("{a:?}\n{b:?}\nours {ours:?}\nMuJoCo {theirs:?}");
            }
        }
        println!(
            "{:?}: {agreeing} of {touching} agree, to {:.1e} and {:.1e}",
            agreement.pair, worst.0, worst.1
        );
        assert!(touching > 100, "{:?}: {touching}", agreement.pair);
        assert!(
            f64::from(agreeing) >= agreement.share * f64::from(touching),
            "{agreeing} of {touching}: {other}"
        );
    }
}
