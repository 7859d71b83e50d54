//! One environment at a time: `f64`, the truth for tests, and `f32`, the reference of the lanes.

use super::num::{Lanes, Num, Phase};
use crate::machine::Cpu;
use crate::plan::Plan;

macro_rules! scalar {
    ($t:ident { $($extra:item)* }) => {
        impl Num for $t {
            type Mask = bool;

            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $t
            }

            #[inline(always)]
            fn mul_add(self, factor: Self, addend: Self) -> Self {
                $t::mul_add(self, factor, addend)
            }

            #[inline(always)]
            fn min(self, other: Self) -> Self {
                if self < other { self } else { other }
            }

            #[inline(always)]
            fn max(self, other: Self) -> Self {
                if self > other { self } else { other }
            }

            #[inline(always)]
            fn abs(self) -> Self {
                $t::abs(self)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                $t::sqrt(self)
            }

            #[inline(always)]
            fn floor(self) -> Self {
                $t::floor(self)
            }

            #[inline(always)]
            fn lt(self, other: Self) -> bool {
                self < other
            }

            #[inline(always)]
            fn le(self, other: Self) -> bool {
                self <= other
            }

            #[inline(always)]
            fn select(mask: bool, yes: Self, no: Self) -> Self {
                if mask { yes } else { no }
            }

            $($extra)*
        }

        impl Lanes for $t {
            type Scalar = $t;

            const WIDTH: usize = 1;

            fn scalar(value: f64) -> $t {
                value as $t
            }

            #[inline(always)]
            fn splat(value: $t) -> Self {
                value
            }

            #[inline(always)]
            fn read(from: &[$t]) -> Self {
                from[0]
            }

            #[inline(always)]
            fn write(self, to: &mut [$t]) {
                to[0] = self;
            }

            #[inline(always)]
            fn any(mask: bool) -> bool {
                mask
            }

            fn call_with<Q, P: Phase<Q>>(plan: &Q, machine: &mut Cpu<'_, Self>) {
                // Not compiled again for fused multiply-add: a reference need not be fast.
                P::run(plan, machine);
            }

            entries!($t);
        }
    };
}

scalar!(f32 {});
scalar!(f64 {
    fn sin_cos(self) -> (Self, Self) {
        f64::sin_cos(self)
    }

    fn atan2(self, x: Self) -> Self {
        f64::atan2(self, x)
    }

    fn exp(self) -> Self {
        f64::exp(self)
    }
});
