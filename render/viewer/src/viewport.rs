//! The picture in the middle: mouse, marks, and what it says in its corners.

use eframe::egui::{
    Align2, Color32, FontId, Key, PointerButton, Pos2, Rect, Response, Sense, Stroke, StrokeKind, Ui, vec2,
};

use keiko_camera::CameraError;

use crate::blit;
use crate::marks::{self, Mark};
use crate::mosaic::Tiling;
use crate::project::Projection;
use crate::session::Session;
use crate::thing::Thing;
use crate::view::View;

/// Zoom for a point of scrolling.
const SCROLL: f64 = 0.002;
/// Flying, in distances to the target a second.
const FLIGHT: f64 = 1.2;
/// What is there when nothing better is.
const LAST: &str = "What was seen last is shown.";
/// Time after which a picture that rests becomes fine \[s\].
const REST: f64 = 0.15;

/// Draws the viewport and does what hands do in it. What goes wrong is said in it.
pub fn show(ui: &mut Ui, session: &mut Session, view: &mut View) {
    let rect = ui.available_rect_before_wrap();
    let response = ui.allocate_rect(rect, Sense::click_and_drag());
    response.widget_info(|| eframe::egui::WidgetInfo::labeled(eframe::egui::Role::Image, true, "viewport"));
    let scale = ui.pixels_per_point();
    let size = [rect.width(), rect.height()].map(|side| ((side * scale).round() as u32).max(1));
    if rect.width() < 2.0 || rect.height() < 2.0 {
        return;
    }
    let lens = Lens { rect, scale: f64::from(scale), size };
    if view.is_grid(session) {
        grid(ui, &response, &lens, session, view);
        return;
    }
    let error = hands(ui, &response, &lens, session, view).err();
    view.keep_up(session);
    let flying = response.dragged() || ui.input(|input| input.is_scrolling());
    let moving = session.is_playing() || flying;
    let picture = view.look(session, size, moving);
    ask_for_more(ui, &picture, moving);
    let painter = ui.painter_at(rect);
    if let Some(picture) = view.picture() {
        painter.add(blit::paint(picture, rect));
    }
    let projection = view.projection(session, size);
    draw_marks(&painter, &lens, &projection, session, view);
    if let Some(failure) = session.failure() {
        let hint = match session.subject().remote() {
            Some(_) => LAST,
            None => "The last good state is shown. It is loaded again when a file is saved.",
        };
        banner(ui, rect, failure, hint);
    } else if let Some(error) = error.or(picture.err()) {
        banner(ui, rect, &error.to_string(), LAST);
    }
}

/// Between points of the window and pixels of the picture.
struct Lens {
    rect: Rect,
    scale: f64,
    size: [u32; 2],
}

impl Lens {
    fn pixel(&self, at: Pos2) -> [f64; 2] {
        let from = at - self.rect.min;
        [f64::from(from.x) * self.scale, f64::from(from.y) * self.scale]
    }

    fn point(&self, pixel: [f64; 2]) -> Pos2 {
        self.rect.min + vec2((pixel[0] / self.scale) as f32, (pixel[1] / self.scale) as f32)
    }
}

/// What the mouse and the keys of flight do.
fn hands(
    ui: &Ui,
    response: &Response,
    lens: &Lens,
    session: &mut Session,
    view: &mut View,
) -> Result<(), CameraError> {
    let ctrl = ui.input(|input| input.modifiers.command || input.modifiers.ctrl);
    if response.drag_started_by(PointerButton::Primary)
        && ctrl
        && let Some(at) = ui.input(|input| input.pointer.press_origin())
        && let Some(picked) = view.pick(session, lens.size, lens.pixel(at))?
    {
        session.grab(picked.body, picked.point);
    }
    if response.drag_stopped() {
        session.release();
    }
    if let (Some(pull), Some(at)) = (session.pull().copied(), response.interact_pointer_pos()) {
        let hand = view.projection(session, lens.size).beside(lens.pixel(at), pull.hand);
        session.pull_to(hand);
    } else {
        turn(response, view, ctrl);
    }
    if response.is_pointer_button_down_on() && ui.input(|input| input.pointer.secondary_down()) {
        fly(ui, view);
    }
    scroll(ui, response, view);
    for button in [PointerButton::Primary, PointerButton::Secondary] {
        if response.double_clicked_by(button)
            && let Some(at) = response.interact_pointer_pos()
        {
            let picked = view.pick(session, lens.size, lens.pixel(at))?;
            match (button, picked) {
                (PointerButton::Primary, picked) => {
                    session.select(picked.map(|picked| Thing::Body(picked.body)));
                }
                (_, Some(picked)) => view.orbit.target = picked.point,
                (_, None) => {}
            }
        }
    }
    Ok(())
}

