//! What real cameras make of an image: noise, steps, gaps, and the time that it takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What stands between what a camera looks at and what is observed of it. The default is perfect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Imager {
    /// What makes colours of light.
    pub color: Option<ColorSensor>,
    /// What measures depths and distances.
    pub depth: Option<DepthSensor>,
    /// When frames are taken and seen.
    pub timing: FrameTiming,
}

/// When a camera takes a frame, and when it is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameTiming {
    /// Control steps from one frame to the next, at least 1.
    pub every: u32,
    /// Frames that are taken between a frame and its being seen.
    pub latency: u32,
}

impl Default for FrameTiming {
    fn default() -> Self {
        Self { every: 1, latency: 0 }
    }
}

impl FrameTiming {
    /// Whether each step's frame is seen at once.
    pub fn is_immediate(self) -> bool {
        self == Self::default()
    }

    /// Whether a frame is taken so many control steps after the episode's beginning.
    pub fn is_due(self, step: u32) -> bool {
        step.is_multiple_of(self.every.max(1))
    }
}

/// Counts electrons (the model of EMVA 1288 without its dark current): `exposure · light · full_well` of them are expected
/// in a pixel, their number varies with its root, reading adds noise, and `gain / full_well` times the count is
/// coded as sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ColorSensor {
    /// Factor on light. At 1 a white surface in full sun is just not overexposed.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub exposure: f64,
    /// Factor on what was counted, noise included.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub gain: f64,
    /// Electrons that a pixel holds at most; white at a gain of 1. More make less noise.
    #[schemars(range(min = 1.0))]
    pub full_well: f64,
    /// Standard deviation of what reading adds \[electron\].
    #[schemars(range(min = 0.0))]
    pub read_noise: f64,
    /// Bits of each colour.
    #[schemars(range(min = 1, max = 16))]
    pub bits: u32,
}

impl Default for ColorSensor {
    /// About what a small camera module has.
    fn default() -> Self {
        Self { exposure: 1.0, gain: 1.0, full_well: 10_000.0, read_noise: 3.0, bits: 8 }
    }
}

/// Measures depths and distances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DepthSensor {
    /// Standard deviation of the noise at a distance z, as a, b and c of `a + b z + c z²` \[m, 1, 1/m\]. That of stereo grows
    /// with the square.
    pub noise: [f64; 3],
    /// Steps in which it measures \[m\]; 0 has none.
    #[schemars(range(min = 0.0))]
    pub step: f64,
    /// Share of pixels that give no answer.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub dropout: f64,
    /// Least and largest reading; beyond it gives no answer \[m\]. Where there is nothing it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// What a pixel without an answer reads \[m\].
    pub missing: f64,
}

impl DepthSensor {
    /// What is wrong with it: the key, and why.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        if let Some(bad) = self.noise.iter().find(|part| **part < 0.0) {
            return Some(("noise", format!("a part of the noise is {bad}, below 0")));
        }
        match self.range {
            Some([low, high]) if low >= high => {
                Some(("range", format!("the range [{low}, {high}] is empty")))
            }
            _ => None,
        }
    }
}
