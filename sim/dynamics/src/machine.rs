//! Where the physics runs: memory, tables and control flow.
//!
//! A [`Machine`] is to a step what a processor is to a program. [`Cpu`] executes; the recorder
//! (`record`) writes a kernel that does the same. So that one text serves both, the text keeps to
//! five rules:
//!
//! 1. A loop whose count comes from the robot is `for i in m.range(from, to)`; it survives as a loop in a kernel. A
//!    plain `for k in 0..3` is unrolled there, so its count is small and fixed. No `break`, `continue` or `return`
//!    inside a machine loop or branch, and no `?`.
//! 2. A number that a machine loop changes lives in memory ([`Machine::set`]) or in a [`Machine::Var`], never in a
//!    Rust variable that is assigned again.
//! 3. A branch on the robot is `if let Some(_then) = m.when(condition)` with a condition on integers. A branch on
//!    the state is a [`Num::select`]; [`Machine::any`] may skip work that would change nothing in any
//!    environment, so every store inside keeps, by `select`, the environments that the mask leaves out.
//! 4. No allocation; all sizes are known when the robot is loaded.
//! 5. Functions are `#[inline(always)]`, so that they are compiled with the vector instructions of their caller. A
//!    closure cannot promise that, so there are none in the text, nor in `array::from_fn` or `map`: [`each!`](crate::each)
//!    writes the elements out.

use std::ops::{Add, Mul, Range, Sub};

use crate::lane::{Lanes, Num, Phase};
use crate::plan::Plan;
use crate::space::{Mat3, Spatial, V3};

/// `each!(r => f(r))`: the array `[f(0), f(1), f(2)]`, without a closure; `each!(r in 2 => f(r))` has two elements.
#[macro_export]
macro_rules! each {
    (@ $r:ident $k:literal $value:expr) => {{
        let $r = $k;
        $value
    }};
    ($r:ident => $value:expr) => {
        [$crate::each!(@ $r 0usize $value), $crate::each!(@ $r 1usize $value), $crate::each!(@ $r 2usize $value)]
    };
    ($r:ident in 2 => $value:expr) => {
        [$crate::each!(@ $r 0usize $value), $crate::each!(@ $r 1usize $value)]
    };
}

/// A whole number that is the same in all environments: an index or a count.
pub trait Int:
    Copy
    + From<usize>
    + Add<Self, Output = Self>
    + Add<usize, Output = Self>
    + Sub<Self, Output = Self>
    + Sub<usize, Output = Self>
    + Mul<Self, Output = Self>
    + Mul<usize, Output = Self>
{
}

impl Int for usize {}

/// A variable that a machine loop may change.
pub trait Var<N> {
    /// Its value.
    fn get(&self) -> N;

    /// Changes it.
    fn set(&mut self, value: N);
}

/// See the [module](self). Addresses are in numbers, from 0.
pub trait Machine {
    /// One number of each environment.
    type Num: Num;
    /// An index.
    type Int: Int;
    /// A condition on integers, or on whether any environment needs something.
    type Condition: Copy;
    /// The indices of a loop.
    type Range: Iterator<Item = Self::Int>;
    /// A variable.
    type Var: Var<Self::Num>;
    /// Ends a branch when it is dropped.
    type Then;

    /// A number of working memory.
    fn get(&self, at: impl Into<Self::Int>) -> Self::Num;

    /// Changes a number of working memory.
    fn set(&mut self, at: impl Into<Self::Int>, value: Self::Num);

    /// A parameter: a number that the step reads and that may differ between environments.
    fn parameter(&self, at: impl Into<Self::Int>) -> Self::Num;

    /// A number of the model, the same in all environments.
    fn real(&self, at: impl Into<Self::Int>) -> Self::Num;

    /// The number of the model that lies each environment's own whole-numbered `index`, 0 or more, after `table`.
    fn gather_real(&self, table: impl Into<Self::Int>, index: Self::Num) -> Self::Num;

