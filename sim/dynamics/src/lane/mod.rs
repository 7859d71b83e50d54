//! The numeric vocabulary: the few operations that all physics is written in.
//!
//! A [`Num`] is one number of each environment that a [`Machine`](crate::machine::Machine) steps at once: one
//! (`f64`, `f32`), 4, 8 or 16 ([`F32x4`], `F32x8`, `F32x16`), or the name of a number in a kernel that is being
//! written. An operation does the same, with the same rounding, whatever the width: so the number that an
//! environment gets does not depend on who steps beside it, nor on the machine's vector registers.

/// The functions of [`Lanes`] that must not be generic, so that they are compiled here.
macro_rules! entries {
    ($method:ident) => {
        fn control_step(plan: &Plan, machine: &mut Cpu<'_, Self>) {
            Self::call::<crate::step::ControlStep>(plan, machine);
        }

        fn observe(plan: &Plan, machine: &mut Cpu<'_, Self>) {
            Self::call::<crate::step::Observe>(plan, machine);
        }

        fn work(pass: &dyn crate::block::AnyPass, block: &mut crate::block::Block<'_, Self>) {
            pass.$method(block);
        }
    };
}
mod math;
mod num;
mod portable;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use num::{Lanes, Mask, Num, Phase};
pub use portable::F32x4;
#[cfg(target_arch = "x86_64")]
pub use x86::{F32x8, F32x16};

/// The widest lanes that this CPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// 16 environments at once, AVX-512.
    Avx512,
    /// 8 environments at once, AVX2 with fused multiply-add.
    Avx2,
    /// 4 environments at once, whatever the compiler makes of it.
    Portable,
}

impl Isa {
    /// Asks the CPU.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if x86::has_avx512() {
                return Self::Avx512;
            }
            if x86::has_avx2() {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Environments stepped at once.
    pub fn width(self) -> usize {
        match self {
            Self::Avx512 => 16,
            Self::Avx2 => 8,
            Self::Portable => 4,
        }
    }
}
