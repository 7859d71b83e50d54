//! The window's content: bars, panels, keys, and the flow of time.

use std::time::Duration;

use eframe::egui::{CentralPanel, Context, Frame, Panel, Ui};
use egui_tiles::Tree;
use glam::DVec3;

use crate::ViewError;
use crate::actions::{self, Action};
use crate::desk::{self, Desk, Pane};
use crate::eye::Shapes;
use crate::history::Curve;
use crate::layout;
use crate::output::Output;
use crate::palette::Palette;
use crate::panels::PanelState;
use crate::session::Session;
use crate::state_text::state_toml;
use crate::thing::body_pose;
use crate::toolbar;
use crate::view::View;
use crate::watch::Watch;

pub use crate::output::Painter;

/// Time of a frame that may go into steps.
const STEP_BUDGET: Duration = Duration::from_millis(25);

/// Time between looks for frames of another process's run.
const FRAME: Duration = Duration::from_millis(16);

/// What is looked at first of a run.
const FIRST_METRIC: &str = "Train/mean_reward";

/// Draws a session and does what is asked for.
pub struct App {
    session: Session,
    view: View,
    tiles: Tree<Pane>,
    panels: PanelState,
    palette: Palette,
    output: Output,
    watch: Option<Watch>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("session", &self.session)
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

impl App {
    /// The content for a session.
    ///
    /// # Errors
    /// The picture cannot be made.
    pub fn new(session: Session) -> Result<Self, ViewError> {
        let view = View::new(&session)?;
        let tiles = desk::tiles(session.subject().spec().is_some());
        Ok(Self {
            view,
            tiles,
            session,
            panels: PanelState::default(),
            palette: Palette::default(),
            output: Output::default(),
            watch: None,
        })
    }

    /// Writes screenshots with `painter`; without one there are none.
    pub fn paint_with(&mut self, painter: Painter) {
        self.output.painter = Some(painter);
    }

    /// Shows how the run learned whose policy acts: each metric over environment steps.
    pub fn show_learned(&mut self, learned: Vec<Curve>) {
        let shown = learned.iter().position(|curve| curve.name == FIRST_METRIC);
        self.panels.metric = shown.unwrap_or_default();
        self.panels.learned = learned;
    }

    /// Puts the panels where a text of [`App::arrangement`] says; whether it could be read.
    pub fn arrange(&mut self, text: &str) -> bool {
        let tree = layout::tree(text);
        let read = tree.is_some();
        if let Some(tree) = tree {
            self.tiles = tree;
        }
        read
    }

    /// Where the panels are.
    pub fn arrangement(&self) -> Option<String> {
        layout::text(&self.tiles)
    }

