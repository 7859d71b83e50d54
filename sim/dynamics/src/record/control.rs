//! Loops and branches of a kernel.

use super::number::{Answer, Index, Value};
use super::text::{Body, Turn, with};

/// The indices of a loop: one, whose name stands for all. A plan that says that there is none, or one, saves the loop.
///
/// The body is written twice and kept once: what differs the second time is a Rust variable that the text changed.
pub struct Loop(State);

enum State {
    Known(Option<Index>),
    Before { from: Index, to: Index, back: bool },
    First { body: Body, index: super::text::Name },
    Second { body: Body, first: Turn },
    Over,
}

impl Loop {
    pub(super) fn new(from: Index, to: Index, back: bool) -> Self {
        Self(match (from.0, to.0) {
            (Value::Literal(from), Value::Literal(to)) if to <= from => State::Known(None),
            (Value::Literal(a), Value::Literal(b)) if b == a + 1 => State::Known(Some(from)),
            _ => State::Before { from, to, back },
        })
    }
}

impl Iterator for Loop {
    type Item = Index;

    fn next(&mut self) -> Option<Index> {
        match std::mem::replace(&mut self.0, State::Over) {
            State::Known(index) => index,
            State::Before { from, to, back } => {
                let (from, to) = (from.0.operand(), to.0.operand());
                let (body, index) = with(|recording| recording.open_loop(from, to, back));
                self.0 = State::First { body, index };
                Some(Index(Value::Name(index)))
            }
            State::First { mut body, mut index } => {
                let first = with(|recording| recording.turn_loop(&mut body, &mut index));
                self.0 = State::Second { body, first };
                Some(Index(Value::Name(index)))
            }
            State::Second { body, first } => {
                with(|recording| recording.close_loop(&body, &first));
                None
            }
            State::Over => None,
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let left_early = matches!(self.0, State::First { .. } | State::Second { .. });
        assert!(
            !left_early || std::thread::panicking(),
            "a machine loop was left by `break`, `return` or `?`"
        );
    }
}

/// Ends a branch when it is dropped; nothing to end if the plan decides the condition.
pub struct Branch(Option<u32>);

impl Branch {
    pub(super) fn open(condition: Answer) -> Option<Self> {
        match condition.0 {
            Value::Literal(holds) => holds.then_some(Self(None)),
            Value::Name(_) => {
                Some(Self(Some(with(|recording| recording.open_branch(condition.0.operand())))))
            }
        }
    }
}

impl Drop for Branch {
    fn drop(&mut self) {
        if let Some(block) = self.0
            && !std::thread::panicking()
        {
            with(|recording| recording.close_branch(block));
        }
    }
}
