//! What the recorder writes does what the same text does on the CPU.

use keiko_dynamics::lane::{Num, Phase};
use keiko_dynamics::machine::{Cpu, Machine, Var};
use keiko_dynamics::plan::Plan;
use keiko_dynamics::record::{self, Kernel};
use keiko_dynamics::space::{Inertia, Mat3, Spatial, V3};
use keiko_gpu::Gpu;

use crate::{upload, with_gpu};

/// More than a workgroup, and not a multiple of it.
const NUM_ENVS: usize = 100;
const STATE: usize = 40;
const CONTROL: usize = 4;
const PARAMETERS: usize = 3;
/// The first of which are the output.
const SCRATCH: usize = STATE + CONTROL;
const OUTPUT: usize = 2;

/// A plan of no robot: state, then control, then output, then numbers of scratch.
fn plan() -> Plan {
    let mut plan = Plan {
        ints: vec![3, 0, 2, 4, 1, 2, 3, 0, 5],
        reals: vec![0.1, -0.7, 1e-3, 2.5, 0.3, -1.5],
        state_len: STATE,
        input: STATE,
        input_len: CONTROL,
        control: STATE,
        fault: SCRATCH,
        output_len: OUTPUT,
        memory_len: SCRATCH + 20,
        parameters_len: PARAMETERS,
        counts_len: 8,
        ..Plan::default()
    };
    plan.actuators.len = CONTROL;
    plan
}

/// Numbers in [-1, 1) that look random.
fn noise(row: usize, env: usize) -> f32 {
    let mixed = (row as u32 * 7919 + env as u32 * 104_729).wrapping_mul(2_654_435_761);
    (mixed >> 8) as f32 / (1 << 23) as f32 - 1.0
}

fn rows(count: usize, from: usize) -> Vec<f32> {
    (0..count * NUM_ENVS).map(|at| noise(from + at / NUM_ENVS, at % NUM_ENVS)).collect()
}

struct Arrays {
    state: Vec<f32>,
    control: Vec<f32>,
    parameters: Vec<f32>,
}

fn arrays() -> Arrays {
    Arrays { state: rows(STATE, 0), control: rows(CONTROL, 100), parameters: rows(PARAMETERS, 200) }
}

/// The state after some steps of the `f32` machine.
fn on_the_cpu<P: Phase>(plan: &Plan, arrays: &Arrays, times: usize) -> Vec<f32> {
    let mut state = arrays.state.clone();
    let reals: Vec<f32> = plan.reals.iter().map(|&x| x as f32).collect();
    for env in 0..NUM_ENVS {
        let column =
            |rows: &[f32]| -> Vec<f32> { rows.iter().skip(env).step_by(NUM_ENVS).copied().collect() };
        let parameters = column(&arrays.parameters);
        for _ in 0..times {
            let mut memory = column(&state);
            memory.extend(column(&arrays.control));
            memory.resize(plan.memory_len, 0.0);
            let mut machine = Cpu {
                memory: &mut memory,
                parameters: &parameters,
                reals: &reals,
                ints: &plan.ints,
                counts: &mut vec![0; plan.counts_len],
            };
            P::run(plan, &mut machine);
            for (row, value) in memory[..STATE].iter().enumerate() {
                state[row * NUM_ENVS + env] = *value;
            }
        }
    }
    state
}

/// The state after some steps on the GPU.
fn on_the_gpu(gpu: &Gpu, kernel: &Kernel, arrays: &Arrays, times: u32) -> Vec<f32> {
    let on_device = upload(gpu, kernel, NUM_ENVS);
    on_device.write("state", &arrays.state).expect("its rows");
    on_device.write("control", &arrays.control).expect("its rows");
    on_device.write("parameters", &arrays.parameters).expect("its rows");
    on_device.run(NUM_ENVS as u32, times);
    on_device.read("state").expect("the device answers")
}

