//! What goes out: screenshots and videos, in the working folder under names that are free.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use eframe::egui::Context;

use crate::film::Film;
use crate::session::Session;
use crate::view::View;

/// Writes an image, width and height and rows of red, green and blue, to a file; what fails in words.
pub type Painter = Arc<dyn Fn(&Path, [usize; 2], &[u8]) -> Result<(), String> + Send + Sync>;

/// Names that are tried.
const NAMES: u32 = 10_000;

/// What is being written.
pub struct Output {
    /// Writes screenshots.
    pub painter: Option<Painter>,
    film: Option<Film>,
    /// What was written, or why not.
    said: (Sender<String>, Receiver<String>),
}

impl Default for Output {
    fn default() -> Self {
        Self { painter: None, film: None, said: channel() }
    }
}

impl Output {
    /// Whether a video is being made.
    pub fn filming(&self) -> bool {
        self.film.is_some()
    }

    /// Puts what was written into the log of a session.
    pub fn tell(&self, session: &mut Session) {
        self.said.1.try_iter().for_each(|line| session.say(line));
    }

    /// Writes the window as it is next drawn.
    pub fn screenshot(&mut self, ctx: &Context, session: &mut Session) {
        let Some(painter) = self.painter.clone() else {
            session.say("nobody writes screenshots here".to_owned());
            return;
        };
        let Some(path) = free_name("png") else {
            session.say("no name for a screenshot is free".to_owned());
            return;
        };
        let (said, again) = (self.said.0.clone(), ctx.clone());
        ctx.request_screenshot(move |image| {
            let rgb: Vec<u8> =
                image.pixels.iter().flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()]).collect();
            let line = match painter(&path, image.size, &rgb) {
                Ok(()) => format!("wrote {}", path.display()),
                Err(error) => error,
            };
            // The window may be gone by now.
            let _ = said.send(line);
            again.request_repaint();
        });
    }

    /// Begins a video, or ends the one that is being made.
    pub fn film(&mut self, session: &mut Session, view: &View) {
        if let Some(film) = self.film.take() {
            let (path, frames) = (film.path().to_owned(), film.num_frames());
            session.say(match film.finish() {
                Ok(()) => format!("wrote {}: {frames} frames", path.display()),
                Err(error) => error,
            });
            return;
        }
        let made = free_name("mp4")
            .ok_or_else(|| "no name for a video is free".to_owned())
            .and_then(|path| Film::create(&path, session, view, view.shown_size()));
        match made {
            Ok(film) => {
                session.say(format!("filming to {}", film.path().display()));
                self.film = Some(film);
            }
            Err(error) => session.say(error),
        }
    }

    /// Films a control step, if a video is being made.
    pub fn after_step(&mut self, session: &Session, view: &View) {
        let Some(film) = &mut self.film else { return };
        if let Err(error) = film.after_step(session, view) {
            // The receiver is this very struct's.
            let _ = self.said.0.send(error);
            self.film = None;
        }
    }
}

/// The first name of a kind that no file has: `keiko-view-1.png`.
fn free_name(extension: &str) -> Option<PathBuf> {
    (1..NAMES)
        .map(|index| PathBuf::from(format!("keiko-view-{index}.{extension}")))
        .find(|path| !path.exists())
}
