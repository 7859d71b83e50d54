//! Statistics of features, as lerobot computes and merges them.

/// Statistics of one feature. Vectors have one number for each number of the feature; images one for each channel, of
/// colours in \[0, 1\].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureStats {
    /// Least.
    pub min: Vec<f64>,
    /// Largest.
    pub max: Vec<f64>,
    /// Mean.
    pub mean: Vec<f64>,
    /// Standard deviation, of all rather than a sample.
    pub std: Vec<f64>,
    /// Frames.
    pub count: u64,
    /// Quantiles at 1, 10, 50, 90 and 99 %; empty where the dataset has none. Of several episodes they are the mean of
    /// those of each, weighted by frames, as in lerobot.
    pub quantiles: Vec<Vec<f64>>,
}

/// Statistics by feature, in the order of the features.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats(pub Vec<(String, FeatureStats)>);

impl Stats {
    /// Those of a feature.
    pub fn get(&self, feature: &str) -> Option<&FeatureStats> {
        self.0.iter().find(|(name, _)| name == feature).map(|(_, stats)| stats)
    }
}
