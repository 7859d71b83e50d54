//! Statistics of features, as lerobot computes and merges them.

use serde_json::{Map, Value};

/// Names of the quantiles, and where they are.
const QUANTILES: [(&str, f64); 5] = [("q01", 0.01), ("q10", 0.1), ("q50", 0.5), ("q90", 0.9), ("q99", 0.99)];

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

    /// Those of two lists of episodes together; features that only one has are left out.
    pub(crate) fn merged(&self, more: &Self) -> Self {
        let merge =
            |(name, stats): &(String, FeatureStats)| Some((name.clone(), stats.merged(more.get(name)?)));
        Self(self.0.iter().filter_map(merge).collect())
    }
}

impl FeatureStats {
    /// Of rows of `size` numbers.
    pub(crate) fn of(values: &[f64], size: usize) -> Self {
        let mut stats = Self { count: (values.len() / size.max(1)) as u64, ..Self::default() };
        stats.quantiles = vec![Vec::new(); QUANTILES.len()];
        for k in 0..size {
            let mut column: Vec<f64> = values.iter().skip(k).step_by(size).copied().collect();
            let mean = column.iter().sum::<f64>() / column.len() as f64;
            let variance = column.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / column.len() as f64;
            column.sort_by(f64::total_cmp);
            stats.min.push(column[0]);
            stats.max.push(column[column.len() - 1]);
            stats.mean.push(mean);
            stats.std.push(variance.sqrt());
            for (quantiles, (_, at)) in stats.quantiles.iter_mut().zip(QUANTILES) {
                quantiles.push(quantile(column.len(), at, |rank| column[rank]));
            }
        }
        stats
    }

    /// Numbers in each statistic.
    pub(crate) fn size(&self) -> usize {
        self.mean.len()
    }

    /// Names and numbers of all but the count.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &Vec<f64>)> {
        let quantiles = QUANTILES.iter().map(|(name, _)| *name).zip(&self.quantiles);
        [("min", &self.min), ("max", &self.max), ("mean", &self.mean), ("std", &self.std)]
            .into_iter()
            .chain(quantiles)
    }

    /// Where a statistic of this name is kept.
    pub(crate) fn named_mut(&mut self, name: &str) -> Option<&mut Vec<f64>> {
        match name {
            "min" => Some(&mut self.min),
            "max" => Some(&mut self.max),
            "mean" => Some(&mut self.mean),
            "std" => Some(&mut self.std),
            _ => self.quantiles.get_mut(QUANTILES.iter().position(|(quantile, _)| *quantile == name)?),
        }
    }

    /// Names of statistics other than the count: those that must be there, and those that may.
    pub(crate) fn names() -> ([&'static str; 4], [&'static str; 5]) {
        (["min", "max", "mean", "std"], QUANTILES.map(|(name, _)| name))
    }

    /// With room for quantiles.
    pub(crate) fn to_fill() -> Self {
        Self { quantiles: vec![Vec::new(); QUANTILES.len()], ..Self::default() }
    }

    /// Those of both together.
    fn merged(&self, more: &Self) -> Self {
        let count = self.count + more.count;
        let [ours, theirs] = [self.count, more.count].map(|part| part as f64 / count.max(1) as f64);
        let zip = |a: &[f64], b: &[f64], f: &dyn Fn(f64, f64) -> f64| {
            a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect::<Vec<f64>>()
        };
        let weigh = |a: f64, b: f64| ours * a + theirs * b;
        // Variances add, and the means' own spread with them.
        let std = (0..self.std.len().min(more.std.len()))
            .map(|k| {
                let apart = self.mean[k] - more.mean[k];
                let variance = weigh(self.std[k] * self.std[k], more.std[k] * more.std[k]);
                (variance + ours * theirs * apart * apart).sqrt()
            })
            .collect();
        Self {
            min: zip(&self.min, &more.min, &f64::min),
            max: zip(&self.max, &more.max, &f64::max),
            mean: zip(&self.mean, &more.mean, &weigh),
            std,
            count,
            quantiles: self.quantiles.iter().zip(&more.quantiles).map(|(a, b)| zip(a, b, &weigh)).collect(),
        }
    }

    /// As `meta/stats.json` has it; those of images are nested, `[[[red]], [[green]], [[blue]]]`.
    pub(crate) fn to_json(&self, image: bool) -> Value {
        let list = |values: &Vec<f64>| match image {
            true => values.iter().map(|x| serde_json::json!([[x]])).collect::<Value>(),
            false => values.iter().copied().collect(),
        };
        let mut map: Map<String, Value> =
            self.named().map(|(name, values)| (name.to_owned(), list(values))).collect();
        map.insert("count".into(), serde_json::json!([self.count]));
        Value::Object(map)
    }

    /// Reads what [`FeatureStats::to_json`] or lerobot wrote; says what is missing.
    pub(crate) fn from_json(json: &Value) -> Result<Self, String> {
        let mut stats = Self::to_fill();
        let (needed, optional) = Self::names();
        for name in needed.into_iter().chain(optional) {
            let mut values = Vec::new();
            match json.get(name) {
                Some(json) => flatten(json, &mut values).map_err(|what| format!("`{name}` holds {what}"))?,
                None if optional.contains(&name) => stats.quantiles.clear(),
                None => return Err(format!("there is no `{name}`")),
            }
            if let Some(place) = stats.named_mut(name) {
                *place = values;
            }
        }
        let mut count = Vec::new();
        flatten(json.get("count").unwrap_or(&Value::Null), &mut count)?;
        stats.count = count.first().map_or(0, |count| *count as u64);
        Ok(stats)
    }
}

