//! Where the panels are: a tree of tiles that can be dragged.

use eframe::egui::{Frame, Ui, WidgetText};
use egui_tiles::{Behavior, Linear, LinearDir, SimplificationOptions, TileId, Tiles, Tree, UiResponse};

use crate::layout;
use crate::panels::{self, PanelState};
use crate::session::Session;
use crate::view::View;
use crate::viewport;

/// A panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// The scene as a tree.
    Tree,
    /// The selection.
    Properties,
    /// The picture.
    Viewport,
    /// Sliders.
    Controls,
    /// Rewards, endings, observations.
    Task,
    /// Curves.
    Plots,
    /// What the policy sees.
    Cameras,
    /// What happened.
    Log,
}

impl Pane {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Tree,
        Self::Properties,
        Self::Viewport,
        Self::Controls,
        Self::Task,
        Self::Plots,
        Self::Cameras,
        Self::Log,
    ];

    /// What its tab says.
    pub fn title(self) -> &'static str {
        match self {
            Self::Tree => "Scene",
            Self::Properties => "Properties",
            Self::Viewport => "View",
            Self::Controls => "Controls",
            Self::Task => "Task",
            Self::Plots => "Plots",
            Self::Cameras => "Cameras",
            Self::Log => "Log",
        }
    }
}

/// The tiles as they are at first: tree and properties, the picture, and the rest as tabs.
pub fn tiles(has_task: bool) -> Tree<Pane> {
    let mut tiles = Tiles::default();
    let tree = tiles.insert_pane(Pane::Tree);
    let tree = tiles.insert_tab_tile(vec![tree]);
    let properties = tiles.insert_pane(Pane::Properties);
    let properties = tiles.insert_tab_tile(vec![properties]);
    let left = tiles.insert_vertical_tile(vec![tree, properties]);
    let viewport = tiles.insert_pane(Pane::Viewport);
    let rest = [Pane::Controls, Pane::Task, Pane::Plots, Pane::Cameras, Pane::Log];
    let rest: Vec<TileId> = rest.into_iter().map(|pane| tiles.insert_pane(pane)).collect();
    let first = rest[usize::from(has_task)];
    let mut tabs = egui_tiles::Tabs::new(rest);
    tabs.set_active(first);
    let right = tiles.insert_container(tabs);
    let mut linear = Linear::new(LinearDir::Horizontal, vec![left, viewport, right]);
    for (tile, share) in [(left, 0.20), (viewport, 0.50), (right, 0.30)] {
        linear.shares.set_share(tile, share);
    }
    let root = tiles.insert_container(linear);
    layout::arranged(root, tiles)
}

/// Draws the panels.
pub struct Desk<'a> {
    /// What is drawn and called.
    pub session: &'a mut Session,
    /// How it is looked at.
    pub view: &'a mut View,
    /// What was typed.
    pub state: &'a mut PanelState,
}

impl Behavior<Pane> for Desk<'_> {
    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        pane.title().into()
    }

    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, pane: &mut Pane) -> UiResponse {
        if *pane == Pane::Viewport {
            viewport::show(ui, self.session, self.view);
            return UiResponse::None;
        }
        Frame::new().inner_margin(6).show(ui, |ui| match pane {
            Pane::Tree => panels::tree::show(ui, self.session, self.state),
            Pane::Properties => panels::properties::show(ui, self.session, self.view),
            Pane::Controls => panels::controls::show(ui, self.session),
            Pane::Task => panels::task::show(ui, self.session),
            Pane::Plots => panels::plots::show(ui, self.session, self.state),
            Pane::Cameras => panels::cameras::show(ui, self.session, self.view, self.state),
            Pane::Log => panels::log::show(ui, self.session),
            Pane::Viewport => {}
        });
        UiResponse::None
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions { all_panes_must_have_tabs: false, ..SimplificationOptions::default() }
    }
}
