//! 8 and 16 environments at once in the vector registers of x86-64.
//!
//! The only unsafe code of the crate besides the machine's memory. The intrinsics need CPU features: a [`F32x8`] or
//! [`F32x16`] must only be made after [`has_avx2`] or [`has_avx512`] said yes, which `Batch` sees to, and the
//! operations must be inlined into [`Lanes::call`], or they are slow (but right). Reading and writing lanes are plain moves
//! of memory and not intrinsics: they happen outside too, where an intrinsic would be a call.
#![allow(unsafe_code, reason = "vector intrinsics; each needs only the CPU feature that the type stands for")]

use std::arch::x86_64::*;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::num::{Lanes, Num, Phase};
use crate::machine::Cpu;
use crate::plan::Plan;

/// Whether [`F32x8`] may be used.
pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Whether [`F32x16`] may be used.
pub(super) fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

// A phase is a function of its own, so that it shows by name in a profile and its registers are its own.
#[inline(never)]
#[target_feature(enable = "avx2,fma,bmi1,bmi2")]
fn with_avx2<Q, P: Phase<Q>, L: Lanes>(plan: &Q, machine: &mut Cpu<'_, L>) {
    P::run(plan, machine);
}

#[inline(never)]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma,bmi1,bmi2")]
fn with_avx512<Q, P: Phase<Q>, L: Lanes>(plan: &Q, machine: &mut Cpu<'_, L>) {
    P::run(plan, machine);
}

macro_rules! operators {
    ($t:ident: $($op:ident $f:ident $intrinsic:ident),*) => {$(
        impl $op for $t {
            type Output = Self;

            #[inline(always)]
            fn $f(self, other: Self) -> Self {
                // SAFETY: values of this type exist only where the CPU has the feature.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    )*};
}

/// Eight numbers.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct F32x8(__m256);

/// Eight answers: all bits of a lane set or none.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Mask8(__m256);

operators!(F32x8: Add add _mm256_add_ps, Sub sub _mm256_sub_ps, Mul mul _mm256_mul_ps, Div div _mm256_div_ps);
operators!(Mask8: BitAnd bitand _mm256_and_ps, BitOr bitor _mm256_or_ps);

impl Not for Mask8 {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        // SAFETY: see `operators!`.
        Self(unsafe { _mm256_xor_ps(self.0, _mm256_castsi256_ps(_mm256_set1_epi32(-1))) })
    }
}

impl Neg for F32x8 {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        // SAFETY: see `operators!`.
        Self(unsafe { _mm256_xor_ps(self.0, _mm256_set1_ps(-0.0)) })
    }
}

impl Num for F32x8 {
    type Mask = Mask8;

    #[inline(always)]
    fn of(value: f64) -> Self {
        Self::splat(value as f32)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see `operators!`; the same below.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn floor(self) -> Self {
        Self(unsafe { _mm256_floor_ps(self.0) })
    }

    #[inline(always)]
    fn lt(self, other: Self) -> Mask8 {
        Mask8(unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0) })
    }

    #[inline(always)]
    fn le(self, other: Self) -> Mask8 {
        Mask8(unsafe { _mm256_cmp_ps::<_CMP_LE_OQ>(self.0, other.0) })
    }

    #[inline(always)]
    fn select(mask: Mask8, yes: Self, no: Self) -> Self {
        Self(unsafe { _mm256_blendv_ps(no.0, yes.0, mask.0) })
    }
}

impl Lanes for F32x8 {
    type Scalar = f32;

    const WIDTH: usize = 8;

    fn scalar(value: f64) -> f32 {
        value as f32
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    fn read(from: &[f32]) -> Self {
        let from = &from[..8];
        // SAFETY: eight numbers are there.
        Self(unsafe { from.as_ptr().cast::<__m256>().read_unaligned() })
    }

    #[inline(always)]
    fn write(self, to: &mut [f32]) {
        let to = &mut to[..8];
        // SAFETY: there is room for eight numbers.
        unsafe { to.as_mut_ptr().cast::<__m256>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn any(mask: Mask8) -> bool {
        unsafe { _mm256_movemask_ps(mask.0) != 0 }
    }

    fn call_with<Q, P: Phase<Q>>(plan: &Q, machine: &mut Cpu<'_, Self>) {
        debug_assert!(has_avx2());
        unsafe { with_avx2::<Q, P, Self>(plan, machine) }
    }

    entries!(x8);
}

/// Sixteen numbers.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct F32x16(__m512);

/// Sixteen answers: a bit each.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Mask16(__mmask16);

operators!(F32x16: Add add _mm512_add_ps, Sub sub _mm512_sub_ps, Mul mul _mm512_mul_ps, Div div _mm512_div_ps);

impl BitAnd for Mask16 {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Mask16 {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Not for Mask16 {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        Self(!self.0)
    }
}

impl Neg for F32x16 {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        // SAFETY: see `operators!`; the same below.
        Self(unsafe { _mm512_xor_ps(self.0, _mm512_set1_ps(-0.0)) })
    }
}

impl Num for F32x16 {
    type Mask = Mask16;

    #[inline(always)]
    fn of(value: f64) -> Self {
        Self::splat(value as f32)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(unsafe { _mm512_andnot_ps(_mm512_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn floor(self) -> Self {
        Self(unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    fn lt(self, other: Self) -> Mask16 {
        Mask16(unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0) })
    }

    #[inline(always)]
    fn le(self, other: Self) -> Mask16 {
        Mask16(unsafe { _mm512_cmp_ps_mask::<_CMP_LE_OQ>(self.0, other.0) })
    }

    #[inline(always)]
    fn select(mask: Mask16, yes: Self, no: Self) -> Self {
        Self(unsafe { _mm512_mask_blend_ps(mask.0, no.0, yes.0) })
    }
}

impl Lanes for F32x16 {
    type Scalar = f32;

    const WIDTH: usize = 16;

    fn scalar(value: f64) -> f32 {
        value as f32
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn read(from: &[f32]) -> Self {
        let from = &from[..16];
        // SAFETY: sixteen numbers are there.
        Self(unsafe { from.as_ptr().cast::<__m512>().read_unaligned() })
    }

    #[inline(always)]
    fn write(self, to: &mut [f32]) {
        let to = &mut to[..16];
        // SAFETY: there is room for sixteen numbers.
        unsafe { to.as_mut_ptr().cast::<__m512>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn any(mask: Mask16) -> bool {
        mask.0 != 0
    }

    fn call_with<Q, P: Phase<Q>>(plan: &Q, machine: &mut Cpu<'_, Self>) {
        debug_assert!(has_avx512());
        unsafe { with_avx512::<Q, P, Self>(plan, machine) }
    }

    entries!(x16);
}
