//! What a kernel says, and what it refuses to say. What it computes is tested where a device is.

use super::{Kernel, kernel};
use crate::lane::{Num, Phase};
use crate::machine::{Machine, Var};
use crate::plan::Plan;

fn write<P: Phase>() -> Kernel {
    let plan =
        Plan { ints: vec![2, 0, 7], reals: vec![1.0], memory_len: 10, counts_len: 2, ..Plan::default() };
    kernel::<P>(&plan)
}

/// The statements of a kernel of one phase.
fn statements<P: Phase>() -> Vec<String> {
    let text = write::<P>().wgsl;
    let from = text.find("() {\n").expect("a kernel has a function") + "() {\n".len();
    let to = from + text[from..].find("\n}").expect("a function has an end");
    text[from..to].lines().map(|line| line.trim().to_owned()).collect()
}

macro_rules! phase {
    ($name:ident, |$plan:ident, $m:ident| $body:block) => {
        struct $name;

        impl Phase for $name {
            fn run<M: Machine>($plan: &Plan, $m: &mut M) $body
        }
    };
}

#[test]
fn loops_and_branches_survive_and_stores_keep_their_order() {
    phase!(Text, |_plan, m| {
        let n = m.count(0);
        for i in m.range(0, n) {
            let before = m.get(i + 4);
            m.set(i, before + before);
            m.set(i, m.get(i) * before);
            if let Some(_then) = m.when(m.less(i, 3)) {
                m.set_count(1, i + 4);
            }
        }
        for i in m.range_down(1, n) {
            m.set(i, m.real(0));
        }
    });
    let expected = "\
let i0 = counts[0u];
for (var k1 = 0u; k1 < i0; k1++) {
let i2 = k1;
let i3 = (i2 + 4u);
let f4 = memory[i3 * num_envs + env];
let f5 = (f4 + f4);
memory[i2 * num_envs + env] = f5;
let f6 = memory[i2 * num_envs + env];
let f7 = (f6 * f4);
memory[i2 * num_envs + env] = f7;
let b8 = (i2 < 3u);
if (b8) {
counts[1u] = i3;
}
}
for (var k9 = i0; k9 > 1u; k9--) {
let i10 = k9 - 1u;
let f11 = reals[0u];
memory[i10 * num_envs + env] = f11;
}";
    assert_eq!(statements::<Text>(), expected.lines().collect::<Vec<_>>());
}

#[test]
fn what_the_plan_decides_is_decided_and_what_nobody_reads_is_left_out() {
    phase!(Decided, |_plan, m| {
        // ints[0] = 2, ints[1] = 0.
        let (two, none) = (m.int(0), m.int(1));
        for i in m.range(0, none) {
            m.set(i, m.num(1.0));
        }
        for i in m.range(two, 3) {
            if let Some(_then) = m.when(m.equal(i, two)) {
                m.set(i * 2 + none, m.num(1.0).mul_add(m.num(0.5), m.num(-2.0)));
            }
            if let Some(_then) = m.when(m.less(i, two)) {
                m.set(0, m.num(1.0));
            }
        }
        let unread = m.get(3).sqrt();
        let _ = unread * unread;
    });
    assert_eq!(statements::<Decided>(), ["memory[4u * num_envs + env] = (-1.5f);"]);
}

#[test]
fn a_phase_is_one_function_however_often_it_is_called() {
    phase!(Part, |_plan, m| { m.set(0, m.get(1)) });
    phase!(Whole, |plan, m| {
        m.call::<Part>(plan);
        m.call::<Part>(plan);
    });
    let text = write::<Whole>().wgsl;
    assert_eq!(text.matches("fn phase_0_part()").count(), 1, "{text}");
    assert_eq!(text.matches("    phase_0_part();").count(), 2, "{text}");
    assert_eq!(text.matches("    phase_1_whole();").count(), 1, "{text}");
}

#[test]
#[should_panic(expected = "was made in a loop or branch")]
fn a_number_does_not_leave_its_loop() {
    phase!(Leaves, |_plan, m| {
        let mut last = m.get(0);
        for i in m.range(0, 4) {
            last = m.get(i);
        }
        m.set(0, last);
    });
    write::<Leaves>();
}

#[test]
#[should_panic(expected = "was made in a loop or branch")]
fn a_number_does_not_reach_the_next_turn() {
    phase!(Carries, |_plan, m| {
        let mut sum = m.get(0);
        for i in m.range(0, 4) {
            sum = sum + m.get(i);
            m.set(i, sum);
        }
    });
    write::<Carries>();
}

#[test]
#[should_panic(expected = "a loop changes a Rust variable")]
fn a_count_of_rust_does_not_change_in_a_loop() {
    phase!(Counts, |_plan, m| {
        for (at, i) in m.range(0, 4).enumerate() {
            m.set(at, m.get(i));
        }
    });
    write::<Counts>();
}

#[test]
#[should_panic(expected = "was made in a loop or branch")]
fn a_variable_does_not_leave_its_branch() {
    phase!(Leaves, |_plan, m| {
        let mut outer = None;
        if let Some(_then) = m.when(m.any(m.get(0).lt(m.get(1)))) {
            outer = Some(m.var(m.get(2)));
        }
        m.set(0, outer.map_or(m.num(0.0), |var| var.get()));
    });
    write::<Leaves>();
}

#[test]
#[should_panic(expected = "left by `break`")]
fn a_loop_is_not_left_early() {
    phase!(Breaks, |plan, m| {
        for i in m.range(0, 4) {
            m.set(i, m.num(0.0));
            if plan.ints.len() == 3 {
                break;
            }
        }
    });
    write::<Breaks>();
}

#[test]
#[should_panic(expected = "while a loop or branch inside it is open")]
fn a_branch_does_not_outlive_its_loop() {
    phase!(Outlives, |_plan, m| {
        let mut open = Vec::new();
        for i in m.range(0, 4) {
            open.push(m.when(m.less(m.count(0), i)));
        }
    });
    write::<Outlives>();
}

#[test]
#[should_panic(expected = "address 10 in memory, which has 10 places")]
fn an_address_outside_memory_is_refused() {
    phase!(Outside, |_plan, m| { m.set(M::Int::from(9) + 1, m.num(0.0)) });
    write::<Outside>();
}

#[test]
#[should_panic(expected = "inf in a kernel")]
fn infinity_is_refused() {
    phase!(Infinite, |_plan, m| { m.set(0, m.get(0).min(m.num(f64::INFINITY))) });
    write::<Infinite>();
}

/// A panic half way leaves nothing behind.
#[test]
fn the_next_kernel_is_written_after_a_panic() {
    phase!(Bad, |_plan, m| {
        for i in m.range(0, 4) {
            m.set(i + 1, m.get(M::Int::from(10)));
        }
    });
    phase!(Good, |_plan, m| { m.set(0, m.get(1)) });
    let before = write::<Good>().wgsl;
    std::panic::catch_unwind(write::<Bad>).expect_err("address 10 is outside");
    assert_eq!(write::<Good>().wgsl, before);
}
