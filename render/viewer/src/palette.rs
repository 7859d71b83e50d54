//! The list of all commands, to be searched, and the list of keys.

use eframe::egui::{Align2, Context, Grid, Key, Modifiers, Window};

use crate::actions::{Action, ENTRIES};

/// The windows that lists open in.
#[derive(Debug, Default)]
pub struct Palette {
    /// Whether the commands are open, and what was typed.
    open: Option<String>,
    /// Which of those that fit is chosen.
    chosen: usize,
    help: bool,
}

impl Palette {
    /// Opens or closes the commands.
    pub fn toggle(&mut self) {
        self.open = if self.open.is_some() { None } else { Some(String::new()) };
        self.chosen = 0;
    }

    /// Opens or closes the keys.
    pub fn toggle_help(&mut self) {
        self.help = !self.help;
    }

    /// Closes what is open; whether anything was.
    pub fn close(&mut self) -> bool {
        let open = self.open.take().is_some() || self.help;
        self.help = false;
        open
    }

    /// Draws what is open; the command that was chosen.
    pub fn show(&mut self, ctx: &Context) -> Option<Action> {
        self.show_help(ctx);
        let text = self.open.as_mut()?;
        let mut picked = None;
        let (up, down, enter) = ctx.input_mut(|input| {
            (
                input.consume_key(Modifiers::NONE, Key::ArrowUp),
                input.consume_key(Modifiers::NONE, Key::ArrowDown),
                input.consume_key(Modifiers::NONE, Key::Enter),
            )
        });
        Window::new("Commands")
            .anchor(Align2::CENTER_TOP, [0.0, 60.0])
            .collapsible(false)
            .resizable(false)
            .show(ctx, |ui| {
                let edit = ui.text_edit_singleline(text).accessible_name("command");
                edit.request_focus();
                if edit.changed() {
                    self.chosen = 0;
                }
                let fits = |name: &str| matches(name, text);
                let found: Vec<_> = ENTRIES.iter().filter(|entry| fits(entry.name)).collect();
                self.chosen = self.chosen.min(found.len().saturating_sub(1));
                if down {
                    self.chosen = (self.chosen + 1).min(found.len().saturating_sub(1));
                }
                if up {
                    self.chosen = self.chosen.saturating_sub(1);
                }
                for (index, entry) in found.iter().enumerate() {
                    let words = format!("{}    {}", entry.name, entry.written);
                    if ui.selectable_label(index == self.chosen, words).clicked() {
                        picked = Some(entry.action);
                    }
                }
                if enter {
                    picked = found.get(self.chosen).map(|entry| entry.action);
                }
            });
        if picked.is_some() {
            self.open = None;
        }
        picked
    }

    fn show_help(&mut self, ctx: &Context) {
        const MOUSE: [(&str, &str); 9] = [
            ("left drag", "turn"),
            ("right drag", "move"),
            ("middle drag, wheel", "zoom"),
            ("right button with W A S D Q E", "fly"),
            ("double click", "select"),
            ("right double click", "look at the point"),
            ("Ctrl + left drag", "pull at a body with a spring"),
            ("drag of a slider", "set an action, a control or a joint"),
            ("drag of the time line", "go back"),
        ];
        Window::new("Help")
            .open(&mut self.help)
            .anchor(Align2::CENTER_CENTER, [0.0, 0.0])
            .resizable(false)
            .show(ctx, |ui| {
                ui.horizontal_top(|ui| {
                    Grid::new("keys").striped(true).show(ui, |ui| {
                        for entry in ENTRIES.iter().filter(|entry| !entry.keys.is_empty()) {
                            ui.strong(entry.written);
                            ui.label(entry.name);
                            ui.end_row();
                        }
                    });
                    ui.separator();
                    Grid::new("mouse").striped(true).show(ui, |ui| {
                        for (hand, what) in MOUSE {
                            ui.strong(hand);
                            ui.label(what);
                            ui.end_row();
                        }
                    });
                });
            });
    }
}

/// Whether the letters of `typed` come in this order in a name.
fn matches(name: &str, typed: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    typed
        .chars()
        .flat_map(char::to_lowercase)
        .filter(|c| !c.is_whitespace())
        .all(|c| letters.any(|letter| letter == c))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn letters_in_order_find_a_command() {
        assert!(
            matches("Show joint axes", "jax") && matches("Show joint axes", "") && matches("Reset", "RES")
        );
        assert!(!matches("Show joint axes", "axj"));
    }
}