/// W, A, S, D, Q and E while the right button is down.
fn fly(ui: &Ui, view: &mut View) {
    let (way, dt) = ui.input(|input| {
        let along = |up, down| f64::from(i8::from(input.key_down(up)) - i8::from(input.key_down(down)));
        let way = [along(Key::D, Key::A), along(Key::E, Key::Q), along(Key::W, Key::S)];
        (way, f64::from(input.stable_dt.min(0.1)))
    });
    if way != [0.0; 3] {
        view.through = None;
        view.orbit.fly(way.map(|way| way * FLIGHT * dt));
        ui.ctx().request_repaint();
    }
}

/// What drags do to the eye.
fn turn(response: &Response, view: &mut View, ctrl: bool) {
    let height = f64::from(response.rect.height()).max(1.0);
    let drag = response.drag_delta();
    let drag = [f64::from(drag.x) / height, f64::from(drag.y) / height];
    if response.dragged_by(PointerButton::Primary) && !ctrl {
        view.through = None;
        view.orbit.turn(drag);
    }
    if response.dragged_by(PointerButton::Secondary) {
        view.through = None;
        view.orbit.pan(drag);
    }
    if response.dragged_by(PointerButton::Middle) {
        view.orbit.zoom((2.0 * drag[1]).exp());
    }
}

fn scroll(ui: &Ui, response: &Response, view: &mut View) {
    let scroll = ui.input(|input| f64::from(input.smooth_scroll_delta().y));
    if response.contains_pointer() && scroll != 0.0 {
        view.orbit.zoom((-SCROLL * scroll).exp());
    }
}

/// Many environments side by side: a click chooses one, a double click shows it alone.
fn grid(ui: &mut Ui, response: &Response, lens: &Lens, session: &mut Session, view: &mut View) {
    let rect = lens.rect;
    turn(response, view, false);
    scroll(ui, response, view);
    let tiling = Tiling::of(session.env(), session.subject().num_envs());
    if let Some(at) = response.interact_pointer_pos()
        && response.clicked()
    {
        let from = (at - rect.min) / rect.size();
        if let Some(env) = tiling.at(from.x.into(), from.y.into()) {
            session.show(env);
        }
        view.grid = !response.double_clicked();
    }
    view.keep_up(session);
    let moving = session.is_playing() || response.dragged() || ui.input(|input| input.is_scrolling());
    let picture = view.look_at_many(session, lens.size, moving);
    ask_for_more(ui, &picture, moving);
    let painter = ui.painter_at(rect);
    if let Some(picture) = view.mosaic() {
        painter.add(blit::paint(picture, rect));
    }
    let tile = rect.size() / vec2(tiling.columns as f32, tiling.rows() as f32);
    for env in tiling.first..tiling.first + tiling.count {
        let [column, row] = tiling.place(env).map(|index| index as f32);
        let place = Rect::from_min_size(rect.min + vec2(column * tile.x, row * tile.y), tile);
        let chosen = env == session.env();
        let frame = if chosen { Color32::from_rgb(250, 210, 70) } else { Color32::from_gray(60) };
        let width = if chosen { 2.5 } else { 1.0 };
        painter.rect_stroke(place, 0.0, Stroke::new(width, frame), StrokeKind::Inside);
        let font = FontId::proportional(12.0);
        painter.text(place.min + vec2(6.0, 4.0), Align2::LEFT_TOP, env.to_string(), font, Color32::WHITE);
    }
    if let Err(error) = picture {
        banner(ui, rect, &error.to_string(), LAST);
    }
}

