//! The scene as a tree of bodies, with what each carries; actuators and sensors below.

use eframe::egui::{ScrollArea, Ui, collapsing_header::CollapsingState};
use keiko_model::robot::RobotModel;

use super::PanelState;
use crate::session::Session;
use crate::thing::Thing;

/// Trees of more bodies begin folded.
const OPEN_BODIES: usize = 60;

/// Draws it.
pub fn show(ui: &mut Ui, session: &mut Session, state: &mut PanelState) {
    ui.horizontal(|ui| {
        ui.label("Search");
        ui.text_edit_singleline(&mut state.search).accessible_name("search");
    });
    let mut selected = session.selected();
    let model = session.model();
    ScrollArea::both().auto_shrink(false).show(ui, |ui| {
        match state.search.trim() {
            "" => whole(ui, model, &mut selected),
            text => found(ui, model, text, &mut selected),
        };
    });
    if selected != session.selected() {
        session.select(selected);
    }
}

/// Things whose names or kinds hold a text.
fn found(ui: &mut Ui, model: &RobotModel, text: &str, selected: &mut Option<Thing>) {
    let text = text.to_lowercase();
    let fits = |thing: &Thing| thing.name(model).to_lowercase().contains(&text) || thing.kind() == text;
    let things: Vec<Thing> = Thing::all(model).into_iter().filter(fits).collect();
    if things.is_empty() {
        ui.weak("nothing has such a name");
    }
    things.into_iter().for_each(|thing| row(ui, model, thing, selected));
}

fn whole(ui: &mut Ui, model: &RobotModel, selected: &mut Option<Thing>) {
    let mut children = vec![Vec::new(); model.bodies.len()];
    for (index, body) in model.bodies.iter().enumerate().skip(1) {
        children[body.parent].push(index);
    }
    let mut carried = vec![Vec::new(); model.bodies.len()];
    for thing in Thing::all(model) {
        if !matches!(thing, Thing::Body(_) | Thing::Actuator(_) | Thing::Sensor(_)) {
            carried[thing.body(model)].push(thing);
        }
    }
    branch(ui, model, &children, &carried, 0, selected);
    for (title, things) in [
        ("actuators", (0..model.actuators.len()).map(Thing::Actuator).collect::<Vec<_>>()),
        ("sensors", (0..model.sensors.len()).map(Thing::Sensor).collect()),
    ] {
        if !things.is_empty() {
            ui.collapsing(title, |ui| things.into_iter().for_each(|thing| row(ui, model, thing, selected)));
        }
    }
}

/// A body, what it carries, and the bodies on it.
fn branch(
    ui: &mut Ui,
    model: &RobotModel,
    children: &[Vec<usize>],
    carried: &[Vec<Thing>],
    body: usize,
    selected: &mut Option<Thing>,
) {
    let id = ui.make_persistent_id(("body", &model.bodies[body].name, body));
    let open = model.bodies.len() <= OPEN_BODIES || body == 0;
    CollapsingState::load_with_default_open(ui.ctx(), id, open)
        .show_header(ui, |ui| row(ui, model, Thing::Body(body), selected))
        .body(|ui| {
            carried[body].iter().for_each(|thing| row(ui, model, *thing, selected));
            for child in &children[body] {
                branch(ui, model, children, carried, *child, selected);
            }
        });
}

fn row(ui: &mut Ui, model: &RobotModel, thing: Thing, selected: &mut Option<Thing>) {
    ui.horizontal(|ui| {
        if ui.selectable_label(*selected == Some(thing), thing.name(model)).clicked() {
            *selected = Some(thing);
        }
        ui.weak(thing.kind());
    });
}
