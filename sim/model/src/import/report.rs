//! What an import kept and what it lost.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::xml::Element;

/// Everything of a file that did not reach the model unchanged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LossReport {
    /// How many objects of each kind were kept, by kind (`body`, `joint`, ...).
    pub kept: BTreeMap<String, usize>,
    /// The losses, in file order as far as they were found in it.
    pub entries: Vec<Loss>,
}

/// One element or attribute that was changed or left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// What it is, with its name: ``actuator muscle `biceps` ``.
    pub element: String,
    /// Where it stands: `file:line:column`.
    pub location: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Whether it only changes what is seen, not what moves.
    pub visual: bool,
    /// Why, and what stands in its place.
    pub reason: String,
}

/// What became of an element that was not kept as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Something near to it stands in its place.
    Approximated,
    /// Left out.
    Dropped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Approximated => "approximated",
            Self::Dropped => "dropped",
        })
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}: {}", self.location, self.element, self.verdict, self.reason)
    }
}

impl LossReport {
    /// Counts one kept object of a kind.
    pub fn keep(&mut self, kind: &str) {
        self.keep_many(kind, 1);
    }

    /// Counts kept objects of a kind.
    pub fn keep_many(&mut self, kind: &str, count: usize) {
        *self.kept.entry(kind.to_owned()).or_default() += count;
    }

    /// Records that `what` of `element` was replaced by something near.
    pub fn approximated(&mut self, element: &Element, what: impl AsRef<str>, reason: impl AsRef<str>) {
        self.push(element, what, Verdict::Approximated, false, reason);
    }

    /// Records that `what` of `element` was left out although it may change the motion.
    pub fn dropped(&mut self, element: &Element, what: impl AsRef<str>, reason: impl AsRef<str>) {
        self.push(element, what, Verdict::Dropped, false, reason);
    }

    /// Records that `what` of `element`, which is only seen, was left out.
    pub fn dropped_visual(&mut self, element: &Element, what: impl AsRef<str>, reason: impl AsRef<str>) {
        self.push(element, what, Verdict::Dropped, true, reason);
    }

    /// Records that `what` of `element`, which is only seen, was replaced by something near.
    pub fn approximated_visual(&mut self, element: &Element, what: impl AsRef<str>, reason: impl AsRef<str>) {
        self.push(element, what, Verdict::Approximated, true, reason);
    }

    /// Number of losses, of the visual kind too.
    pub fn lost(&self) -> usize {
        self.entries.len()
    }

    /// The losses that may change the motion.
    pub fn physical(&self) -> impl Iterator<Item = &Loss> {
        self.entries.iter().filter(|loss| !loss.visual)
    }

    fn push(
        &mut self,
        element: &Element,
        what: impl AsRef<str>,
        verdict: Verdict,
        visual: bool,
        reason: impl AsRef<str>,
    ) {
        let what = what.as_ref();
        let described =
            if what.is_empty() { element.describe() } else { format!("{} {what}", element.describe()) };
        self.push_described(element, described, verdict, visual, reason);
    }

    /// Records that `element`, described in other words than its tag and name, was left out.
    pub fn dropped_as(&mut self, element: &Element, described: String, reason: impl AsRef<str>) {
        self.push_described(element, described, Verdict::Dropped, false, reason);
    }

    fn push_described(
        &mut self,
        element: &Element,
        described: String,
        verdict: Verdict,
        visual: bool,
        reason: impl AsRef<str>,
    ) {
        self.entries.push(Loss {
            element: crate::error::printable(described),
            location: element.location().to_string(),
            verdict,
            visual,
            reason: crate::error::printable(reason),
        });
    }
}
