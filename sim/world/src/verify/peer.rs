//! What MuJoCo makes of the card: measured by the same checks, kept as data.
//!
//! `mujoco.tsv` is written by the test that compares it:
//! `KEIKO_MEASURE_MUJOCO=all cargo test --release -p keiko-cli -p keiko-world --test it mujoco_column`.

/// The settings that MuJoCo 4.0.0 was measured with, in the order of [`Peer`]'s values.
pub const PEERS: [&str; 2] = ["MuJoCo", "MuJoCo RK4"];

/// A row of the card as MuJoCo 4.0.0 has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peer {
    /// With its defaults (Euler, pyramidal friction cone), and with Runge-Kutta (four times the work), elliptic cone and
    /// `impratio` 10. NaN where it diverges (T15: both take a servo's damping explicitly), infinite where the event
    /// never comes, `None` where it cannot hold the scene. T12a was not measured: it takes a quarter of an hour.
    pub values: [Option<f64>; 2],
}

const MEASURED: &str = include_str!("mujoco.tsv");

/// MuJoCo's values of a row; `None` if it was not measured, because MuJoCo cannot hold any of the check's scenes.
pub fn peer(id: &str, name: &str) -> Option<Peer> {
    MEASURED.lines().find_map(|line| {
        let mut cells = line.split('\t');
        if cells.next()? != id || cells.next()? != name {
            return None;
        }
        Some(Peer { values: [cells.next()?, cells.next()?].map(|cell| cell.parse().ok()) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_nobody_measured_has_no_values() {
        assert_eq!(peer("T1", "no such row"), None);
        assert_eq!(peer("T", "1"), None);
    }

    #[test]
    fn every_line_has_four_cells() {
        for line in MEASURED.lines() {
            assert_eq!(line.split('\t').count(), 4, "{line}");
        }
    }
}
