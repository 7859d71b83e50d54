//! What happened.

use eframe::egui::{ScrollArea, Ui};

use crate::session::Session;

/// Draws it.
pub fn show(ui: &mut Ui, session: &Session) {
    ScrollArea::both().auto_shrink(false).stick_to_bottom(true).show(ui, |ui| {
        for (time, line) in session.log().lines() {
            ui.horizontal(|ui| {
                ui.weak(format!("{time:8.2} s"));
                ui.label(line);
            });
        }
        if session.log().lines().len() == 0 {
            ui.weak("Nothing yet.");
        }
    });
}