    /// An integer of the model.
    fn int(&self, at: impl Into<Self::Int>) -> Self::Int;

    /// An integer of working memory.
    fn count(&self, at: impl Into<Self::Int>) -> Self::Int;

    /// Changes an integer of working memory.
    fn set_count(&mut self, at: impl Into<Self::Int>, value: Self::Int);

    /// A new variable.
    fn var(&self, value: Self::Num) -> Self::Var;

    /// `from..to`.
    fn range(&self, from: impl Into<Self::Int>, to: impl Into<Self::Int>) -> Self::Range;

    /// `to - 1` down to `from`.
    type Reverse: Iterator<Item = Self::Int>;

    /// `to - 1` down to `from`.
    fn range_down(&self, from: impl Into<Self::Int>, to: impl Into<Self::Int>) -> Self::Reverse;

    /// `a == b`.
    fn equal(&self, a: Self::Int, b: impl Into<Self::Int>) -> Self::Condition;

    /// `a < b`.
    fn less(&self, a: Self::Int, b: impl Into<Self::Int>) -> Self::Condition;

    /// Whether the mask holds in any environment that is stepped together with this one.
    fn any(&self, mask: <Self::Num as Num>::Mask) -> Self::Condition;

    /// `if let Some(_then) = m.when(condition) { .. }`.
    fn when(&self, condition: Self::Condition) -> Option<Self::Then>;

    /// Runs a phase of the step: a function of its own in what is compiled.
    #[inline(always)]
    fn call<P: Phase>(&mut self, plan: &Plan) {
        self.call_with::<Plan, P>(plan);
    }

    /// Runs a phase that follows something else than the plan of the physics.
    fn call_with<Q, P: Phase<Q>>(&mut self, plan: &Q);

    /// Six consecutive numbers of working memory, angular part first.
    #[inline(always)]
    fn get6(&self, at: impl Into<Self::Int>) -> Spatial<Self::Num> {
        let at = at.into();
        Spatial { angular: self.get3(at), linear: self.get3(at + 3) }
    }

    /// Changes six consecutive numbers of working memory, angular part first.
    #[inline(always)]
    fn set6(&mut self, at: impl Into<Self::Int>, value: Spatial<Self::Num>) {
        let at = at.into();
        self.set3(at, value.angular);
        self.set3(at + 3, value.linear);
    }

    /// `N::of`, short.
    #[inline(always)]
    fn num(&self, value: f64) -> Self::Num {
        Self::Num::of(value)
    }

    /// Three consecutive numbers of working memory.
    #[inline(always)]
    fn get3(&self, at: impl Into<Self::Int>) -> V3<Self::Num> {
        let at = at.into();
        V3::new(self.get(at), self.get(at + 1), self.get(at + 2))
    }

    /// Changes three consecutive numbers of working memory.
    #[inline(always)]
    fn set3(&mut self, at: impl Into<Self::Int>, value: V3<Self::Num>) {
        let at = at.into();
        self.set(at, value.x);
        self.set(at + 1, value.y);
        self.set(at + 2, value.z);
    }

    /// Nine consecutive numbers of working memory, row by row.
    #[inline(always)]
    fn get9(&self, at: impl Into<Self::Int>) -> Mat3<Self::Num> {
        let at = at.into();
        Mat3 { rows: [self.get3(at), self.get3(at + 3), self.get3(at + 6)] }
    }

    /// Changes nine consecutive numbers of working memory, row by row.
    #[inline(always)]
    fn set9(&mut self, at: impl Into<Self::Int>, value: Mat3<Self::Num>) {
        let at = at.into();
        for (k, row) in value.rows.into_iter().enumerate() {
            self.set3(at + 3 * k, row);
        }
    }

    /// Three consecutive numbers of the model.
    #[inline(always)]
    fn real3(&self, at: impl Into<Self::Int>) -> V3<Self::Num> {
        let at = at.into();
        V3::new(self.real(at), self.real(at + 1), self.real(at + 2))
    }

