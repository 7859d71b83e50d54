//! The entities of the scene as a tree: bodies with what each carries, actuators and sensors below, and what else is there.

use eframe::egui::{ScrollArea, Ui, collapsing_header::CollapsingState};
use keiko_world::World;
use keiko_world::scene_tree::{self, Node};

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
    let world = session.subject().world();
    let folded = session.model().bodies.len() > OPEN_BODIES;
    ScrollArea::both().auto_shrink(false).show(ui, |ui| {
        match state.search.trim() {
            "" => whole(ui, world, folded, &mut selected),
            text => found(ui, world, text, &mut selected),
        };
    });
    if selected != session.selected() {
        session.select(selected);
    }
}

/// Entities whose names or kinds hold a text.
fn found(ui: &mut Ui, world: &World, text: &str, selected: &mut Option<Thing>) {
    let text = text.to_lowercase();
    let fits = |node: &Node<'_>| node.name.to_lowercase().contains(&text) || node.kind() == text;
    let nodes: Vec<Node<'_>> = scene_tree::all(world).into_iter().filter(fits).collect();
    if nodes.is_empty() {
        ui.weak("nothing has such a name");
    }
    nodes.iter().for_each(|node| row(ui, node, selected));
}

fn whole(ui: &mut Ui, world: &World, folded: bool, selected: &mut Option<Thing>) {
    // The robot's own row would say what the title of the window says.
    let (robots, others): (Vec<_>, Vec<_>) =
        scene_tree::roots(world).into_iter().partition(|node| node.is_robot);
    for robot in robots {
        let (mut actuators, mut sensors) = (Vec::new(), Vec::new());
        for child in scene_tree::children(world, &robot) {
            match child.thing {
                Some(Thing::Actuator(_)) => actuators.push(child),
                Some(Thing::Sensor(_)) => sensors.push(child),
                _ => branch(ui, world, &child, folded, selected),
            }
        }
        for (title, nodes) in [("actuators", actuators), ("sensors", sensors)] {
            if !nodes.is_empty() {
                ui.collapsing(title, |ui| nodes.iter().for_each(|node| row(ui, node, selected)));
            }
        }
    }
    others.iter().for_each(|node| branch(ui, world, node, folded, selected));
}

/// An entity, and those that it carries.
fn branch(ui: &mut Ui, world: &World, node: &Node<'_>, folded: bool, selected: &mut Option<Thing>) {
    let children = scene_tree::children(world, node);
    if children.is_empty() && !matches!(node.thing, Some(Thing::Body(_))) {
        row(ui, node, selected);
        return;
    }
    let id = ui.make_persistent_id((node.kind(), node.name, node.entity));
    let open = !folded || node.thing == Some(Thing::Body(0));
    CollapsingState::load_with_default_open(ui.ctx(), id, open)
        .show_header(ui, |ui| row(ui, node, selected))
        .body(|ui| children.iter().for_each(|child| branch(ui, world, child, folded, selected)));
}

fn row(ui: &mut Ui, node: &Node<'_>, selected: &mut Option<Thing>) {
    ui.horizontal(|ui| {
        match node.thing {
            Some(thing) => {
                if ui.selectable_label(*selected == Some(thing), node.name).clicked() {
                    *selected = Some(thing);
                }
            }
            None => drop(ui.label(node.name)),
        }
        ui.weak(node.kind());
    });
}
