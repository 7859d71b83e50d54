//! Sliders: what is asked for, and where joints are.

use eframe::egui::{CollapsingHeader, Color32, ComboBox, ScrollArea, Slider, TextEdit, Ui};
use keiko_model::robot::JointKind;

use crate::driver::Driver;
use crate::session::Session;
use crate::thing::Thing;
use crate::units;

/// What a joint without limits is offered \[rad or m\].
const UNLIMITED: f64 = std::f64::consts::PI;
/// Nearer to its limit than this part of its range a joint is shown at it.
const AT_LIMIT: f64 = 0.01;

/// Draws them.
pub fn show(ui: &mut Ui, session: &mut Session) {
    ui.spacing_mut().slider_width = (ui.available_width() - 190.0).max(60.0);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        words(ui, session);
        let title = if session.subject().task().is_some() { "Actions" } else { "Controls" };
        CollapsingHeader::new(title).default_open(true).show(ui, |ui| inputs(ui, session));
        CollapsingHeader::new("Joints").default_open(true).show(ui, |ui| joints(ui, session));
    });
}

/// What a policy that reads is told.
fn words(ui: &mut Ui, session: &mut Session) {
    let Some(words) = session.words() else { return };
    CollapsingHeader::new("Instruction").default_open(true).show(ui, |ui| {
        let mut own = words.told.is_none();
        if ui.checkbox(&mut own, "that of the episode").changed() {
            words.told = if own { None } else { Some(words.known.first().cloned().unwrap_or_default()) };
        }
        let Some(told) = &mut words.told else { return };
        ui.add(TextEdit::singleline(told).desired_width(f32::INFINITY)).accessible_name("instruction");
        let list =
            ComboBox::from_id_salt("sentences").selected_text("sentences of the scene").show_ui(ui, |ui| {
                for sentence in &words.known {
                    ui.selectable_value(told, sentence.clone(), sentence);
                }
            });
        list.response.accessible_name("sentences");
    });
}

fn inputs(ui: &mut Ui, session: &mut Session) {
    if session.subject().inputs.is_empty() {
        ui.weak(match session.subject().remote() {
            Some(_) => "A run of another process acts by itself.",
            None => "There are none.",
        });
        return;
    }
    ui.horizontal(|ui| {
        ui.label(format!("driven {}", session.driver().name()));
        if session.driver() != Driver::Hand {
            ui.weak("a drag takes over");
        }
        if ui.button("neutral").clicked() {
            session.neutral_inputs();
        }
    });
    for index in 0..session.subject().inputs.len() {
        let input = session.subject().inputs[index].clone();
        let mut value = session.input(index);
        let range = input.range[0] as f32..=input.range[1] as f32;
        ui.horizontal(|ui| {
            let slider =
                Slider::new(&mut value, range).max_decimals(3).clamping(eframe::egui::SliderClamping::Edits);
            if ui.add(slider).accessible_name(format!("input {}", input.name)).changed() {
                session.set_input(index, value);
            }
            ui.label(&input.name);
            ui.weak(input.unit);
        });
    }
}

fn joints(ui: &mut Ui, session: &mut Session) {
    let scalar: Vec<usize> = (0..session.model().joints.len())
        .filter(|index| session.model().joints[*index].kind.num_dofs() == 1)
        .collect();
    if scalar.is_empty() {
        ui.weak("There is no joint of one degree of freedom.");
    }
    for index in scalar {
        let joint = session.model().joints[index].clone();
        let (_, unit) = units::position(joint.kind, 0);
        let [low, high] = joint.range.unwrap_or([-UNLIMITED, UNLIMITED]);
        let mut value = f64::from(session.state().qpos.get(joint.qpos_index, session.env()));
        ui.horizontal(|ui| {
            let slider = Slider::new(&mut value, low..=high)
                .max_decimals(3)
                .clamping(eframe::egui::SliderClamping::Edits);
            if ui.add(slider).accessible_name(format!("joint {}", joint.name)).changed() {
                session.set_position(joint.qpos_index, value as f32);
            }
            let chosen = session.selected() == Some(Thing::Joint(index));
            if ui.selectable_label(chosen, &joint.name).clicked() {
                session.select(Some(Thing::Joint(index)));
            }
            ui.weak(unit);
            let near = AT_LIMIT * (high - low);
            if joint.range.is_some() && (value < low + near || value > high - near) {
                ui.colored_label(Color32::from_rgb(235, 150, 40), "at its limit");
            }
            if joint.kind == JointKind::Revolute && joint.range.is_none() {
                ui.weak("no limit");
            }
        });
    }
}
