//! The window: eframe on the device that renders, or on one of its own.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind, set_hook, take_hook};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use eframe::egui::{Color32, Context, Ui, ViewportBuilder, ViewportCommand, Visuals};
use eframe::egui_wgpu::{WgpuConfiguration, WgpuSetup, WgpuSetupExisting};
use keiko_camera::Backend;

use crate::ViewError;
use crate::app::{App, Painter};
use crate::blit;
use crate::history::Curve;
use crate::layout;
use crate::session::Session;

/// How the window opens.
#[derive(Clone, Copy, Debug)]
pub struct WindowOptions {
    /// Width and height \[point\].
    pub size: [f32; 2],
    /// Whether time goes on from the beginning.
    pub play: bool,
    /// Frames after which the window closes; none by default.
    pub frames: Option<u64>,
}

/// What comes in from above.
pub struct Given {
    /// Writes screenshots.
    pub painter: Painter,
    /// How the run learned whose policy acts: each metric over environment steps.
    pub learned: Vec<Curve>,
    /// Where it is remembered where the panels are; see [`layout::file`].
    pub layout: Option<PathBuf>,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("learned", &self.learned.len()).finish_non_exhaustive()
    }
}

/// What was drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Frames.
    pub frames: u64,
    /// Time from the end of the first frame to the end of the last \[s\].
    pub seconds: f64,
    /// Control steps of the session.
    pub steps: u64,
    /// Why the next window will not know where the panels were.
    pub forgotten: Option<String>,
}

impl Report {
    /// Frames in a second; 0 where there are too few to say.
    pub fn frames_per_second(&self) -> f64 {
        if self.frames > 1 && self.seconds > 0.0 { (self.frames - 1) as f64 / self.seconds } else { 0.0 }
    }
}

/// Opens a window on a session and returns when it is closed.
///
/// # Errors
/// There is no display, no adapter that draws on it, or the picture cannot be made.
pub fn run(mut session: Session, options: WindowOptions, given: Given) -> Result<Report, ViewError> {
    session.play(options.play);
    let setup = match &session.options().backend {
        // One device renders and draws.
        Backend::Gpu(gpu) => WgpuSetup::Existing(WgpuSetupExisting {
            instance: gpu.instance.clone(),
            adapter: gpu.adapter.clone(),
            device: gpu.device.clone(),
            queue: gpu.queue.clone(),
        }),
        Backend::Cpu => WgpuSetup::without_display_handle(),
    };
    let native = eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_inner_size(options.size)
            .with_title(format!("keiko: {}", session.subject().name)),
        wgpu_options: WgpuConfiguration { wgpu_setup: setup, ..WgpuConfiguration::default() },
        persist_window: false,
        // Software drivers pay for every pixel that is touched.
        dithering: false,
        ..eframe::NativeOptions::default()
    };
    let report = Arc::new(Mutex::new(Report::default()));
    let mut app = App::new(session)?;
    app.paint_with(given.painter);
    app.show_learned(given.learned);
    if let Some(text) = given.layout.as_deref().and_then(layout::read) {
        // One that another version wrote is not taken.
        app.arrange(&text);
    }
    let mut window = Window { app, options, report: report.clone(), since: None, layout: given.layout };
    let create: eframe::AppCreator<'_> = Box::new(|context| {
        // Panels show what the window is cleared with: filling them would touch most pixels twice more.
        context.egui_ctx.all_styles_mut(|style| style.visuals.panel_fill = Color32::TRANSPARENT);
        if let Some(state) = &context.wgpu_render_state {
            blit::install_pictures(state);
        }
        window.app.watch(&context.egui_ctx);
        Ok(Box::new(window))
    });
    let opened = unless_it_cannot_open(|| eframe::run_native("keiko", native, create), &report);
    opened.map_err(ViewError::Window)?;
    Ok(lock(&report).clone())
}

/// Opens a window. Libraries of the system that are missing are found by panics in crates below; before the first frame these are
/// errors like any other.
fn unless_it_cannot_open(
    open: impl FnOnce() -> eframe::Result,
    report: &Arc<Mutex<Report>>,
) -> Result<(), String> {
    let before: Arc<dyn Fn(&PanicHookInfo<'_>) + Send + Sync> = Arc::from(take_hook());
    let words = Arc::new(Mutex::new(String::new()));
    let (told, heard, counted) = (before.clone(), words.clone(), report.clone());
    set_hook(Box::new(move |panic| match lock(&counted).frames {
        0 => *lock(&heard) = panic.payload_as_str().unwrap_or("a library of the system fails").to_owned(),
        _ => told(panic),
    }));
    let opened = catch_unwind(AssertUnwindSafe(open));
    set_hook(Box::new(move |panic| before(panic)));
    match opened {
        Ok(result) => result.map_err(|error| without_source(&error.to_string())),
        Err(panic) if lock(report).frames > 0 => resume_unwind(panic),
        Err(_) => Err(lock(&words).clone()),
    }
}

/// What winit says without the place in its own source, which is nobody's business: `os error at FILE:LINE: words`.
fn without_source(words: &str) -> String {
    let place = words.split_once("os error at ");
    match place.and_then(|(before, after)| Some((before, after.split_once(": ")?.1))) {
        Some((before, after)) => format!("{before}{after}"),
        None => words.to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The application as eframe calls it.
struct Window {
    app: App,
    options: WindowOptions,
    report: Arc<Mutex<Report>>,
    since: Option<Instant>,
    layout: Option<PathBuf>,
}

impl Window {
    /// Counts a frame, and closes after the last that was asked for.
    fn count(&mut self, ctx: &Context) {
        let since = *self.since.get_or_insert_with(Instant::now);
        let mut report = lock(&self.report);
        report.frames += 1;
        report.seconds = since.elapsed().as_secs_f64();
        report.steps = self.app.session().step_count();
        if let Some(frames) = self.options.frames {
            ctx.request_repaint();
            if report.frames >= frames {
                ctx.send_viewport_cmd(ViewportCommand::Close);
            }
        }
    }
}

impl eframe::App for Window {
    fn on_exit(&mut self) {
        if let (Some(file), Some(text)) = (&self.layout, self.app.arrangement())
            && let Err(error) = layout::write(file, &text)
        {
            lock(&self.report).forgotten = Some(format!("{}: {error}", file.display()));
        }
    }

    fn clear_color(&self, visuals: &Visuals) -> [f32; 4] {
        visuals.window_fill.to_normalized_gamma_f32()
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.app.ui(ui);
        self.count(&ui.ctx().clone());
    }
}

#[cfg(test)]
mod tests {
    use super::without_source;

    #[test]
    fn places_in_the_source_of_others_are_left_out() {
        let said =
            "winit EventLoopError: os error at registry/winit-0.30.13/src/mod.rs:756: no display is set";
        assert_eq!(without_source(said), "winit EventLoopError: no display is set");
        assert_eq!(without_source("no adapter: none was found"), "no adapter: none was found");
    }
}
