//! The kernel's text while it is written: statements, blocks, and which name may be used where.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

/// A named result. It stands for something only inside the block that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The number in its name.
    pub id: u32,
    /// The block that made it.
    block: u32,
}

/// What an expression gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `f32`.
    Number,
    /// `bool`.
    Answer,
    /// `u32`.
    Index,
}

impl Kind {
    fn prefix(self) -> char {
        match self {
            Self::Number => 'f',
            Self::Answer => 'b',
            Self::Index => 'i',
        }
    }
}

/// Something that an expression reads.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    /// As WGSL.
    pub text: String,
    /// The name in it; a literal has none.
    pub name: Option<Name>,
}

impl Operand {
    pub fn named(kind: Kind, name: Name) -> Self {
        Self { text: format!("{}{}", kind.prefix(), name.id), name: Some(name) }
    }

    pub fn literal(text: String) -> Self {
        Self { text, name: None }
    }

    /// A `var`, to be assigned.
    pub fn variable(name: Name) -> Self {
        Self { text: format!("x{}", name.id), name: Some(name) }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Statement {
    /// A result, left out if nobody reads it.
    Let {
        kind: Kind,
        id: u32,
        value: String,
        uses: Vec<u32>,
    },
    /// A store or a variable.
    Do {
        text: String,
        uses: Vec<u32>,
    },
    /// The head of a loop or branch.
    Open {
        text: String,
        uses: Vec<u32>,
    },
    Close,
}

struct Block {
    number: u32,
    /// Results that need no second computation, by their text.
    known: HashMap<String, Name>,
}

/// Where a loop's body begins, so that it can be written again.
pub(super) struct Body {
    start: usize,
    first_id: u32,
    block: u32,
}

/// The function that is being written.
#[derive(Default)]
pub(super) struct Recording {
    statements: Vec<Statement>,
    blocks: Vec<Block>,
    next_id: u32,
}

thread_local! {
    static RECORDING: RefCell<Option<Recording>> = const { RefCell::new(None) };
    /// Never the same twice on a thread, so that a name of an earlier kernel is known for what it is.
    static NEXT_BLOCK: RefCell<u32> = const { RefCell::new(0) };
}

fn next_block() -> u32 {
    NEXT_BLOCK.with_borrow_mut(|next| {
        *next += 1;
        *next
    })
}

/// Does something with the recording.
///
/// # Panics
/// If there is none on this thread.
pub(super) fn with<T>(f: impl FnOnce(&mut Recording) -> T) -> T {
    RECORDING.with_borrow_mut(|recording| match recording {
        Some(recording) => f(recording),
        None => panic!("a number of a kernel is used while no kernel is being written"),
    })
}

/// The statements that `write` writes, indented once. What is being written already waits and goes on afterwards.
///
/// # Panics
/// If `write` leaves a block open.
pub(super) fn record(write: impl FnOnce()) -> String {
    /// Goes on with it, after a panic too.
    struct Outer(Option<Recording>);
    impl Drop for Outer {
        fn drop(&mut self) {
            RECORDING.set(self.0.take());
        }
    }
    let outermost = Block { number: next_block(), known: HashMap::new() };
    let new = Recording { blocks: vec![outermost], ..Recording::default() };
    let _outer = Outer(RECORDING.replace(Some(new)));
    write();
    with(|recording| {
        assert!(recording.blocks.len() == 1, "a loop or branch is still open at the end of a phase");
        recording.print()
    })
}

impl Recording {
    fn block(&mut self) -> &mut Block {
        self.blocks.last_mut().expect("the outermost block stays open while a kernel is written")
    }

    /// The numbers in the names that are read.
    fn uses(&self, operands: &[Operand]) -> Vec<u32> {
        let names = operands.iter().filter_map(|operand| operand.name.map(|name| (name, &operand.text)));
        names
            .map(|(name, text)| {
                assert!(
                    self.blocks.iter().any(|block| block.number == name.block),
                    "{text} was made in a loop or branch (or an earlier turn of it) and is used outside: what \
                     leaves a loop goes through memory or a `Var`"
                );
                name.id
            })
            .collect()
    }

    fn new_name(&mut self) -> Name {
        let id = self.next_id;
        self.next_id += 1;
        Name { id, block: self.block().number }
    }

    /// `template` with `$0`, `$1`, .. replaced by the operands.
    fn fill(template: &str, operands: &[Operand]) -> String {
        let mut text = template.to_owned();
        for (k, operand) in operands.iter().enumerate() {
            text = text.replace(&format!("${k}"), &operand.text);
        }
        text
    }

    /// A result that depends on its operands alone.
    pub fn pure(&mut self, kind: Kind, template: &str, operands: &[Operand]) -> Name {
        let uses = self.uses(operands);
        let value = Self::fill(template, operands);
        if let Some(name) = self.blocks.iter().find_map(|block| block.known.get(&value)) {
            return *name;
        }
        let name = self.push_let(kind, value.clone(), uses);
        self.block().known.insert(value, name);
        name
    }

    /// A result that depends on when it is computed.
    pub fn load(&mut self, kind: Kind, template: &str, operands: &[Operand]) -> Name {
        let uses = self.uses(operands);
        self.push_let(kind, Self::fill(template, operands), uses)
    }

    fn push_let(&mut self, kind: Kind, value: String, uses: Vec<u32>) -> Name {
        let name = self.new_name();
        self.statements.push(Statement::Let { kind, id: name.id, value, uses });
        name
    }

    /// A store.
    pub fn store(&mut self, template: &str, operands: &[Operand]) {
        let uses = self.uses(operands);
        self.statements.push(Statement::Do { text: Self::fill(template, operands), uses });
    }

    /// A variable.
    pub fn variable(&mut self, value: Operand) -> Name {
        let uses = self.uses(std::slice::from_ref(&value));
        let name = self.new_name();
        self.statements.push(Statement::Do { text: format!("var x{} = {};", name.id, value.text), uses });
        name
    }

    /// Opens a branch; gives its block.
    pub fn open_branch(&mut self, condition: Operand) -> u32 {
        let uses = self.uses(std::slice::from_ref(&condition));
        self.statements.push(Statement::Open { text: format!("if ({}) {{", condition.text), uses });
        self.push_block()
    }

    fn push_block(&mut self) -> u32 {
        let number = next_block();
        self.blocks.push(Block { number, known: HashMap::new() });
        number
    }

    /// Ends the branch that [`Recording::open_branch`] gave.
    pub fn close_branch(&mut self, block: u32) {
        assert!(self.block().number == block, "a branch ends while a loop or branch inside it is open");
        self.blocks.pop();
        self.statements.push(Statement::Close);
    }

    /// Opens a loop over `from..to`, or back from `to - 1`; gives its index.
    pub fn open_loop(&mut self, from: Operand, to: Operand, back: bool) -> (Body, Name) {
        let uses = self.uses(&[from.clone(), to.clone()]);
        let turn = self.new_name().id;
        let (from, to) = (from.text, to.text);
        let (text, index) = if back {
            (format!("for (var k{turn} = {to}; k{turn} > {from}; k{turn}--) {{"), format!("k{turn} - 1u"))
        } else {
            (format!("for (var k{turn} = {from}; k{turn} < {to}; k{turn}++) {{"), format!("k{turn}"))
        };
        self.statements.push(Statement::Open { text, uses });
        let block = self.push_block();
        let name = self.load(Kind::Index, &index, &[]);
        (Body { start: self.statements.len(), first_id: self.next_id, block }, name)
    }

    fn assert_innermost(&mut self, body: &Body) {
        let innermost = self.block().number == body.block;
        assert!(innermost, "a loop turns while a loop or branch inside it is open");
    }

    /// Ends the first turn of a loop's body and begins the second; gives what the first wrote.
    pub fn turn_loop(&mut self, body: &mut Body, index: &mut Name) -> Turn {
        self.assert_innermost(body);
        let first = self.statements.split_off(body.start);
        self.next_id = body.first_id;
        self.blocks.pop();
        body.block = self.push_block();
        index.block = body.block;
        Turn(first)
    }

    /// Ends a loop.
    ///
    /// # Panics
    /// If its second turn differs from the first: the text changed a Rust variable in it, which a kernel would
    /// change once and not in every turn.
    pub fn close_loop(&mut self, body: &Body, first: &Turn) {
        self.assert_innermost(body);
        let second = &self.statements[body.start..];
        if let Some((a, b)) = first.0.iter().zip(second).find(|(a, b)| a != b) {
            panic!("a loop changes a Rust variable: its first turn does {a:?}, its second {b:?}");
        }
        assert!(first.0.len() == second.len(), "a loop changes a Rust variable: its turns differ in length");
        self.blocks.pop();
        self.statements.push(Statement::Close);
    }

    /// The text, without results that nobody reads.
    fn print(&self) -> String {
        let mut read: BTreeSet<u32> = BTreeSet::new();
        let mut lines = Vec::with_capacity(self.statements.len());
        let mut depth = 1;
        for statement in self.statements.iter().rev() {
            let (text, uses): (String, &[u32]) = match statement {
                Statement::Let { id, .. } if !read.contains(id) => continue,
                Statement::Let { kind, id, value, uses } => {
                    (format!("let {}{id} = {value};", kind.prefix()), uses)
                }
                Statement::Do { text, uses } => (text.clone(), uses),
                Statement::Open { text, uses } => {
                    depth -= 1;
                    (text.clone(), uses)
                }
                Statement::Close => ("}".to_owned(), &[]),
            };
            read.extend(uses);
            lines.push(format!("{}{text}\n", "    ".repeat(depth)));
            depth += usize::from(*statement == Statement::Close);
        }
        lines.reverse();
        lines.concat()
    }
}

/// What the first turn of a loop wrote.
pub(super) struct Turn(Vec<Statement>);
