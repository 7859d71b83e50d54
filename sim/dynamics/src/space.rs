//! Vectors, rotations and spatial inertia over any [`Num`].
//!
//! Spatial vectors are pairs (angular, linear) in world axes about one point of the tree, the origin of its root
//! (Featherstone, Rigid Body Dynamics Algorithms, 2008, chapter 2).

use std::ops::{Add, Mul, Neg, Sub};

use crate::lane::Num;

/// A vector in three dimensions.
#[derive(Clone, Copy, Debug)]
pub struct V3<N> {
    /// First component.
    pub x: N,
    /// Second component.
    pub y: N,
    /// Third component.
    pub z: N,
}

impl<N: Num> V3<N> {
    /// A vector from its components.
    #[inline(always)]
    pub fn new(x: N, y: N, z: N) -> Self {
        Self { x, y, z }
    }

    /// The zero vector.
    #[inline(always)]
    pub fn zero() -> Self {
        Self::new(N::zero(), N::zero(), N::zero())
    }

    /// The unit vector along axis 0, 1 or 2.
    #[inline(always)]
    pub fn unit(axis: usize) -> Self {
        let (zero, one) = (N::zero(), N::one());
        match axis {
            0 => Self::new(one, zero, zero),
            1 => Self::new(zero, one, zero),
            _ => Self::new(zero, zero, one),
        }
    }

    /// Scalar product.
    #[inline(always)]
    pub fn dot(self, other: Self) -> N {
        self.x.mul_add(other.x, self.y.mul_add(other.y, self.z * other.z))
    }

    /// Vector product.
    #[inline(always)]
    pub fn cross(self, other: Self) -> Self {
        Self::new(
            self.y.mul_add(other.z, -(self.z * other.y)),
            self.z.mul_add(other.x, -(self.x * other.z)),
            self.x.mul_add(other.y, -(self.y * other.x)),
        )
    }

    /// Squared length.
    #[inline(always)]
    pub fn length_squared(self) -> N {
        self.dot(self)
    }

    /// Length.
    #[inline(always)]
    pub fn length(self) -> N {
        self.length_squared().sqrt()
    }

    /// `self · factor + addend`.
    #[inline(always)]
    pub fn mul_add(self, factor: N, addend: Self) -> Self {
        Self::new(
            self.x.mul_add(factor, addend.x),
            self.y.mul_add(factor, addend.y),
            self.z.mul_add(factor, addend.z),
        )
    }

    /// `yes` where `mask` holds, else `no`.
    #[inline(always)]
    pub fn select(mask: N::Mask, yes: Self, no: Self) -> Self {
        Self::new(N::select(mask, yes.x, no.x), N::select(mask, yes.y, no.y), N::select(mask, yes.z, no.z))
    }

    /// The unit vector along `self`, and the length; `fallback` where the length is below 1e-12.
    #[inline(always)]
    pub fn normalize_or(self, fallback: Self) -> (Self, N) {
        let length = self.length();
        let short = length.lt(N::of(1e-12));
        let inverse = N::one() / N::select(short, N::one(), length);
        (Self::select(short, fallback, self * inverse), length)
    }

    /// Two unit vectors that complete the unit vector `self` to a right-handed frame `(self, a, b)`.
    #[inline(always)]
    pub fn tangents(self) -> (Self, Self) {
        // The axis that is not near `self`: y, or z where `self` is near y, as MuJoCo's contact frames have it.
        let steep = N::of(0.5).lt(self.y.abs());
        let other = Self::select(steep, Self::unit(2), Self::unit(1));
        let (a, _) = (other - self * self.dot(other)).normalize_or(other);
        (a, self.cross(a))
    }
}

impl<N: Num> Add for V3<N> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

impl<N: Num> Sub for V3<N> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y, self.z - other.z)
    }
}

impl<N: Num> Mul<N> for V3<N> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, factor: N) -> Self {
        Self::new(self.x * factor, self.y * factor, self.z * factor)
    }
}

impl<N: Num> Neg for V3<N> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Self::new(-self.x, -self.y, -self.z)
    }
}

/// A matrix of three rows; for a rotation `a_from_b` the columns are the axes of b in a.
#[derive(Clone, Copy, Debug)]
pub struct Mat3<N> {
    /// The rows.
    pub rows: [V3<N>; 3],
}

impl<N: Num> Mat3<N> {
    /// The identity.
    #[inline(always)]
    pub fn identity() -> Self {
        Self { rows: [V3::unit(0), V3::unit(1), V3::unit(2)] }
    }

    /// From three columns.
    #[inline(always)]
    pub fn from_columns(a: V3<N>, b: V3<N>, c: V3<N>) -> Self {
        Self { rows: [V3::new(a.x, b.x, c.x), V3::new(a.y, b.y, c.y), V3::new(a.z, b.z, c.z)] }
    }

    /// The rotation of a unit quaternion xyzw.
    #[inline(always)]
    pub fn from_quaternion(x: N, y: N, z: N, w: N) -> Self {
        let (x2, y2, z2) = (x + x, y + y, z + z);
        let (xx, yy, zz) = (x * x2, y * y2, z * z2);
        let (xy, xz, yz) = (x * y2, x * z2, y * z2);
        let (wx, wy, wz) = (w * x2, w * y2, w * z2);
        let one = N::one();
        Self {
            rows: [
                V3::new(one - (yy + zz), xy - wz, xz + wy),
                V3::new(xy + wz, one - (xx + zz), yz - wx),
                V3::new(xz - wy, yz + wx, one - (xx + yy)),
            ],
        }
    }