/// Runs a phase on both and compares every number of the state, which must have changed.
fn compare<P: Phase>(gpu: &Gpu, times: u32, tolerance: f32) {
    let (plan, arrays) = (plan(), arrays());
    let kernel = record::kernel::<P>(&plan);
    let expected = on_the_cpu::<P>(&plan, &arrays, times as usize);
    let found = on_the_gpu(gpu, &kernel, &arrays, times);
    assert_ne!(expected, arrays.state, "the phase does nothing");
    for (at, (a, b)) in expected.iter().zip(&found).enumerate() {
        let (row, env) = (at / NUM_ENVS, at % NUM_ENVS);
        let same = a.to_bits() == b.to_bits() || (a - b).abs() <= tolerance * a.abs().max(1.0);
        assert!(same, "row {row} of environment {env}: {a} on the CPU, {b} on the GPU\n{}", kernel.wgsl);
    }
}

/// Every operation of the vocabulary once.
struct Vocabulary;

impl Phase for Vocabulary {
    #[inline(always)]
    fn run<M: Machine>(_: &Plan, m: &mut M) {
        let (a, b, c) = (m.get(0), m.get(1), m.get(2));
        let (p, r) = (m.parameter(1), m.real(1));
        let results = [
            a + b,
            a - p,
            a * r,
            a / (b.abs() + m.num(0.5)),
            -a,
            a.mul_add(b, c),
            a.min(b),
            a.max(b),
            a.abs().sqrt(),
            (a * m.num(10.0)).floor(),
            M::Num::select(a.lt(b) & !b.le(c) | c.gt(a), a, c),
            a.clamp(m.num(-0.25), m.num(1e-3)),
            a.sign() * b.square(),
            m.get(STATE + 3),
            // What the recorder computes itself.
            m.num(2.0).sqrt().mul_add(m.num(-0.0), -m.num(1e-30)),
            M::Num::select(m.num(1.0).lt(m.num(2.0)), a, b),
        ];
        for (k, result) in results.into_iter().enumerate() {
            m.set(3 + k, result);
        }
    }
}

/// Minimum and maximum give the second operand where one is not a number.
struct NotANumber;

impl Phase for NotANumber {
    #[inline(always)]
    fn run<M: Machine>(_: &Plan, m: &mut M) {
        let (a, zero) = (m.get(0), m.get(1) * m.num(0.0));
        let nan = zero / (m.get(0) * m.num(0.0));
        let results =
            [nan.min(a), a.min(nan).max(a), nan.max(a), M::Num::select(nan.lt(a) | a.le(nan), zero, a)];
        for (k, result) in results.into_iter().enumerate() {
            m.set(2 + k, result);
        }
    }
}

/// Loops in loops, up and down, with variables, tables and branches.
struct Loops;

impl Phase for Loops {
    #[inline(always)]
    fn run<M: Machine>(_: &Plan, m: &mut M) {
        let to = m.int(M::Int::from(0) + 8);
        for i in m.range(0, to) {
            let mut sum = m.var(m.get(i));
            for j in m.range_down(0, i + 1) {
                let x = m.get(m.int(j) + 5 + (i - j));
                sum.set(x.mul_add(m.real(m.int(j + 4)), sum.get()));
                if let Some(_then) = m.when(m.equal(m.int(j), 2)) {
                    m.set(SCRATCH + 1, sum.get());
                }
                if let Some(_then) = m.when(m.less(j, i)) {
                    sum.set(sum.get() * m.num(0.5));
                }
            }
            // Read before and after a store to the same place.
            let before = m.get(i);
            m.set(i, sum.get());
            m.set(i + 10, before - m.get(i));
        }
        m.set(30, m.get(SCRATCH + 1));
        m.set(31, m.get(SCRATCH));
    }
}

/// A list of what is active, and work on it: `any`, counts, a loop as long as the list.
struct Lists;

