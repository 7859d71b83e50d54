//! The recorder: a machine whose numbers are names. Running a [`Phase`] on it once writes a WGSL compute kernel that
//! does the same, one thread an environment.
//!
//! Machine loops stay loops, so a kernel grows with the text of the physics and not with the robot. Every access to
//! memory is written where it happens; results that nobody reads are left out. What the plan decides (an integer at
//! a known place, a branch on it, a loop of one turn) is decided while the kernel is written.

mod control;
mod number;
#[cfg(test)]
mod tests;
mod text;

pub use control::{Branch, Loop};
pub use number::{Answer, Index, Number, Variable};

use self::number::{Value, equal, less};
use self::text::with;
use crate::lane::Phase;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::step::ControlStep;

/// The entry point's name.
pub const ENTRY: &str = "main";

/// Threads of a workgroup.
const WORKGROUP_SIZE: u32 = 64;

/// A compute kernel. Its bindings, all in group 0, are arrays:
///
/// | binding | name | element | access | length |
/// |---|---|---|---|---|
/// | 0 | `state` | `f32` | read and write | [`Kernel::state_len`] rows of `num_envs` |
/// | 1 | `control` | `f32` | read | [`Kernel::control_len`] rows of `num_envs`: controls, or what a task gets |
/// | 2 | `parameters` | `f32` | read | [`Kernel::parameters_len`] rows of `num_envs` |
/// | 3 | `reals` | `f32` | read | [`Kernel::reals`] |
/// | 4 | `ints` | `u32` | read | [`Kernel::ints`] |
/// | 5 | `output` | `f32` | read and write | [`Kernel::output_len`] rows of `num_envs` |
/// | 6 | `memory` | `f32` | scratch | [`Kernel::memory_len`] rows of `num_envs` |
///
/// The number of environments follows from the length of `state`. An array of no rows is bound with one unused element.
/// Working memory is an array of the device and not of the thread: a driver sets each thread's own memory to zero and
/// holds it for as many threads as the device could run.
///
/// An environment whose fault is not 0 stays as it is; one that breaks keeps its state and output of before, but
/// for the fault.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Its text.
    pub wgsl: String,
    /// Threads of a workgroup; one thread steps one environment.
    pub workgroup_size: u32,
    /// Numbers of an environment that live from step to step.
    pub state_len: usize,
    /// Numbers of an environment's control, or of what a task gets instead.
    pub control_len: usize,
    /// Numbers of an environment's parameters.
    pub parameters_len: usize,
    /// Numbers of an environment's output.
    pub output_len: usize,
    /// Numbers of an environment's working memory.
    pub memory_len: usize,
    /// Numbers of the model.
    pub reals: Vec<f32>,
    /// Integers of the model.
    pub ints: Vec<u32>,
}

/// Writes the kernel of a phase.
///
/// # Panics
/// If the phase breaks a rule of [`machine`](crate::machine): a number that is made in a loop and used outside
/// without going through memory or a variable, a loop that is left early or changes a Rust variable, an address
/// outside the plan's memory.
pub fn kernel<P: Phase>(plan: &Plan) -> Kernel {
    let mut recorder = Recorder { plan, functions: Vec::new() };
    let step = recorder.function::<Plan, P>(plan);
    recorder.kernel("", &step, "")
}

/// Writes the kernel of a task's control step: what the task does before the physics, the physics, and what it does
/// after it. What comes after is left out for an environment that breaks.
///
/// # Panics
/// As [`kernel`].
pub fn task_kernel<Q, Before: Phase<Q>, After: Phase<Q>>(plan: &Plan, task: &Q) -> Kernel {
    let mut recorder = Recorder { plan, functions: Vec::new() };
    let before = recorder.function::<Q, Before>(task);
    let step = recorder.control_step();
    let after = recorder.function::<Q, After>(task);
    // A task compares with what the last step said, and says it again where this one has nothing to say.
    let (len, output) = (plan.output_len, plan.fault);
    let recall = format!(
        "\
for (var row = 0u; row < {len}u; row++) {{
        memory[({output}u + row) * num_envs + env] = output[row * num_envs + env];
    }}
    "
    );
    recorder.kernel(&format!("{recall}{before}();"), &step, &format!("{after}();"))
}

