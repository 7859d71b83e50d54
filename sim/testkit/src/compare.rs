//! Comparison of numbers with a tolerance that has a name.

/// Asserts `|actual - expected| <= tolerance`; NaN is never close.
#[track_caller]
pub fn assert_close(actual: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (actual - expected).abs();
    assert!(
        error <= tolerance,
        "{what}: {actual} instead of {expected}; off by {error:e}, allowed {tolerance:e}"
    );
}

/// Asserts `|actual - expected| <= tolerance · max(|actual|, |expected|)`; NaN is never close.
#[track_caller]
pub fn assert_close_relative(actual: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (actual - expected).abs();
    let size = actual.abs().max(expected.abs());
    assert!(
        error <= tolerance * size,
        "{what}: {actual} instead of {expected}; off by {:e} of it, allowed {tolerance:e}",
        error / size
    );
}

/// Asserts equal lengths and that each number is within `tolerance` of its partner.
#[track_caller]
pub fn assert_all_close(actual: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths differ");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert_close(*a, *e, tolerance, &format!("{what}[{i}]"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(test: impl FnOnce() + std::panic::UnwindSafe) -> bool {
        std::panic::catch_unwind(test).is_err()
    }

    #[test]
    fn tolerance_decides() {
        assert_close(1.0, 1.5, 0.5, "at the tolerance");
        assert!(fails(|| assert_close(1.0, 1.5, 0.49, "over it")));
        assert_close_relative(1e6, 1e6 + 1.0, 1.1e-6, "relative");
        assert!(fails(|| assert_close_relative(1.0, 2.0, 0.4, "relative")));
        assert_close_relative(0.0, 0.0, 0.0, "zero");
    }

    #[test]
    fn nan_is_never_close() {
        assert!(fails(|| assert_close(f64::NAN, f64::NAN, f64::INFINITY, "NaN")));
        assert!(fails(|| assert_close_relative(f64::NAN, 1.0, 1.0, "NaN")));
    }

    #[test]
    fn lengths_must_agree() {
        assert_all_close(&[1.0, 2.0], &[1.0, 2.0], 0.0, "equal");
        assert!(fails(|| assert_all_close(&[1.0], &[1.0, 2.0], 1.0, "short")));
    }
}