    /// Column 0, 1 or 2.
    #[inline(always)]
    pub fn column(&self, k: usize) -> V3<N> {
        let [a, b, c] = self.rows;
        match k {
            0 => V3::new(a.x, b.x, c.x),
            1 => V3::new(a.y, b.y, c.y),
            _ => V3::new(a.z, b.z, c.z),
        }
    }

    /// The transpose: for a rotation the inverse.
    #[inline(always)]
    pub fn transpose(self) -> Self {
        Self::from_columns(self.rows[0], self.rows[1], self.rows[2])
    }

    /// `selfᵀ · v`.
    #[inline(always)]
    pub fn transpose_mul(self, v: V3<N>) -> V3<N> {
        self.rows[2].mul_add(v.z, self.rows[1].mul_add(v.y, self.rows[0] * v.x))
    }
}

impl<N: Num> Mul<V3<N>> for Mat3<N> {
    type Output = V3<N>;

    #[inline(always)]
    fn mul(self, v: V3<N>) -> V3<N> {
        V3::new(self.rows[0].dot(v), self.rows[1].dot(v), self.rows[2].dot(v))
    }
}

impl<N: Num> Mul for Mat3<N> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let [a, b, c] = self.rows;
        Self { rows: [other.transpose_mul(a), other.transpose_mul(b), other.transpose_mul(c)] }
    }
}

/// A spatial vector: motion (angular, linear velocity) or force (moment, force).
#[derive(Clone, Copy, Debug)]
pub struct Spatial<N> {
    /// Angular velocity, or moment.
    pub angular: V3<N>,
    /// Linear velocity of the point of reference, or force.
    pub linear: V3<N>,
}

impl<N: Num> Spatial<N> {
    /// Zero.
    #[inline(always)]
    pub fn zero() -> Self {
        Self { angular: V3::zero(), linear: V3::zero() }
    }

    /// Power: motion times force.
    #[inline(always)]
    pub fn dot(self, other: Self) -> N {
        self.angular.dot(other.angular) + self.linear.dot(other.linear)
    }

    /// `self · factor + addend`.
    #[inline(always)]
    pub fn mul_add(self, factor: N, addend: Self) -> Self {
        Self {
            angular: self.angular.mul_add(factor, addend.angular),
            linear: self.linear.mul_add(factor, addend.linear),
        }
    }

    /// Rate of the motion vector `other` that moves with `self`.
    #[inline(always)]
    pub fn cross_motion(self, other: Self) -> Self {
        Self {
            angular: self.angular.cross(other.angular),
            linear: self.angular.cross(other.linear) + self.linear.cross(other.angular),
        }
    }

    /// Rate of the force vector `other` that moves with `self`.
    #[inline(always)]
    pub fn cross_force(self, other: Self) -> Self {
        Self {
            angular: self.angular.cross(other.angular) + self.linear.cross(other.linear),
            linear: self.angular.cross(other.linear),
        }
    }
}

impl<N: Num> Add for Spatial<N> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { angular: self.angular + other.angular, linear: self.linear + other.linear }
    }
}

/// Spatial inertia about the point of reference, world axes.
#[derive(Clone, Copy, Debug)]
pub struct Inertia<N> {
    /// Mass \[kg\].
    pub mass: N,
    /// Mass times centre of mass \[kg·m\].
    pub moment: V3<N>,
    /// Moments of inertia xx, yy, zz \[kg·m²\].
    pub diagonal: V3<N>,
    /// Products of inertia xy, xz, yz \[kg·m²\].
    pub products: V3<N>,
}

impl<N: Num> Inertia<N> {
    /// Of a body with centre of mass `com` \[m\] about the point of reference, world axes, and central inertia
    /// `rotation · [xx xy xz; xy yy yz; xz yz zz] · rotationᵀ`.
    #[inline(always)]
    pub fn new(mass: N, com: V3<N>, rotation: Mat3<N>, diagonal: V3<N>, products: V3<N>) -> Self {
        let [a, b, c] = rotation.rows;
        let ta = symmetric(diagonal, products, a);
        let tb = symmetric(diagonal, products, b);
        let tc = symmetric(diagonal, products, c);
        let moment = com * mass;
        let (mx, my, mz) = (moment.x * com.x, moment.y * com.y, moment.z * com.z);
        Self {
            mass,
            moment,
            diagonal: V3::new(ta.dot(a) + (my + mz), tb.dot(b) + (mx + mz), tc.dot(c) + (mx + my)),
            products: V3::new(
                ta.dot(b) - moment.x * com.y,
                ta.dot(c) - moment.x * com.z,
                tb.dot(c) - moment.y * com.z,
            ),
        }
    }

    /// Momentum of a motion.
    #[inline(always)]
    pub fn mul(&self, motion: Spatial<N>) -> Spatial<N> {
        let (w, v) = (motion.angular, motion.linear);
        let turned = symmetric(self.diagonal, self.products, w);
        Spatial { angular: turned + self.moment.cross(v), linear: v.mul_add(self.mass, w.cross(self.moment)) }
    }
}

/// A symmetric matrix times a vector.
#[inline(always)]
fn symmetric<N: Num>(diagonal: V3<N>, products: V3<N>, v: V3<N>) -> V3<N> {
    let (d, p) = (diagonal, products);
    V3::new(
        d.x.mul_add(v.x, p.x.mul_add(v.y, p.y * v.z)),
        p.x.mul_add(v.x, d.y.mul_add(v.y, p.z * v.z)),
        p.y.mul_add(v.x, p.z.mul_add(v.y, d.z * v.z)),
    )
}

impl<N: Num> Add for Inertia<N> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self {
            mass: self.mass + other.mass,
            moment: self.moment + other.moment,
            diagonal: self.diagonal + other.diagonal,
            products: self.products + other.products,
        }
    }
}