/// The kernel around the functions that were written.
fn assemble(plan: &Plan, wgsl: String) -> Kernel {
    Kernel {
        wgsl,
        workgroup_size: WORKGROUP_SIZE,
        state_len: plan.state_len,
        control_len: plan.input_len,
        parameters_len: plan.parameters_len,
        output_len: plan.output_len,
        memory_len: plan.memory_len,
        reals: plan.reals.iter().map(|&x| x as f32).collect(),
        ints: plan.ints.clone(),
    }
}

/// The module around the functions, of which one is the step.
fn module(plan: &Plan, functions: &[Function], before: &str, step: &str, after: &str) -> String {
    let functions: Vec<&str> = functions.iter().map(|function| function.text.as_str()).collect();
    let functions = functions.join("\n");
    // WGSL has no empty arrays.
    let counts_len = plan.counts_len.max(1);
    let (state_len, control_len, output_len) = (plan.state_len, plan.input_len, plan.output_len);
    let (control, output) = (plan.input, plan.fault);

    format!(
        "\
@group(0) @binding(0) var<storage, read_write> state: array<f32>;
@group(0) @binding(1) var<storage, read> control: array<f32>;
@group(0) @binding(2) var<storage, read> parameters: array<f32>;
@group(0) @binding(3) var<storage, read> reals: array<f32>;
@group(0) @binding(4) var<storage, read> ints: array<u32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;
@group(0) @binding(6) var<storage, read_write> memory: array<f32>;

var<private> counts: array<u32, {counts_len}>;
var<private> env: u32;
var<private> num_envs: u32;

{functions}
@compute @workgroup_size({WORKGROUP_SIZE})
fn {ENTRY}(@builtin(global_invocation_id) thread: vec3<u32>) {{
    env = thread.x;
    num_envs = arrayLength(&state) / {state_len}u;
    if (env >= num_envs) {{
        return;
    }}
    // The first row of the output is the fault: a broken environment rests until its reset.
    if (output[env] > 0.5f) {{
        return;
    }}
    for (var row = 0u; row < {state_len}u; row++) {{
        memory[row * num_envs + env] = state[row * num_envs + env];
    }}
    for (var row = 0u; row < {control_len}u; row++) {{
        memory[({control}u + row) * num_envs + env] = control[row * num_envs + env];
    }}
    {before}
    {step}();
    output[env] = memory[{output}u * num_envs + env];
    if (output[env] > 0.5f) {{
        return;
    }}
    {after}
    for (var row = 0u; row < {state_len}u; row++) {{
        state[row * num_envs + env] = memory[row * num_envs + env];
    }}
    for (var row = 0u; row < {output_len}u; row++) {{
        output[row * num_envs + env] = memory[({output}u + row) * num_envs + env];
    }}
}}
"
    )
}

/// A name for the phase `module::Phase` in WGSL. The number keeps it apart from other phases and from WGSL's words.
fn function_name(phase: &str, number: usize) -> String {
    let path = phase.split('<').next().unwrap_or_default();
    let last = path.rsplit("::").next().unwrap_or_default();
    let letters: String = last.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("phase_{number}_{}", letters.to_ascii_lowercase())
}

/// A phase as a function of the kernel.
struct Function {
    /// The phase's path in Rust.
    phase: &'static str,
    name: String,
    text: String,
}

/// The machine that writes what it is asked to do.
struct Recorder<'a> {
    plan: &'a Plan,
    functions: Vec<Function>,
}

