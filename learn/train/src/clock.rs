//! Wall-clock time as a label. Durations never come from here: a clock may jump.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, UTC; 0 when the clock stands before that.
pub(crate) fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// Now as `2026-11-21T22:16:25Z`.
pub(crate) fn utc_now() -> String {
    let [year, month, day, hour, minute, second] = civil(unix_seconds() as u64);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Now as `2026-11-21_221625` (UTC): sorts by time, allowed in every file system.
pub(crate) fn utc_label() -> String {
    let [year, month, day, hour, minute, second] = civil(unix_seconds() as u64);
    format!("{year:04}-{month:02}-{day:02}_{hour:02}{minute:02}{second:02}")
}

/// Year, month, day, hour, minute, second (UTC, proleptic Gregorian) of a Unix time.
fn civil(unix: u64) -> [u64; 6] {
    let (mut days, rest) = (unix / 86_400, unix % 86_400);
    let mut year = 1970;
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
    }
    let february = days_in_year(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    [year, month, days + 1, rest / 3600, rest / 60 % 60, rest % 60]
}

fn days_in_year(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::civil;

    /// Values of `date -u -d @N`.
    #[test]
    fn civil_dates_equal_those_of_date() {
        assert_eq!(civil(0), [1970, 1, 1, 0, 0, 0]);
        assert_eq!(civil(951_782_399), [2000, 2, 28, 23, 59, 59]);
        assert_eq!(civil(951_782_400), [2000, 2, 29, 0, 0, 0]);
        assert_eq!(civil(1_735_689_599), [2024, 12, 31, 23, 59, 59]);
        assert_eq!(civil(1_795_299_385), [2026, 11, 21, 22, 16, 25]);
        assert_eq!(civil(4_107_542_400), [2100, 3, 1, 0, 0, 0]);
    }
}
