//! Numbers, answers and indices of a kernel: literals, or names of results.

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::text::{Kind, Name, Operand, with};
use crate::lane::Num;
use crate::machine::{Int, Var};

/// A number.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub(super) Value<f32>);

/// The answer of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Answer(pub(super) Value<bool>);

/// An index or count.
#[derive(Clone, Copy, Debug)]
pub struct Index(pub(super) Value<u32>);

/// What is known of a result.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<T> {
    /// All: the plan decides it.
    Literal(T),
    /// Its name.
    Name(Name),
}

/// A type of WGSL.
pub(super) trait Wgsl: Copy {
    /// Which.
    const KIND: Kind;
    /// It, with all bits.
    fn print(self) -> String;
}

impl Wgsl for f32 {
    const KIND: Kind = Kind::Number;

    fn print(self) -> String {
        assert!(self.is_finite(), "{self} in a kernel: WGSL lets compilers assume that there is none");
        // The shortest decimal that reads back as the same bits.
        if self.is_sign_negative() { format!("({self:?}f)") } else { format!("{self:?}f") }
    }
}

impl Wgsl for bool {
    const KIND: Kind = Kind::Answer;

    fn print(self) -> String {
        self.to_string()
    }
}

impl Wgsl for u32 {
    const KIND: Kind = Kind::Index;

    fn print(self) -> String {
        format!("{self}u")
    }
}

impl<T: Wgsl> Value<T> {
    pub fn operand(self) -> Operand {
        match self {
            Self::Literal(value) => Operand::literal(value.print()),
            Self::Name(name) => Operand::named(T::KIND, name),
        }
    }

    /// A result that depends on its operands alone. `$0`, `$1`, .. in the template are the operands.
    pub fn pure(template: &str, operands: &[Operand]) -> Self {
        Self::Name(with(|recording| recording.pure(T::KIND, template, operands)))
    }

    /// A result that depends on when it is computed.
    pub fn load(template: &str, operands: &[Operand]) -> Self {
        Self::Name(with(|recording| recording.load(T::KIND, template, operands)))
    }
}

/// A function of one operand; computed now if it is a literal.
fn unary<A: Wgsl, T: Wgsl>(template: &str, a: Value<A>, now: impl FnOnce(A) -> T) -> Value<T> {
    match a {
        Value::Literal(a) => Value::Literal(now(a)),
        Value::Name(_) => Value::pure(template, &[a.operand()]),
    }
}

/// A function of two operands; computed now if they are literals.
fn binary<A: Wgsl, T: Wgsl>(
    template: &str,
    a: Value<A>,
    b: Value<A>,
    now: impl FnOnce(A, A) -> T,
) -> Value<T> {
    match (a, b) {
        (Value::Literal(a), Value::Literal(b)) => Value::Literal(now(a, b)),
        _ => Value::pure(template, &[a.operand(), b.operand()]),
    }
}

/// `a < b`, as WGSL.
pub(super) fn less<A: Wgsl + PartialOrd>(a: Value<A>, b: Value<A>) -> Answer {
    Answer(binary("($0 < $1)", a, b, |a, b| a < b))
}

/// `a == b`, as WGSL.
pub(super) fn equal(a: Index, b: Index) -> Answer {
    Answer(binary("($0 == $1)", a.0, b.0, |a, b| a == b))
}

macro_rules! operators {
    ($type:ty, $inner:ty: $($op:ident $f:ident $template:literal $now:expr;)*) => {
        $(impl $op for $type {
            type Output = Self;

            fn $f(self, other: Self) -> Self {
                let now: fn($inner, $inner) -> $inner = $now;
                Self(binary($template, self.0, other.0, now))
            }
        })*
    };
}

operators! { Number, f32:
    Add add "($0 + $1)" |a, b| a + b;
    Sub sub "($0 - $1)" |a, b| a - b;
    Mul mul "($0 * $1)" |a, b| a * b;
    Div div "($0 / $1)" |a, b| a / b;
}

operators! { Answer, bool:
    BitAnd bitand "($0 & $1)" |a, b| a & b;
    BitOr bitor "($0 | $1)" |a, b| a | b;
}

