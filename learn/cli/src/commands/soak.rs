//! `keiko smoke --soak`: does a scene stay finite, and its memory flat, over very many random steps?

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use keiko_env::{EnvOptions, FaultCounts, TaskEnv, VecEnv};
use keiko_model::TaskSpec;
use serde_json::{Value, json};

use super::junit::Check;
use super::random_actions::RandomActions;
use crate::args::Smoke;

/// Share of a soak after which memory is compared: buffers have grown to their size by then.
const WARM_UP: f64 = 0.1;

/// Growth of resident memory after the warm-up that is none: what an allocator keeps for itself \[KiB\] ...
const SLACK_KIB: u64 = 512;
/// ... and as a share of what is resident.
const SLACK_SHARE: f64 = 0.005;

/// What a soak of one scene gave.
pub struct Soak {
    scene: String,
    engine: String,
    /// Environment steps.
    pub steps: u64,
    /// Environments that broke.
    pub faults: FaultCounts,
    memory: Option<Memory>,
    cpu_seconds: f64,
    wall: Duration,
}

/// Resident memory of the process \[KiB\].
#[derive(Clone, Copy)]
struct Memory {
    /// After the warm-up.
    warm: u64,
    /// The most that was seen.
    peak: u64,
    /// At the end.
    last: u64,
}

impl Memory {
    fn growth(self) -> u64 {
        self.last.saturating_sub(self.warm)
    }

    fn is_flat(self) -> bool {
        self.growth() <= SLACK_KIB + (self.warm as f64 * SLACK_SHARE) as u64
    }
}

/// At least `steps` environment steps of one scene.
///
/// # Errors
/// As [`TaskEnv::new`].
pub fn run(spec: &TaskSpec, steps: usize, args: &Smoke) -> anyhow::Result<Soak> {
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let options = EnvOptions { num_envs: args.envs, seed: args.seed, ..EnvOptions::default() };
    let mut env = TaskEnv::new(spec, &options)?;
    let mut actions = RandomActions::new(args.seed, env.spec().actions.len(), args.envs);
    env.reset(None);
    let control_steps = steps.div_ceil(args.envs);
    let warm_up = (control_steps as f64 * WARM_UP) as usize;
    // A look at the memory costs more than a step of a small scene.
    let between_looks = (control_steps / 200).max(1);
    let mut memory: Option<Memory> = None;
    for step in 0..control_steps {
        if step == warm_up {
            memory = resident_kib().map(|kib| Memory { warm: kib, peak: kib, last: kib });
        }
        env.step(actions.next());
        let looks = step % between_looks == 0 || step + 1 == control_steps;
        if looks && let (Some(memory), Some(kib)) = (&mut memory, resident_kib()) {
            (memory.last, memory.peak) = (kib, memory.peak.max(kib));
        }
    }
    Ok(Soak {
        scene: spec.name.clone(),
        engine: env.engine().to_owned(),
        steps: (control_steps * args.envs) as u64,
        faults: env.faults(),
        memory,
        cpu_seconds: cpu.elapsed().as_secs_f64(),
        wall: wall.elapsed(),
    })
}

impl Soak {
    /// For people.
    pub fn line(&self) -> String {
        let FaultCounts { non_finite, diverged, action, output } = self.faults;
        let memory = self.memory.map_or("unknown".to_owned(), |memory| {
            let mib = |kib: u64| kib as f64 / 1024.0;
            format!("peak {:.1} MiB, grown by {:.2} MiB", mib(memory.peak), mib(memory.growth()))
        });
        format!(
            "{}: {} steps on {}; faults: {non_finite} not finite, {diverged} diverged, {action} action, {output} \
             output; resident memory {memory}; {:.1} CPU-s, {:.0} steps per CPU-second",
            self.scene,
            self.steps,
            self.engine,
            self.cpu_seconds,
            self.steps as f64 / self.cpu_seconds.max(1e-9),
        )
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let FaultCounts { non_finite, diverged, action, output } = self.faults;
        json!({
            "scene": self.scene,
            "engine": self.engine,
            "steps": self.steps,
            "faults": {"non_finite": non_finite, "diverged": diverged, "action": action, "output": output},
            "peak_kib": self.memory.map(|memory| memory.peak),
            "growth_kib": self.memory.map(|memory| memory.growth()),
            "cpu_seconds": self.cpu_seconds,
        })
    }

    /// Whether it passed.
    pub fn check(&self) -> Check {
        let mut failures = Vec::new();
        if self.faults.total() > 0 {
            failures.push(format!("{} environments became NaN or diverged", self.faults.total()));
        }
        if let Some(memory) = self.memory.filter(|memory| !memory.is_flat()) {
            let growth = memory.growth();
            failures.push(format!("memory grew by {growth} KiB from {} KiB after the warm-up", memory.warm));
        }
        Check {
            name: format!("soak of {} steps", self.steps),
            duration: self.wall,
            failure: (!failures.is_empty()).then(|| failures.join("; ")),
        }
    }
}

/// Resident memory of the process, where the system tells (Linux) \[KiB\].
pub fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soak(faults: FaultCounts, warm: u64, last: u64) -> Soak {
        Soak {
            scene: "s".to_owned(),
            engine: "lanes".to_owned(),
            steps: 1,
            faults,
            memory: Some(Memory { warm, peak: last, last }),
            cpu_seconds: 1.0,
            wall: Duration::ZERO,
        }
    }

    #[test]
    fn faults_and_growth_fail_it() {
        let none = FaultCounts::default();
        assert!(soak(none, 100_000, 100_900).check().failure.is_none());
        assert!(soak(none, 100_000, 90_000).check().failure.is_none());
        let grown = soak(none, 100_000, 110_000).check().failure.unwrap_or_default();
        assert!(grown.contains("10000 KiB"), "{grown}");
        let broken = soak(FaultCounts { diverged: 2, ..none }, 1, 1).check().failure.unwrap_or_default();
        assert!(broken.contains('2'), "{broken}");
    }

    #[test]
    fn memory_that_is_held_is_seen() {
        let before = resident_kib();
        let held = vec![1u8; 64 << 20];
        let after = resident_kib();
        assert_eq!(held.iter().map(|x| usize::from(*x)).sum::<usize>(), 64 << 20);
        // Where the system does not tell there is nothing to see.
        assert!(before.zip(after).is_none_or(|(before, after)| after >= before + 32 * 1024));
    }
}