impl Phase for Lists {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        m.set_count(0, M::Int::from(0));
        for i in m.range(0, 6) {
            let active = m.get(i).gt(m.num(0.0));
            if let Some(_then) = m.when(m.any(active)) {
                let len = m.count(0);
                m.set_count(len + 1, i);
                m.set_count(0, len + 1);
            }
        }
        let len = m.count(0);
        for k in m.range(0, len) {
            let at = m.count(k + 1);
            let value = m.get(at);
            // In a lane, environments where this one is not active come here too.
            m.set(at + 10, M::Num::select(value.gt(m.num(0.0)), value + value, m.get(at + 10)));
        }
        m.call::<Vocabulary>(plan);
    }
}

/// Two phases, one of them in a loop and called twice.
struct Nested;

impl Phase for Nested {
    #[inline(always)]
    fn run<M: Machine>(plan: &Plan, m: &mut M) {
        for _ in m.range(0, 3) {
            m.call::<Loops>(plan);
        }
        m.call::<Vocabulary>(plan);
        m.call::<Loops>(plan);
    }
}

/// Functions of angles, frames and inertias.
struct Geometry;

impl Phase for Geometry {
    #[inline(always)]
    fn run<M: Machine>(_: &Plan, m: &mut M) {
        let (sine, cosine) = (m.get(0) * m.num(20.0)).sin_cos();
        m.set(20, sine);
        m.set(21, cosine);
        m.set(22, m.get(1).atan2(m.get(2)));
        let (normal, length) = m.get3(3).normalize_or(V3::unit(0));
        let (a, b) = normal.tangents();
        m.set(23, length);
        m.set3(24, a);
        m.set3(27, b);
        let w = m.num(0.5);
        let rotation = Mat3::from_quaternion(m.get(6), m.get(7), m.get(8), w);
        let rotation = rotation * rotation.transpose();
        let inertia = Inertia::new(m.get(9).abs(), m.get3(10), rotation, m.get3(13), m.get3(14));
        let motion = Spatial { angular: m.get3(16), linear: m.real3(1) };
        let momentum = (inertia + inertia).mul(motion);
        m.set3(30, momentum.angular);
        m.set6(33, motion.cross_force(momentum));
    }
}

/// The tolerances: what 32 bits leave where a `fma` may round twice; the geometry's results are sums of a dozen terms
/// up to 10.
#[test]
fn kernels_compute_what_the_cpu_does() {
    with_gpu("record::kernels_compute_what_the_cpu_does", |gpu| {
        compare::<Vocabulary>(gpu, 1, 2e-7);
        compare::<NotANumber>(gpu, 1, 0.0);
        compare::<Loops>(gpu, 3, 1e-6);
        compare::<Lists>(gpu, 2, 1e-6);
        compare::<Nested>(gpu, 2, 2e-6);
        compare::<Geometry>(gpu, 1, 1e-5);
    });
}

#[test]
fn kernels_are_valid_without_a_gpu() {
    let plan = plan();
    let kernels = [
        record::kernel::<Vocabulary>(&plan),
        record::kernel::<NotANumber>(&plan),
        record::kernel::<Loops>(&plan),
        record::kernel::<Lists>(&plan),
        record::kernel::<Nested>(&plan),
        record::kernel::<Geometry>(&plan),
    ];
    for kernel in kernels {
        keiko_gpu::validate(&kernel.wgsl).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A plan without parameters, control and integers has no empty arrays in its kernel.
#[test]
fn what_a_plan_lacks_is_no_obstacle() {
    struct Count;
    impl Phase for Count {
        fn run<M: Machine>(_: &Plan, m: &mut M) {
            m.set(0, m.get(0) + m.num(1.0));
        }
    }
    let plan = Plan { state_len: 1, fault: 1, output_len: 1, memory_len: 2, ..Plan::default() };
    let kernel = record::kernel::<Count>(&plan);
    keiko_gpu::validate(&kernel.wgsl).unwrap_or_else(|error| panic!("{error}"));
    with_gpu("record::what_a_plan_lacks_is_no_obstacle", |gpu| {
        let arrays = Arrays { state: vec![1.0; NUM_ENVS], control: vec![], parameters: vec![] };
        assert_eq!(on_the_gpu(gpu, &kernel, &arrays, 7), vec![8.0; NUM_ENVS]);
    });
}