    /// Loads the files again when they are saved, from now on.
    pub fn watch(&mut self, ctx: &Context) {
        let ctx = ctx.clone();
        match Watch::new(move || ctx.request_repaint()) {
            Ok(watch) => self.watch = Some(watch),
            Err(error) => self.session.say(format!("files are not watched: {error}")),
        }
        self.follow_files();
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The session, for hands that are no mouse.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// How it is looked at.
    pub fn view_mut(&mut self) -> &mut View {
        &mut self.view
    }

    /// Draws everything, after keys were read and time has gone by.
    pub fn ui(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        self.look_at_files(&ctx);
        for action in actions::pressed(&ctx) {
            self.act(&ctx, action);
        }
        let seconds = f64::from(ctx.input(|input| input.unstable_dt));
        let Self { session, view, output, .. } = self;
        session.advance_with(seconds, STEP_BUDGET, &mut |session| output.after_step(session, view));
        output.tell(session);
        let mut clicked = Vec::new();
        let filming = output.filming();
        Panel::top("bar").show(ui, |ui| clicked = toolbar::top(ui, session, view, filming));
        Panel::bottom("time").show(ui, |ui| toolbar::bottom(ui, session));
        CentralPanel::default().frame(Frame::central_panel(ui.style()).inner_margin(0)).show(ui, |ui| {
            let Self { session, view, panels, tiles, .. } = self;
            tiles.ui(&mut Desk { session, view, state: panels }, ui);
        });
        clicked.extend(self.palette.show(&ctx));
        clicked.into_iter().for_each(|action| self.act(&ctx, action));
        match self.session.subject().remote() {
            // Its frames come when they come.
            Some(_) if self.session.is_playing() => ctx.request_repaint_after(FRAME),
            None if self.session.is_playing() => ctx.request_repaint(),
            _ => {}
        }
    }

    /// Does something.
    pub fn act(&mut self, ctx: &Context, action: Action) {
        let Self { session, view, .. } = self;
        let marks = &mut view.marks;
        match action {
            Action::PlayPause => session.play(!session.is_playing()),
            Action::Step => {
                session.play(false);
                session.single_step();
                self.output.after_step(&self.session, &self.view);
            }
            Action::StepBack => {
                let (_, now) = session.moments();
                session.scrub(now.saturating_sub(1));
            }
            Action::Faster => session.faster(true),
            Action::Slower => session.faster(false),
            Action::Reset => session.reset(),
            Action::NextEnv => session.show_next(true),
            Action::PreviousEnv => session.show_next(false),
            Action::Focus => self.focus(),
            Action::Follow => view.follow = !view.follow,
            Action::Escape => {
                if !self.palette.close() {
                    session.release();
                    session.select(None);
                }
            }
            Action::Shapes => self.other_shapes(),
            Action::Frames => marks.frames = !marks.frames,
            Action::JointAxes => marks.joints = !marks.joints,
            Action::CenterOfMass => marks.center = !marks.center,
            Action::Inertia => marks.inertia = !marks.inertia,
            Action::Contacts => marks.contacts = !marks.contacts,
            Action::Cameras => marks.cameras = !marks.cameras,
            Action::Names => marks.names = !marks.names,
            Action::Rays => marks.rays = !marks.rays,
            Action::Wireframe => marks.wireframe = !marks.wireframe,
            Action::Trail => match session.selected() {
                Some(thing) => view.toggle_trail(thing.body(session.model())),
                None => session.say("nothing is selected whose trail could be drawn".to_owned()),
            },
            Action::Grid => view.grid = !view.grid,
            Action::NeutralInputs => session.neutral_inputs(),
            Action::Reload => self.reload(),
            Action::Screenshot => self.output.screenshot(ctx, session),
            Action::Film => self.output.film(session, view),
            Action::CopyState => {
                ctx.copy_text(state_toml(session));
                session.say("the state is in the clipboard".to_owned());
            }
            Action::Panels => self.tiles = desk::tiles(self.session.subject().spec().is_some()),
            Action::Palette => self.palette.toggle(),
            Action::Help => self.palette.toggle_help(),
        }
    }

    /// Loads the files again.
    pub fn reload(&mut self) {
        if self.session.reload()
            && let Err(error) = self.view.renew(&self.session)
        {
            self.session.say(error.to_string());
        }
        self.follow_files();
    }

    fn follow_files(&mut self) {
        if let Some(watch) = &mut self.watch
            && let Err(error) = watch.follow(&self.session.subject().files)
        {
            self.session.say(error);
        }
    }

    fn look_at_files(&mut self, ctx: &Context) {
        let Some(watch) = &mut self.watch else { return };
        match watch.is_due() {
            (true, _) => self.reload(),
            (false, Some(wait)) => ctx.request_repaint_after(wait),
            (false, None) => {}
        }
    }

    fn other_shapes(&mut self) {
        let before = self.view.shapes;
        self.view.shapes = if before == Shapes::Visual { Shapes::Collision } else { Shapes::Visual };
        if let Err(error) = self.view.renew(&self.session) {
            self.view.shapes = before;
            self.session.say(error.to_string());
        }
    }

    fn focus(&mut self) {
        let Self { session, view, .. } = self;
        let Some(thing) = session.selected() else {
            view.look_over(session);
            return;
        };
        let body = thing.body(session.model());
        let body = if body == 0 { session.subject().base() } else { body };
        let at: DVec3 = body_pose(session.state(), session.env(), body).position;
        view.through = None;
        view.orbit.focus(at, 0.25 * view.size());
    }
}
