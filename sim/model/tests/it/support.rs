//! What several tests need: numbers that look random and folders to write to.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A counter hashed to numbers (splitmix64): the same on each machine.
pub struct Random(pub u64);

impl Random {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `low..high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A vector in the cube `[-1, 1]³`.
    pub fn vec3(&mut self) -> glam::DVec3 {
        glam::DVec3::from_array([(); 3].map(|()| self.uniform(-1.0, 1.0)))
    }

    /// A unit vector.
    pub fn axis(&mut self) -> glam::DVec3 {
        self.vec3().try_normalize().unwrap_or(glam::DVec3::Z)
    }

    /// A unit quaternion.
    pub fn quat(&mut self) -> glam::DQuat {
        glam::DQuat::from_axis_angle(self.axis(), self.uniform(-3.0, 3.0))
    }
}

/// An empty folder of this name under cargo's folder for tests.
pub fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Time that this thread works, so that a deadline means the same on a busy machine; elsewhere than on Linux the
/// time that passes.
pub struct Stopwatch {
    start: Instant,
    start_cpu: Option<Duration>,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self { start: Instant::now(), start_cpu: thread_cpu() }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        match (thread_cpu(), self.start_cpu) {
            (Some(now), Some(start)) => now - start,
            _ => self.start.elapsed(),
        }
    }
}

/// Nanoseconds on a processor, the first number that the kernel's scheduler tells of a thread.
fn thread_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[test]
fn the_stopwatch_runs() {
    let watch = Stopwatch::start();
    let mut random = Random(1);
    while watch.start.elapsed() < Duration::from_millis(50) {
        std::hint::black_box(random.bits());
    }
    assert!(watch.elapsed() > Duration::ZERO);
}
