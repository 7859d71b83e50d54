//! Running statistics against two passes over all samples.

use keiko_policy::RunningNormalizer;

/// Features near 1e4 with deviations near 1: the naive sum of squares in single precision would fail here.
fn sample(feature: usize, index: usize) -> f32 {
    let x = ((index * 7919 + feature * 104_729) % 10_007) as f32 / 10_007.0;
    [x, 1e4 + x, -3.0 * x, 5.0][feature]
}

#[test]
fn running_statistics_equal_two_passes() {
    let batches = [1usize, 64, 7, 128, 3];
    let mut running = RunningNormalizer::new(4);
    let mut merged = RunningNormalizer::new(4);
    let mut start = 0;
    for size in batches {
        let batch: Vec<f32> = (0..4).flat_map(|f| (start..start + size).map(move |i| sample(f, i))).collect();
        running.update(&batch, size);
        let mut part = RunningNormalizer::new(4);
        part.update(&batch, size);
        merged.merge(&part);
        start += size;
    }
    for feature in 0..4 {
        let values: Vec<f64> = (0..start).map(|i| f64::from(sample(feature, i))).collect();
        let mean = values.iter().sum::<f64>() / start as f64;
        let std = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / start as f64).sqrt();
        for statistics in [&running, &merged] {
            assert!((statistics.mean[feature] - mean).abs() <= 1e-12 * mean.abs().max(1.0));
            assert!((statistics.std(feature) - std).abs() <= 1e-9);
        }
    }
}

#[test]
fn normalising_shifts_scales_and_cuts() {
    let mut running = RunningNormalizer::new(1);
    let before = running.statistics();
    let mut out = [0.0; 3];
    before.normalize(&[-3.0, 0.5, 4.0], 3, &mut out);
    assert_eq!(out, [-3.0, 0.5, 4.0], "without samples nothing changes");

    running.update(&[1.0, 3.0], 2);
    running.statistics().normalize(&[2.0, 3.01, 1e9], 3, &mut out);
    // Mean 2, deviation 1, plus the constant 0.01.
    assert!(out[0].abs() < 1e-6 && (out[1] - 1.0).abs() < 1e-6, "{out:?}");
    assert_eq!(out[2], 10.0);
}
