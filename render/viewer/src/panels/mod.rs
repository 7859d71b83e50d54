//! What stands around the viewport. A panel draws the session and calls it; it keeps no more than what was typed into it.

pub mod cameras;
pub mod controls;
pub mod log;
pub mod plots;
pub mod properties;
pub mod task;
pub mod tree;

use std::collections::HashMap;

use eframe::egui::{ColorImage, Context, TextureHandle, TextureOptions};

use crate::history::Curve;
use crate::panels::cameras::Preview;
use crate::seen::Shown;
use crate::thing::Thing;

/// A preview, the revision and environment of the session that it shows, and what came of it.
type Previewed = ((Preview, u64, usize), Result<Option<Shown>, String>);

/// What was typed and chosen in panels.
#[derive(Default)]
pub struct PanelState {
    /// What the tree is searched for.
    pub search: String,
    /// What is plotted besides the selection.
    pub pinned: Vec<Thing>,
    /// Whether rewards are plotted by term.
    pub by_term: bool,
    /// How the run learned whose policy acts: each metric over environment steps.
    pub learned: Vec<Curve>,
    /// Which of them is shown.
    pub metric: usize,
    /// The preview that is wanted.
    pub preview: Option<Preview>,
    /// The preview that was made last.
    previewed: Option<Previewed>,
    textures: HashMap<String, TextureHandle>,
}

impl std::fmt::Debug for PanelState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PanelState")
            .field("search", &self.search)
            .field("pinned", &self.pinned)
            .finish_non_exhaustive()
    }
}

impl PanelState {
    /// A picture of red, green and blue for the screen, its pixels as squares.
    fn texture(&mut self, ctx: &Context, name: &str, size: [usize; 2], rgb: &[u8]) -> &TextureHandle {
        let image = ColorImage::from_rgb(size, rgb);
        let handle = self.textures.entry(name.to_owned()).or_insert_with(|| {
            ctx.load_texture(name, ColorImage::filled([1, 1], Default::default()), TextureOptions::NEAREST)
        });
        handle.set(image, TextureOptions::NEAREST);
        handle
    }
}
