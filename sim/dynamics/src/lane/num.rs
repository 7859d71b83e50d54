//! What a number can do.

use std::fmt::Debug;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::math;
use crate::block::{AnyPass, Block};
use crate::machine::{Cpu, Machine};
use crate::plan::Plan;

/// The answer of a comparison, one for each environment.
pub trait Mask: Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self> {}

impl<T: Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self>> Mask for T {}

/// A number of each environment. Every operation rounds once, as IEEE 754 has it.
pub trait Num:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The answer of a comparison.
    type Mask: Mask;

    /// The same number in all environments.
    fn of(value: f64) -> Self;

    /// `self · factor + addend`, rounded once.
    fn mul_add(self, factor: Self, addend: Self) -> Self;

    /// `other` unless `self` is smaller: NaN in either gives `other`.
    fn min(self, other: Self) -> Self;

    /// `other` unless `self` is larger: NaN in either gives `other`.
    fn max(self, other: Self) -> Self;

    /// Magnitude.
    fn abs(self) -> Self;

    /// Square root.
    fn sqrt(self) -> Self;

    /// The largest whole number that is not above.
    fn floor(self) -> Self;

    /// `self < other`; false for NaN.
    fn lt(self, other: Self) -> Self::Mask;

    /// `self <= other`; false for NaN.
    fn le(self, other: Self) -> Self::Mask;

    /// `yes` where `mask` holds, else `no`. Both are computed.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// Zero.
    #[inline(always)]
    fn zero() -> Self {
        Self::of(0.0)
    }

    /// One.
    #[inline(always)]
    fn one() -> Self {
        Self::of(1.0)
    }

    /// `self > other`; false for NaN.
    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        other.lt(self)
    }

    /// Not below `low` and not above `high`.
    #[inline(always)]
    fn clamp(self, low: Self, high: Self) -> Self {
        self.max(low).min(high)
    }

    /// `self²`.
    #[inline(always)]
    fn square(self) -> Self {
        self * self
    }

    /// 1 with the sign of `self`; 1 for zero.
    #[inline(always)]
    fn sign(self) -> Self {
        Self::select(self.lt(Self::zero()), Self::of(-1.0), Self::one())
    }

    /// Sine and cosine \[rad\]; within 2e-7 for arguments up to 1e4 in `f32`.
    #[inline(always)]
    fn sin_cos(self) -> (Self, Self) {
        math::sin_cos(self)
    }

    /// `e` to the power of `self`; within 2e-7 relative in `f32`, 0 below -87, the largest `f32` above 88.
    #[inline(always)]
    fn exp(self) -> Self {
        math::exp(self)
    }

    /// Angle of the point `(x, self)` in (-π, π]; within 4e-7 in `f32`.
    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        math::atan2(self, x)
    }
}

/// A part of the step, so that it can be compiled once for every width with the instructions of that width. `P` is
/// what it follows: the plan of the physics, or that of a task.
pub trait Phase<P = Plan> {
    /// Does it. Implementations are `#[inline(always)]`, and so is all that they call.
    fn run<M: Machine>(plan: &P, machine: &mut M);
}

/// A number that a CPU holds in a register.
pub trait Lanes: Num + Debug + Send + Sync + 'static {
    /// One environment's number.
    type Scalar: Copy + Default + Debug + PartialEq + Send + Sync + Into<f64> + 'static;

    /// Environments in it.
    const WIDTH: usize;

    /// One environment's number from `f64`, rounded.
    fn scalar(value: f64) -> Self::Scalar;

    /// The same number in all environments.
    fn splat(value: Self::Scalar) -> Self;

    /// The first [`Lanes::WIDTH`] numbers.
    ///
    /// # Panics
    /// If there are fewer.
    fn read(from: &[Self::Scalar]) -> Self;

    /// Writes [`Lanes::WIDTH`] numbers.
    ///
    /// # Panics
    /// If there is no room.
    fn write(self, to: &mut [Self::Scalar]);

    /// Whether the mask holds in any environment.
    fn any(mask: Self::Mask) -> bool;

    /// The number of `from` at each environment's own whole-numbered `index`; the nearest one that exists.
    ///
    /// # Panics
    /// If there is none.
    #[inline(always)]
    fn gather(from: &[Self::Scalar], index: Self) -> Self {
        // No width is more than 16.
        let mut lanes = [Self::Scalar::default(); 16];
        index.write(&mut lanes);
        for lane in &mut lanes[..Self::WIDTH] {
            let at: f64 = (*lane).into();
            *lane = from[(at as usize).min(from.len() - 1)];
        }
        Self::read(&lanes)
    }

    /// Runs a phase of the physics compiled for the instructions that this number is made of.
    #[inline(always)]
    fn call<P: Phase>(plan: &Plan, machine: &mut Cpu<'_, Self>) {
        Self::call_with::<Plan, P>(plan, machine);
    }

    /// Runs a phase compiled for the instructions that this number is made of.
    fn call_with<Q, P: Phase<Q>>(plan: &Q, machine: &mut Cpu<'_, Self>);

    /// [`ControlStep`](crate::step::ControlStep), compiled in this crate and not again by those who call it.
    fn control_step(plan: &Plan, machine: &mut Cpu<'_, Self>);

    /// [`Observe`](crate::step::Observe), likewise.
    fn observe(plan: &Plan, machine: &mut Cpu<'_, Self>);

    /// Hands a block of these numbers to a pass.
    fn work(pass: &dyn AnyPass, block: &mut Block<'_, Self>);
}
