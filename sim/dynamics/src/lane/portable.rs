//! Four environments at once in plain Rust, for CPUs without the wider registers.

use std::array::from_fn;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::num::{Lanes, Num, Phase};
use crate::machine::Cpu;
use crate::plan::Plan;

/// Four numbers.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub struct F32x4([f32; 4]);

/// Four answers.
#[derive(Clone, Copy, Debug)]
pub struct Mask4([bool; 4]);

impl BitAnd for Mask4 {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] & other.0[i]))
    }
}

impl BitOr for Mask4 {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] | other.0[i]))
    }
}

impl Not for Mask4 {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        Self(self.0.map(|b| !b))
    }
}

macro_rules! operator {
    ($op:ident, $f:ident, $sign:tt) => {
        impl $op for F32x4 {
            type Output = Self;

            #[inline(always)]
            fn $f(self, other: Self) -> Self {
                Self(from_fn(|i| self.0[i] $sign other.0[i]))
            }
        }
    };
}

operator!(Add, add, +);
operator!(Sub, sub, -);
operator!(Mul, mul, *);
operator!(Div, div, /);

impl Neg for F32x4 {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Self(self.0.map(|x| -x))
    }
}

impl Num for F32x4 {
    type Mask = Mask4;

    #[inline(always)]
    fn of(value: f64) -> Self {
        Self([value as f32; 4])
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(from_fn(|i| self.0[i].mul_add(factor.0[i], addend.0[i])))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(from_fn(|i| Num::min(self.0[i], other.0[i])))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(from_fn(|i| Num::max(self.0[i], other.0[i])))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.map(f32::abs))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }

    #[inline(always)]
    fn floor(self) -> Self {
        Self(self.0.map(f32::floor))
    }

    #[inline(always)]
    fn lt(self, other: Self) -> Mask4 {
        Mask4(from_fn(|i| self.0[i] < other.0[i]))
    }

    #[inline(always)]
    fn le(self, other: Self) -> Mask4 {
        Mask4(from_fn(|i| self.0[i] <= other.0[i]))
    }

    #[inline(always)]
    fn select(mask: Mask4, yes: Self, no: Self) -> Self {
        Self(from_fn(|i| if mask.0[i] { yes.0[i] } else { no.0[i] }))
    }
}

impl Lanes for F32x4 {
    type Scalar = f32;

    const WIDTH: usize = 4;

    fn scalar(value: f64) -> f32 {
        value as f32
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    fn read(from: &[f32]) -> Self {
        Self(from_fn(|i| from[i]))
    }

    #[inline(always)]
    fn write(self, to: &mut [f32]) {
        to[..4].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn any(mask: Mask4) -> bool {
        mask.0.iter().any(|&b| b)
    }

    fn call_with<Q, P: Phase<Q>>(plan: &Q, machine: &mut Cpu<'_, Self>) {
        P::run(plan, machine);
    }

    entries!(x4);
}