impl Recorder<'_> {
    /// The control step of the physics: compiled here, whoever writes a kernel with it.
    fn control_step(&mut self) -> String {
        self.function::<Plan, ControlStep>(self.plan)
    }

    fn kernel(&self, before: &str, step: &str, after: &str) -> Kernel {
        assemble(self.plan, module(self.plan, &self.functions, before, step, after))
    }

    /// The function that a phase became; written at the first call.
    fn function<Q, P: Phase<Q>>(&mut self, plan: &Q) -> String {
        let phase = std::any::type_name::<P>();
        if let Some(known) = self.functions.iter().find(|function| function.phase == phase) {
            return known.name.clone();
        }
        let body = text::record(|| P::run(plan, self));
        let name = function_name(phase, self.functions.len());
        let text = format!("// {phase}\nfn {name}() {{\n{body}}}\n");
        self.functions.push(Function { phase, name: name.clone(), text });
        name
    }

    /// An address; checked where it is known.
    fn address(&self, at: impl Into<Index>, len: usize, table: &str) -> Index {
        let at = at.into();
        if let Value::Literal(at) = at.0 {
            assert!((at as usize) < len, "address {at} in {table}, which has {len} places");
        }
        at
    }
}

impl Machine for Recorder<'_> {
    type Num = Number;
    type Int = Index;
    type Condition = Answer;
    type Range = Loop;
    type Reverse = Loop;
    type Var = Variable;
    type Then = Branch;

    fn get(&self, at: impl Into<Index>) -> Number {
        let at = self.address(at, self.plan.memory_len, "memory");
        Number(Value::load("memory[$0 * num_envs + env]", &[at.0.operand()]))
    }

    fn set(&mut self, at: impl Into<Index>, value: Number) {
        let at = self.address(at, self.plan.memory_len, "memory");
        with(|recording| {
            recording.store("memory[$0 * num_envs + env] = $1;", &[at.0.operand(), value.0.operand()])
        });
    }

    fn parameter(&self, at: impl Into<Index>) -> Number {
        let at = self.address(at, self.plan.parameters_len, "parameters");
        Number(Value::pure("parameters[$0 * num_envs + env]", &[at.0.operand()]))
    }

    fn real(&self, at: impl Into<Index>) -> Number {
        let at = self.address(at, self.plan.reals.len(), "reals");
        Number(Value::pure("reals[$0]", &[at.0.operand()]))
    }

    fn gather_real(&self, table: impl Into<Index>, index: Number) -> Number {
        let table = self.address(table, self.plan.reals.len(), "reals");
        let last = Value::Literal(self.plan.reals.len().saturating_sub(1) as u32).operand();
        let operands = [table.0.operand(), index.0.operand(), last];
        Number(Value::pure("reals[min($0 + u32(max($1, 0.0f)), $2)]", &operands))
    }

    fn int(&self, at: impl Into<Index>) -> Index {
        let at = self.address(at, self.plan.ints.len(), "ints");
        Index(match at.0 {
            Value::Literal(at) => Value::Literal(self.plan.ints[at as usize]),
            Value::Name(_) => Value::pure("ints[$0]", &[at.0.operand()]),
        })
    }

    fn count(&self, at: impl Into<Index>) -> Index {
        let at = self.address(at, self.plan.counts_len, "counts");
        Index(Value::load("counts[$0]", &[at.0.operand()]))
    }

    fn set_count(&mut self, at: impl Into<Index>, value: Index) {
        let at = self.address(at, self.plan.counts_len, "counts");
        with(|recording| recording.store("counts[$0] = $1;", &[at.0.operand(), value.0.operand()]));
    }

    fn var(&self, value: Number) -> Variable {
        Variable::new(value)
    }

    fn range(&self, from: impl Into<Index>, to: impl Into<Index>) -> Loop {
        Loop::new(from.into(), to.into(), false)
    }

    fn range_down(&self, from: impl Into<Index>, to: impl Into<Index>) -> Loop {
        Loop::new(from.into(), to.into(), true)
    }

    fn equal(&self, a: Index, b: impl Into<Index>) -> Answer {
        equal(a, b.into())
    }

    fn less(&self, a: Index, b: impl Into<Index>) -> Answer {
        less(a.0, b.into().0)
    }

    /// A thread steps its environment alone.
    fn any(&self, mask: Answer) -> Answer {
        mask
    }

    fn when(&self, condition: Answer) -> Option<Branch> {
        Branch::open(condition)
    }

    fn call_with<Q, P: Phase<Q>>(&mut self, plan: &Q) {
        let name = self.function::<Q, P>(plan);
        with(|recording| recording.store(&format!("{name}();"), &[]));
    }
}
