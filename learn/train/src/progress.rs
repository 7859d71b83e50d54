//! How far a training run is: one line redrawn on a terminal, plain lines in a log, JSON lines for a program.

use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

use serde::Serialize;

/// What is written, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressMode {
    /// One line, redrawn at most ten times a second.
    Terminal,
    /// A line every ten seconds, and the last.
    Lines,
    /// A JSON object a line, at most one a second, and the last.
    Json,
    /// Nothing.
    Quiet,
}

impl ProgressMode {
    /// Redrawn on a terminal, plain lines elsewhere; JSON where asked for.
    pub fn choose(json: bool, is_terminal: bool) -> Self {
        match (json, is_terminal) {
            (true, _) => Self::Json,
            (false, true) => Self::Terminal,
            (false, false) => Self::Lines,
        }
    }

    fn interval(self) -> Duration {
        match self {
            Self::Terminal => Duration::from_millis(100),
            Self::Json => Duration::from_secs(1),
            Self::Lines | Self::Quiet => Duration::from_secs(10),
        }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug)]
pub struct ProgressUpdate<'a> {
    /// Iterations done.
    pub iteration: u64,
    /// Environment steps done.
    pub env_steps: u64,
    /// What to show beside: short name and value.
    pub scalars: &'a [(&'a str, f64)],
}

#[derive(Serialize)]
struct JsonLine<'a> {
    iteration: u64,
    iterations: u64,
    env_steps: u64,
    steps_per_second: f64,
    elapsed_seconds: f64,
    eta_seconds: Option<f64>,
    #[serde(serialize_with = "as_map")]
    scalars: &'a [(&'a str, f64)],
}