    /// Nine consecutive numbers of the model, row by row.
    #[inline(always)]
    fn real9(&self, at: impl Into<Self::Int>) -> Mat3<Self::Num> {
        let at = at.into();
        Mat3 { rows: [self.real3(at), self.real3(at + 3), self.real3(at + 6)] }
    }

    /// Three consecutive parameters.
    #[inline(always)]
    fn parameter3(&self, at: impl Into<Self::Int>) -> V3<Self::Num> {
        let at = at.into();
        V3::new(self.parameter(at), self.parameter(at + 1), self.parameter(at + 2))
    }
}

/// The machine that executes, [`Lanes::WIDTH`] environments at once.
pub struct Cpu<'a, L: Lanes> {
    /// Working memory.
    pub memory: &'a mut [L],
    /// Parameters.
    pub parameters: &'a [L],
    /// Numbers of the model.
    pub reals: &'a [L::Scalar],
    /// Integers of the model.
    pub ints: &'a [u32],
    /// Integers of working memory.
    pub counts: &'a mut [u32],
}

/// A variable of [`Cpu`].
pub struct CpuVar<N>(N);

impl<N: Copy> Var<N> for CpuVar<N> {
    #[inline(always)]
    fn get(&self) -> N {
        self.0
    }

    #[inline(always)]
    fn set(&mut self, value: N) {
        self.0 = value;
    }
}

impl<L: Lanes> Machine for Cpu<'_, L> {
    type Num = L;
    type Int = usize;
    type Condition = bool;
    type Range = Range<usize>;
    type Reverse = std::iter::Rev<Range<usize>>;
    type Var = CpuVar<L>;
    type Then = ();

    #[inline(always)]
    fn get(&self, at: impl Into<usize>) -> L {
        self.memory[at.into()]
    }

    #[inline(always)]
    fn set(&mut self, at: impl Into<usize>, value: L) {
        self.memory[at.into()] = value;
    }

    #[inline(always)]
    fn parameter(&self, at: impl Into<usize>) -> L {
        self.parameters[at.into()]
    }

    #[inline(always)]
    fn real(&self, at: impl Into<usize>) -> L {
        L::splat(self.reals[at.into()])
    }

    #[inline(always)]
    fn gather_real(&self, table: impl Into<usize>, index: L) -> L {
        L::gather(&self.reals[table.into()..], index)
    }

    #[inline(always)]
    fn int(&self, at: impl Into<usize>) -> usize {
        self.ints[at.into()] as usize
    }

    #[inline(always)]
    fn count(&self, at: impl Into<usize>) -> usize {
        self.counts[at.into()] as usize
    }

    #[inline(always)]
    fn set_count(&mut self, at: impl Into<usize>, value: usize) {
        self.counts[at.into()] = value as u32;
    }

    #[inline(always)]
    fn var(&self, value: L) -> CpuVar<L> {
        CpuVar(value)
    }

    #[inline(always)]
    fn range(&self, from: impl Into<usize>, to: impl Into<usize>) -> Range<usize> {
        from.into()..to.into()
    }

    #[inline(always)]
    fn range_down(&self, from: impl Into<usize>, to: impl Into<usize>) -> Self::Reverse {
        (from.into()..to.into()).rev()
    }

    #[inline(always)]
    fn equal(&self, a: usize, b: impl Into<usize>) -> bool {
        a == b.into()
    }

    #[inline(always)]
    fn less(&self, a: usize, b: impl Into<usize>) -> bool {
        a < b.into()
    }

    #[inline(always)]
    fn any(&self, mask: L::Mask) -> bool {
        L::any(mask)
    }

    #[inline(always)]
    fn when(&self, condition: bool) -> Option<()> {
        condition.then_some(())
    }

    #[inline(always)]
    fn call_with<Q, P: Phase<Q>>(&mut self, plan: &Q) {
        L::call_with::<Q, P>(plan, self);
    }
}
