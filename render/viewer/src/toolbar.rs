//! The bar at the top, and the time line at the bottom.

use eframe::egui::{ComboBox, DragValue, Slider, Ui};

use crate::actions::Action;
use crate::driver::Driver;
use crate::eye::Shapes;
use crate::session::{SPEEDS, Session};
use crate::view::View;

/// The bar at the top; what was clicked.
pub fn top(ui: &mut Ui, session: &mut Session, view: &mut View, filming: bool) -> Vec<Action> {
    let mut clicked = Vec::new();
    ui.horizontal_wrapped(|ui| {
        let mut button = |ui: &mut Ui, words: &str, hint: &str, action| {
            if ui.button(words).on_hover_text(hint).clicked() {
                clicked.push(action);
            }
        };
        let words = if session.is_playing() { "Pause" } else { "Play" };
        button(ui, words, "Space", Action::PlayPause);
        button(ui, "Step", "Right arrow", Action::Step);
        button(ui, "Reset", "Backspace", Action::Reset);
        let mut speed = session.speed();
        ComboBox::from_id_salt("speed")
            .width(64.0)
            .selected_text(format!("{speed}x"))
            .show_ui(ui, |ui| {
                for choice in SPEEDS {
                    ui.selectable_value(&mut speed, choice, format!("{choice}x"));
                }
            })
            .response
            .accessible_name("speed");
        session.set_speed(speed);
        ui.separator();
        let count = session.subject().num_envs();
        if count > 1 {
            button(ui, "<", "Previous environment: [", Action::PreviousEnv);
            let mut env = session.env();
            ui.label("environment");
            let number = DragValue::new(&mut env).range(0..=count - 1).update_while_editing(false);
            ui.add(number).on_hover_text("Drag, or click and type").accessible_name("environment");
            ui.label(format!("of {count}"));
            session.show(env);
            button(ui, ">", "Next environment: ]", Action::NextEnv);
            if session.subject().remote().is_none() {
                ui.toggle_value(&mut view.grid, "grid").on_hover_text("Many environments side by side: B");
            }
            ui.separator();
        }
        if session.subject().remote().is_none() {
            driver_choice(ui, session);
        }
        camera_choice(ui, session, view);
        ui.menu_button("Show", |ui| show_menu(ui, view, &mut clicked));
        let film = if filming { "End the video" } else { "Film" };
        if ui
            .button(film)
            .on_hover_text("Ctrl+M: what the free or chosen camera sees, as an MP4 file")
            .clicked()
        {
            clicked.push(Action::Film);
        }
        if ui.button("Help").on_hover_text("F1").clicked() {
            clicked.push(Action::Help);
        }
    });
    clicked
}

fn driver_choice(ui: &mut Ui, session: &mut Session) {
    let mut driver = session.driver();
    ComboBox::from_id_salt("driver")
        .width(84.0)
        .selected_text(driver.name())
        .show_ui(ui, |ui| {
            for choice in Driver::ALL.into_iter().filter(|choice| session.can_drive(*choice)) {
                ui.selectable_value(&mut driver, choice, choice.name());
            }
        })
        .response
        .accessible_name("driver");
    if driver != session.driver() {
        session.drive(driver);
    }
    ui.separator();
}

fn camera_choice(ui: &mut Ui, session: &Session, view: &mut View) {
    let cameras = &session.model().cameras;
    if cameras.is_empty() {
        return;
    }
    let name = view.through.map_or("free camera", |index| cameras[index].name.as_str());
    ComboBox::from_id_salt("camera")
        .width(100.0)
        .selected_text(name.to_owned())
        .show_ui(ui, |ui| {
            ui.selectable_value(&mut view.through, None, "free camera");
            for (index, camera) in cameras.iter().enumerate() {
                ui.selectable_value(&mut view.through, Some(index), &camera.name);
            }
        })
        .response
        .accessible_name("camera");
}

fn show_menu(ui: &mut Ui, view: &mut View, clicked: &mut Vec<Action>) {
    let marks = &mut view.marks;
    ui.checkbox(&mut marks.frames, "frames of bodies (G)");
    ui.checkbox(&mut marks.joints, "joint axes (J)");
    ui.checkbox(&mut marks.center, "centre of mass (M)");
    ui.checkbox(&mut marks.inertia, "inertia boxes (I)");
    ui.checkbox(&mut marks.contacts, "contacts (C)");
    ui.checkbox(&mut marks.cameras, "cameras (K)");
    ui.checkbox(&mut marks.names, "names of bodies (N)");
    ui.checkbox(&mut marks.rays, "rays of sensors (R)");
    ui.checkbox(&mut marks.wireframe, "wireframe (X)");
    ui.separator();
    let mut collision = view.shapes == Shapes::Collision;
    if ui.checkbox(&mut collision, "collision shapes (V)").clicked() {
        clicked.push(Action::Shapes);
    }
    ui.checkbox(&mut view.follow, "follow the robot (T)");
}

/// The time line.
pub fn bottom(ui: &mut Ui, session: &mut Session) {
    ui.horizontal(|ui| {
        let dt = session.subject().control_dt;
        ui.label(format!("{:8.3} s", session.time()));
        ui.label(format!("step {}", session.step_count()));
        let (count, now) = session.moments();
        let mut index = now;
        let width = ui.available_width() - 330.0;
        ui.spacing_mut().slider_width = width.max(60.0);
        let last = count.saturating_sub(1);
        let slider = Slider::new(&mut index, 0..=last).show_value(false);
        let hint = "The past: drag to go back, Space to go on from there";
        let response = ui.add_enabled(last > 0, slider).on_hover_text(hint).accessible_name("time line");
        if response.changed() && index != now {
            session.scrub(index);
        }
        if let Some((replay, at)) = session.subject().recorded() {
            let steps = replay.num_steps;
            match at < steps {
                true => ui.strong(format!("recorded step {} of {steps}: {}", at + 1, replay.info.cause)),
                false => ui.label("past the recording"),
            };
        }
        let slow = session.is_playing() && session.kept_up() < 0.9;
        if slow {
            let percent = 100.0 * session.kept_up();
            ui.label(format!("{percent:.0} % of the speed"));
        }
        let where_from = if session.subject().remote().is_some() { ", another process" } else { "" };
        ui.weak(format!("{:.0} Hz, {}{where_from}", 1.0 / dt, session.subject().engine));
    });
}