fn as_map<S: serde::Serializer>(scalars: &[(&str, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(scalars.iter().copied())
}

/// Iterations, steps and time at one moment.
type Moment = (Duration, u64, u64);

/// Writes progress. Rates are those of the last 30 seconds; nothing here looks at the wall clock, and what
/// cannot be written is dropped.
pub struct Progress {
    out: Box<dyn Write + Send>,
    mode: ProgressMode,
    iterations: u64,
    start: Instant,
    /// Moments of the last 30 seconds, oldest first; the first of all is where this process began.
    window: VecDeque<Moment>,
    last_shown: Option<Duration>,
    line_open: bool,
}

const WINDOW: Duration = Duration::from_secs(30);

impl Progress {
    /// Progress towards `iterations`, from where the run stands now: 0, or what a resumed run had done.
    pub fn new(
        out: Box<dyn Write + Send>,
        mode: ProgressMode,
        iterations: u64,
        done_iterations: u64,
        done_env_steps: u64,
    ) -> Self {
        let window = VecDeque::from([(Duration::ZERO, done_iterations, done_env_steps)]);
        Self { out, mode, iterations, start: Instant::now(), window, last_shown: None, line_open: false }
    }

    /// Shows where the run stands, if it is time to.
    pub fn update(&mut self, update: &ProgressUpdate) {
        self.update_at(self.start.elapsed(), update);
    }

    /// A line of text for the user that the redrawn line does not eat.
    pub fn message(&mut self, text: &str) {
        if matches!(self.mode, ProgressMode::Json | ProgressMode::Quiet) {
            return;
        }
        self.clear_line();
        let _ = writeln!(self.out, "{text}");
        let _ = self.out.flush();
    }

    /// Leaves the last line standing and ends it.
    pub fn finish(&mut self) {
        if std::mem::take(&mut self.line_open) {
            let _ = writeln!(self.out);
            let _ = self.out.flush();
        }
    }

    /// Time since this process began the run \[s\].
    pub fn elapsed_seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn update_at(&mut self, now: Duration, update: &ProgressUpdate) {
        self.window.push_back((now, update.iteration, update.env_steps));
        // Keeps one moment older than the window, so that slow iterations have a rate too.
        while self.window.get(1).is_some_and(|&(time, ..)| now.saturating_sub(time) > WINDOW) {
            self.window.pop_front();
        }
        let last = update.iteration >= self.iterations;
        let due = self.last_shown.is_none_or(|shown| now.saturating_sub(shown) >= self.mode.interval());
        if !(last || due) {
            return;
        }
        self.last_shown = Some(now);
        match self.mode {
            ProgressMode::Quiet => {}
            ProgressMode::Json => self.json_line(now, update),
            ProgressMode::Lines => {
                let line = self.text(now, update);
                let _ = writeln!(self.out, "{line}");
            }
            ProgressMode::Terminal => {
                let line = self.text(now, update);
                self.clear_line();
                // Without wrapping a narrow terminal cuts the line instead of scrolling.
                let _ = write!(self.out, "\x1b[?7l{line}\x1b[?7h");
                self.line_open = true;
            }
        }
        let _ = self.out.flush();
    }

    fn clear_line(&mut self) {
        if std::mem::take(&mut self.line_open) {
            let _ = write!(self.out, "\r\x1b[2K");
        }
    }

    /// Iterations and environment steps per second over the window.
    fn rates(&self) -> (f64, f64) {
        let (Some(first), Some(last)) = (self.window.front(), self.window.back()) else { return (0.0, 0.0) };
        let seconds = last.0.saturating_sub(first.0).as_secs_f64();
        let rate =
            |from: u64, to: u64| if seconds > 0.0 { to.saturating_sub(from) as f64 / seconds } else { 0.0 };
        (rate(first.1, last.1), rate(first.2, last.2))
    }

    fn eta_seconds(&self, update: &ProgressUpdate) -> Option<f64> {
        let (iterations_per_second, _) = self.rates();
        let left = self.iterations.saturating_sub(update.iteration) as f64;
        (iterations_per_second > 0.0).then(|| left / iterations_per_second)
    }

    fn text(&self, now: Duration, update: &ProgressUpdate) -> String {
        let percent = 100.0 * update.iteration as f64 / self.iterations.max(1) as f64;
        let mut line = format!(
            "{}/{} {percent:.0}%  {} steps  {} steps/s",
            update.iteration,
            self.iterations,
            with_suffix(update.env_steps as f64),
            with_suffix(self.rates().1),
        );
        for (name, value) in update.scalars {
            line += &format!("  {name} {}", short(*value));
        }
        line += &format!("  {}", clock_time(now.as_secs_f64()));
        match self.eta_seconds(update) {
            Some(eta) => line + &format!("  ETA {}", clock_time(eta)),
            None => line,
        }
    }

    fn json_line(&mut self, now: Duration, update: &ProgressUpdate) {
        let line = JsonLine {
            iteration: update.iteration,
            iterations: self.iterations,
            env_steps: update.env_steps,
            steps_per_second: self.rates().1,
            elapsed_seconds: now.as_secs_f64(),
            eta_seconds: self.eta_seconds(update),
            scalars: update.scalars,
        };
        if let Ok(text) = serde_json::to_string(&line) {
            let _ = writeln!(self.out, "{text}");
        }
    }
}

/// `950`, `1.2k`, `35k`, `4.0M`.
fn with_suffix(value: f64) -> String {
    let (scaled, suffix) = match value {
        v if v >= 999.5e6 => (v / 1e9, "G"),
        v if v >= 999.5e3 => (v / 1e6, "M"),
        v if v >= 999.5 => (v / 1e3, "k"),
        v => return format!("{v:.0}"),
    };
    if scaled < 9.95 { format!("{scaled:.1}{suffix}") } else { format!("{scaled:.0}{suffix}") }
}

fn short(value: f64) -> String {
    match value.abs() {
        a if a >= 100.0 => format!("{value:.0}"),
        a if a >= 1.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        a if a >= 1e-3 => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}

/// `0:07`, `12:30`, `3:05:09`.
fn clock_time(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Buffer {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// 200 iterations of 1000 steps, one every 250 ms of made-up time.
    fn run(mode: ProgressMode) -> String {
        let out = Buffer::default();
        let mut progress = Progress::new(Box::new(out.clone()), mode, 200, 0, 0);
        for iteration in 1..=200 {
            let scalars = [("reward", 12.25)];
            let update = ProgressUpdate { iteration, env_steps: 1000 * iteration, scalars: &scalars };
            progress.update_at(Duration::from_millis(250) * iteration as u32, &update);
        }
        progress.finish();
        out.text()
    }

    #[test]
    fn lines_are_rate_limited_and_the_last_is_there() {
        let text = run(ProgressMode::Lines);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert_eq!(lines[1], "41/200 20%  41k steps  4.0k steps/s  reward 12.2  0:10  ETA 0:40");
        assert_eq!(lines[5], "200/200 100%  200k steps  4.0k steps/s  reward 12.2  0:50  ETA 0:00");
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn json_lines_hold_rate_and_eta() {
        let text = run(ProgressMode::Json);
        assert_eq!(text.lines().count(), 51);
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["iteration"], 200);
        assert_eq!(last["steps_per_second"], 4000.0);
        assert_eq!(last["eta_seconds"], 0.0);
        assert_eq!(last["scalars"]["reward"], 12.25);
    }

    #[test]
    fn a_terminal_line_is_redrawn_in_place() {
        let text = run(ProgressMode::Terminal);
        assert_eq!(text.matches('\n').count(), 1);
        assert_eq!(text.matches("\r\x1b[2K").count(), 199);
        assert!(text.ends_with("ETA 0:00\x1b[?7h\n"));
        assert_eq!(run(ProgressMode::Quiet), "");
    }

    #[test]
    fn a_resumed_run_counts_only_its_own_steps_into_the_rate() {
        let out = Buffer::default();
        let mut progress = Progress::new(Box::new(out.clone()), ProgressMode::Lines, 100, 50, 50_000);
        let update = ProgressUpdate { iteration: 51, env_steps: 51_000, scalars: &[] };
        progress.update_at(Duration::from_secs(2), &update);
        assert_eq!(out.text(), "51/100 51%  51k steps  500 steps/s  0:02  ETA 1:38\n");
    }

    #[test]
    fn numbers_are_short() {
        let given = [0.0, 999.4, 999.6, 9_949.0, 9_951.0, 1e6, 2.5e9];
        let texts: Vec<String> = given.iter().map(|&v| with_suffix(v)).collect();
        assert_eq!(texts, ["0", "999", "1.0k", "9.9k", "10k", "1.0M", "2.5G"]);
        assert_eq!(clock_time(11_109.4), "3:05:09");
    }
}
