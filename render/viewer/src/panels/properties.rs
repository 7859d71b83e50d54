//! What is known of the selection.

use eframe::egui::{Grid, ScrollArea, Ui};

use crate::properties::properties;
use crate::session::Session;
use crate::view::View;

/// Draws it.
pub fn show(ui: &mut Ui, session: &mut Session, view: &mut View) {
    let Some(thing) = session.selected() else {
        ui.weak("Nothing is selected: click in the tree, or double-click in the picture.");
        return;
    };
    ui.horizontal(|ui| {
        ui.strong(thing.name(session.model()));
        ui.weak(thing.kind());
        if let crate::thing::Thing::Camera(index) = thing
            && ui.button("look through").clicked()
        {
            view.through = Some(index);
        }
    });
    ScrollArea::both().auto_shrink(false).show(ui, |ui| {
        Grid::new("properties").num_columns(2).striped(true).show(ui, |ui| {
            for row in properties(session.model(), session.state(), session.env(), thing) {
                ui.label(&row.name);
                ui.monospace(format!("{} {}", row.value, row.unit));
                ui.end_row();
            }
        });
    });
}