/// Numbers of lists inside lists.
fn flatten(json: &Value, into: &mut Vec<f64>) -> Result<(), String> {
    match json {
        Value::Array(items) => items.iter().try_for_each(|item| flatten(item, into)),
        Value::Number(number) => {
            into.push(number.as_f64().ok_or("a number that is too large")?);
            Ok(())
        }
        Value::Bool(value) => {
            into.push(f64::from(u8::from(*value)));
            Ok(())
        }
        other => Err(format!("{other}, which is no number")),
    }
}

/// The value at a part of `len` sorted ones, between the two nearest, as numpy has it.
fn quantile(len: usize, at: f64, value: impl Fn(usize) -> f64) -> f64 {
    let rank = at * (len - 1) as f64;
    let low = rank.floor();
    let (a, b) = (value(low as usize), value((low as usize + 1).min(len - 1)));
    a + (rank - low) * (b - a)
}

/// Colours of many images, counted by value: all their statistics are exact.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColorCount {
    by_value: Vec<[u64; 256]>,
    images: u64,
}

impl ColorCount {
    pub(crate) fn new() -> Self {
        Self { by_value: vec![[0; 256]; 3], images: 0 }
    }

    /// Adds the pixels of an image, `[.., 3]`.
    pub(crate) fn add(&mut self, pixels: &[u8]) {
        for pixel in pixels.as_chunks::<3>().0 {
            for (count, value) in self.by_value.iter_mut().zip(pixel) {
                count[usize::from(*value)] += 1;
            }
        }
        self.images += 1;
    }

    pub(crate) fn stats(&self) -> FeatureStats {
        let mut stats = FeatureStats { count: self.images, ..FeatureStats::to_fill() };
        for counts in &self.by_value {
            let total: u64 = counts.iter().sum();
            let each =
                || counts.iter().enumerate().map(|(value, count)| (value as f64 / 255.0, *count as f64));
            let mean = each().map(|(value, count)| value * count).sum::<f64>() / total as f64;
            let variance =
                each().map(|(value, count)| (value - mean).powi(2) * count).sum::<f64>() / total as f64;
            let seen = |value: &usize| counts[*value] > 0;
            stats.min.push((0..256).find(seen).unwrap_or(0) as f64 / 255.0);
            stats.max.push((0..256).rfind(seen).unwrap_or(0) as f64 / 255.0);
            stats.mean.push(mean);
            stats.std.push(variance.sqrt());
            let ranked = |rank: usize| {
                let mut below = 0;
                let reached = |count: &u64| {
                    below += count;
                    below > rank as u64
                };
                counts.iter().position(reached).unwrap_or(255) as f64 / 255.0
            };
            for (quantiles, (_, at)) in stats.quantiles.iter_mut().zip(QUANTILES) {
                quantiles.push(quantile(total as usize, at, ranked));
            }
        }
        stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a pattern, in [0, 1].
    fn noise(count: usize) -> Vec<f64> {
        (0..count).map(|k| ((k as f64 + 1.0) * 78.233).sin() * 43_758.545_3).map(|x| x - x.floor()).collect()
    }

    #[track_caller]
    fn assert_near(a: &[f64], b: &[f64]) {
        assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} {b:?}");
    }

    #[test]
    fn episodes_together_are_as_one() {
        let values = noise(60);
        let whole = FeatureStats::of(&values, 2);
        let parts = FeatureStats::of(&values[..14], 2)
            .merged(&FeatureStats::of(&values[14..20], 2))
            .merged(&FeatureStats::of(&values[20..], 2));
        assert_eq!((whole.count, parts.count), (30, 30));
        let (names, _) = FeatureStats::names();
        for (name, expected) in whole.named().filter(|(name, _)| names.contains(name)) {
            let found = parts.named().find(|(other, _)| *other == name).map(|(_, values)| values.clone());
            assert_near(&found.unwrap_or_default(), expected);
        }
    }

    #[test]
    fn counted_colours_have_the_statistics_of_their_values() {
        let pixels: Vec<u8> = noise(3 * 100).iter().map(|x| (x * 200.0) as u8).collect();
        let mut colors = ColorCount::new();
        colors.add(&pixels[..90]);
        colors.add(&pixels[90..]);
        let found = colors.stats();
        let values: Vec<f64> = pixels.iter().map(|value| f64::from(*value) / 255.0).collect();
        let expected = FeatureStats::of(&values, 3);
        assert_eq!(found.count, 2);
        for ((_, a), (_, b)) in found.named().zip(expected.named()) {
            assert_near(a, b);
        }
    }

    #[test]
    fn json_is_read_as_written() {
        let stats = FeatureStats::of(&noise(9), 3);
        for image in [false, true] {
            assert_eq!(FeatureStats::from_json(&stats.to_json(image)), Ok(stats.clone()));
        }
        let mut json = stats.to_json(false);
        json.as_object_mut().map(|map| map.remove("q01"));
        assert_eq!(FeatureStats::from_json(&json).map(|stats| stats.quantiles), Ok(Vec::new()));
        json.as_object_mut().map(|map| map.remove("std"));
        assert_eq!(FeatureStats::from_json(&json), Err("there is no `std`".into()));
    }
}
