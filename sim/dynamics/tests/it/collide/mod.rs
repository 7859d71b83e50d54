//! Collision routines against MuJoCo, slow definitions and themselves on other lanes.

mod boxes;
mod exact;
mod lanes;
mod mujoco;

use keiko_dynamics::collide::{self, Contact, Placed};
use keiko_dynamics::lane::Num;
use keiko_dynamics::space::{Mat3, V3};

/// What a shape is and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plane,
    Sphere,
    Capsule,
    Cylinder,
    Ellipsoid,
    Box,
}

/// A shape with its pose; the quaternion is xyzw.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub kind: Kind,
    pub size: [f64; 3],
    pub position: [f64; 3],
    pub quaternion: [f64; 4],
}

impl Shape {
    pub fn placed<N: Num>(&self) -> Placed<N> {
        let [px, py, pz] = self.position.map(N::of);
        let [x, y, z, w] = self.quaternion.map(N::of);
        let [sx, sy, sz] = self.size.map(N::of);
        Placed {
            position: V3::new(px, py, pz),
            rotation: Mat3::from_quaternion(x, y, z, w),
            size: V3::new(sx, sy, sz),
        }
    }
}

/// A routine, whatever its number of contacts.
pub type Routine<N> = fn(&Placed<N>, &Placed<N>) -> Vec<Contact<N>>;

/// All routines with the kinds that they take.
pub fn routines<N: Num>() -> Vec<(Kind, Kind, Routine<N>)> {
    macro_rules! list {
        ($($a:ident $b:ident $f:ident),* $(,)?) => {
            vec![$((Kind::$a, Kind::$b, (|a, b| collide::$f(a, b).to_vec()) as Routine<N>)),*]
        };
    }
    list![
        Plane Sphere plane_sphere,
        Plane Capsule plane_capsule,
        Plane Cylinder plane_cylinder,
        Plane Ellipsoid plane_ellipsoid,
        Plane Box plane_box,
        Sphere Sphere sphere_sphere,
        Sphere Capsule sphere_capsule,
        Sphere Cylinder sphere_cylinder,
        Sphere Ellipsoid sphere_ellipsoid,
        Sphere Box sphere_box,
        Capsule Capsule capsule_capsule,
        Capsule Box capsule_box,
        Box Box box_box,
    ]
}

/// The routine of a pair.
pub fn routine<N: Num>(a: Kind, b: Kind) -> Routine<N> {
    routines::<N>().into_iter().find(|r| (r.0, r.1) == (a, b)).expect("a pair with a routine").2
}

/// A small generator of numbers (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (high - low) * ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A vector inside the unit ball, not near its centre.
    pub fn ball(&mut self) -> [f64; 3] {
        loop {
            let v = [(); 3].map(|()| self.uniform(-1.0, 1.0));
            if (0.01..1.0).contains(&dot(v, v)) {
                return v;
            }
        }
    }

    pub fn direction(&mut self) -> [f64; 3] {
        let v = self.ball();
        scale(v, 1.0 / dot(v, v).sqrt())
    }

    pub fn quaternion(&mut self) -> [f64; 4] {
        loop {
            let q = [(); 4].map(|()| self.uniform(-1.0, 1.0));
            let squared: f64 = q.iter().map(|x| x * x).sum();
            if (0.01..1.0).contains(&squared) {
                return q.map(|x| x / squared.sqrt());
            }
        }
    }

    /// A shape of 5 to 30 cm.
    pub fn shape(&mut self, kind: Kind) -> Shape {
        let size = [(); 3].map(|()| self.uniform(0.05, 0.3));
        let position = self.ball();
        Shape { kind, size, position, quaternion: self.quaternion() }
    }

    /// Two shapes that may touch.
    pub fn pair(&mut self, a: Kind, b: Kind) -> (Shape, Shape) {
        let (a, mut b) = (self.shape(a), self.shape(b));
        let reach = b.size.iter().map(|x| x * x).sum::<f64>().sqrt();
        let (direction, distance) = if a.kind == Kind::Plane {
            (column_z(a.quaternion), self.uniform(0.1, 1.2) * reach)
        } else {
            (self.direction(), self.uniform(0.3, 1.0) * (0.25 + reach))
        };
        b.position = add(a.position, scale(direction, distance));
        (a, b)
    }
}

/// The z axis of a rotation.
pub fn column_z([x, y, z, w]: [f64; 4]) -> [f64; 3] {
    [2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)]
}

pub fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub fn add(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub fn scale(a: [f64; 3], s: f64) -> [f64; 3] {
    a.map(|x| x * s)
}

pub fn array(v: V3<f64>) -> [f64; 3] {
    [v.x, v.y, v.z]
}

/// Length of the difference.
pub fn apart(a: [f64; 3], b: [f64; 3]) -> f64 {
    let d = add(a, scale(b, -1.0));
    dot(d, d).sqrt()
}

/// The contact with the smallest distance.
pub fn deepest(contacts: &[Contact<f64>]) -> Contact<f64> {
    *contacts.iter().min_by(|a, b| a.distance.total_cmp(&b.distance)).expect("a routine gives contacts")
}