impl Neg for Number {
    type Output = Self;

    fn neg(self) -> Self {
        Self(unary("(-$0)", self.0, |a: f32| -a))
    }
}

impl Not for Answer {
    type Output = Self;

    fn not(self) -> Self {
        Self(unary("(!$0)", self.0, |a: bool| !a))
    }
}

impl Num for Number {
    type Mask = Answer;

    fn of(value: f64) -> Self {
        Self(Value::Literal(value as f32))
    }

    fn mul_add(self, factor: Self, addend: Self) -> Self {
        if let (Value::Literal(a), Value::Literal(b), Value::Literal(c)) = (self.0, factor.0, addend.0) {
            return Self(Value::Literal(a.mul_add(b, c)));
        }
        let operands = [self.0.operand(), factor.0.operand(), addend.0.operand()];
        Self(Value::pure("fma($0, $1, $2)", &operands))
    }

    // Not WGSL's `min` and `max`: those may give either operand where one is NaN.
    fn min(self, other: Self) -> Self {
        Self::select(self.lt(other), self, other)
    }

    fn max(self, other: Self) -> Self {
        Self::select(other.lt(self), self, other)
    }

    fn abs(self) -> Self {
        Self(unary("abs($0)", self.0, f32::abs))
    }

    fn sqrt(self) -> Self {
        Self(unary("sqrt($0)", self.0, f32::sqrt))
    }

    fn floor(self) -> Self {
        Self(unary("floor($0)", self.0, f32::floor))
    }

    fn lt(self, other: Self) -> Answer {
        less(self.0, other.0)
    }

    fn le(self, other: Self) -> Answer {
        Answer(binary("($0 <= $1)", self.0, other.0, |a, b| a <= b))
    }

    fn select(mask: Answer, yes: Self, no: Self) -> Self {
        match mask.0 {
            Value::Literal(true) => yes,
            Value::Literal(false) => no,
            // WGSL has the value for `false` first.
            Value::Name(_) => {
                Self(Value::pure("select($2, $1, $0)", &[mask.0.operand(), yes.0.operand(), no.0.operand()]))
            }
        }
    }
}

impl From<usize> for Index {
    fn from(value: usize) -> Self {
        Self(Value::Literal(u32::try_from(value).expect("a kernel's memory has fewer than 2^32 numbers")))
    }
}

impl Add for Index {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        match (self.0, other.0) {
            (_, Value::Literal(0)) => self,
            (Value::Literal(0), _) => other,
            (a, b) => Self(binary("($0 + $1)", a, b, |a, b| a + b)),
        }
    }
}

impl Sub for Index {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        match (self.0, other.0) {
            (_, Value::Literal(0)) => self,
            (a, b) => Self(binary("($0 - $1)", a, b, |a, b| {
                a.checked_sub(b).expect("an index of the physics is not negative")
            })),
        }
    }
}

impl Mul for Index {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        match (self.0, other.0) {
            (_, Value::Literal(1)) => self,
            (Value::Literal(1), _) => other,
            (Value::Literal(0), _) | (_, Value::Literal(0)) => Self::from(0),
            (a, b) => Self(binary("($0 * $1)", a, b, |a, b| a * b)),
        }
    }
}

macro_rules! with_usize {
    ($($op:ident $f:ident;)*) => {
        $(impl $op<usize> for Index {
            type Output = Self;

            fn $f(self, other: usize) -> Self {
                $op::$f(self, Self::from(other))
            }
        })*
    };
}

with_usize! { Add add; Sub sub; Mul mul; }

impl Int for Index {}

/// A variable of a kernel.
#[derive(Debug)]
pub struct Variable(Name);

impl Variable {
    pub(super) fn new(value: Number) -> Self {
        Self(with(|recording| recording.variable(value.0.operand())))
    }
}

impl Var<Number> for Variable {
    fn get(&self) -> Number {
        Number(Value::load("$0", &[Operand::variable(self.0)]))
    }

    fn set(&mut self, value: Number) {
        let operands = [Operand::variable(self.0), value.0.operand()];
        with(|recording| recording.store("$0 = $1;", &operands));
    }
}