/// Asks for the frame in which a picture becomes finer.
fn ask_for_more(ui: &Ui, picture: &Result<bool, CameraError>, moving: bool) {
    match picture {
        Ok(true) if moving => ui.ctx().request_repaint(),
        Ok(true) => ui.ctx().request_repaint_after_secs(REST as f32),
        _ => {}
    }
}

fn draw_marks(
    painter: &eframe::egui::Painter,
    lens: &Lens,
    projection: &Projection,
    session: &Session,
    view: &mut View,
) {
    let (model, state, env) = (session.model(), session.state(), session.env());
    let mut all = Vec::new();
    if view.marks.wireframe {
        all.extend(marks::wireframe(session, view.outlines(session)));
    }
    all.extend(view.trails.iter().flat_map(|body| marks::trail(session.history(), *body)));
    all.extend(marks::marks(session, view.marks, view.size()));
    if let Some(thing) = session.selected() {
        all.extend(marks::selection(model, state, env, thing, view.size()));
    }
    if let Some(pull) = session.pull() {
        all.extend(marks::pull(pull, state, env));
    }
    let color = |[r, g, b]: [u8; 3]| Color32::from_rgb(r, g, b);
    let stroke = |rgb| Stroke::new(1.8, color(rgb));
    for mark in all {
        match mark {
            Mark::Edge([a, b], rgb) => {
                if let Some(ends) = projection.segment(a, b) {
                    painter.line_segment(ends.map(|end| lens.point(end)), Stroke::new(0.8, color(rgb)));
                }
            }
            Mark::Line([a, b], rgb) => {
                if let Some(ends) = projection.segment(a, b) {
                    painter.line_segment(ends.map(|end| lens.point(end)), stroke(rgb));
                }
            }
            Mark::Arrow([a, b], rgb) => {
                if let Some([a, b]) = projection.segment(a, b).map(|ends| ends.map(|end| lens.point(end))) {
                    painter.line_segment([a, b], stroke(rgb));
                    head(painter, a, b, color(rgb));
                }
            }
            Mark::Dot(at, rgb) => {
                if let Some((pixel, _)) = projection.pixel(at) {
                    painter.circle_filled(lens.point(pixel), 3.5, color(rgb));
                }
            }
            Mark::Text(at, words, rgb) => {
                if let Some((pixel, _)) = projection.pixel(at) {
                    let place = lens.point(pixel) + vec2(7.0, -7.0);
                    let font = FontId::proportional(12.0);
                    painter.text(
                        place + vec2(1.0, 1.0),
                        Align2::LEFT_BOTTOM,
                        &words,
                        font.clone(),
                        Color32::from_black_alpha(200),
                    );
                    painter.text(place, Align2::LEFT_BOTTOM, &words, font, color(rgb));
                }
            }
        }
    }
}

/// The head of an arrow from `a` to `b`.
fn head(painter: &eframe::egui::Painter, a: Pos2, b: Pos2, color: Color32) {
    let along = b - a;
    if along.length() < 2.0 {
        return;
    }
    let size = (0.3 * along.length()).min(9.0);
    let (forward, side) = (along.normalized() * size, along.normalized().rot90() * (0.45 * size));
    let corners = vec![b, b - forward + side, b - forward - side];
    painter.add(eframe::egui::Shape::convex_polygon(corners, color, Stroke::NONE));
}

/// Bad news over the picture.
fn banner(ui: &mut Ui, rect: Rect, words: &str, hint: &str) {
    let place = Rect::from_min_size(rect.min + vec2(8.0, 8.0), vec2(rect.width() - 16.0, 0.0));
    ui.scope_builder(eframe::egui::UiBuilder::new().max_rect(place), |ui| {
        let frame = eframe::egui::Frame::new().fill(Color32::from_rgb(110, 20, 20)).inner_margin(8);
        frame.show(ui, |ui| {
            ui.colored_label(Color32::WHITE, words);
            ui.colored_label(Color32::from_gray(210), hint);
        });
    });
}
