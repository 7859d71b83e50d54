//! The tracer compiled for each width of vector registers; which one runs is decided on the machine.
#![allow(
    unsafe_code,
    reason = "each width is called only where the CPU has the instructions it is compiled with"
)]

use keiko_dynamics::lane::{F32x4, Isa};
#[cfg(target_arch = "x86_64")]
use keiko_dynamics::lane::{F32x8, F32x16};

use super::trace::{Band, Shot, band};

/// Traces a band with the widest packets of a processor with these instructions.
pub fn trace(isa: Isa, shot: &Shot<'_>, to: &mut Band<'_>) {
    match isa {
        // SAFETY: who says so asked the CPU (`Isa::detect`).
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { with_avx512(shot, to) },
        // SAFETY: the same.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { with_avx2(shot, to) },
        _ => band::<F32x4>(shot, to),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2")]
fn with_avx2(shot: &Shot<'_>, to: &mut Band<'_>) {
    band::<F32x8>(shot, to);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma,bmi1,bmi2")]
fn with_avx512(shot: &Shot<'_>, to: &mut Band<'_>) {
    band::<F32x16>(shot, to);
}
