//! Curves over time: the reward, and what is selected or pinned.

use eframe::egui::{ComboBox, ScrollArea, Ui};
use egui_plot::{Legend, Line, Plot, PlotPoints, VLine};

use super::PanelState;
use crate::history::Curve;
use crate::session::Session;
use crate::thing::Thing;

const HEIGHT: f32 = 150.0;

/// Draws them.
pub fn show(ui: &mut Ui, session: &Session, state: &mut PanelState) {
    if session.history().iter().len() == 0 {
        ui.weak("Curves begin with the first step.");
    }
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        if !state.learned.is_empty() {
            learned(ui, state);
        }
        if session.subject().spec().is_some() {
            ui.horizontal(|ui| {
                ui.strong("reward");
                ui.checkbox(&mut state.by_term, "by term");
            });
            plot(ui, session, "reward", rewards(session, state.by_term));
        }
        if let Some(thing) = session.selected() {
            ui.horizontal(|ui| {
                title(ui, session, thing);
                if !state.pinned.contains(&thing) && ui.button("keep").clicked() {
                    state.pinned.push(thing);
                }
            });
            thing_plots(ui, session, thing, "selected");
        } else {
            ui.weak("Select a joint, an actuator, a sensor or a body to see its curves.");
        }
        state.pinned.retain(|thing| Thing::all(session.model()).contains(thing));
        let mut closed = None;
        for thing in &state.pinned {
            if session.selected() == Some(*thing) {
                continue;
            }
            ui.horizontal(|ui| {
                title(ui, session, *thing);
                if ui.button("close").clicked() {
                    closed = Some(*thing);
                }
            });
            thing_plots(ui, session, *thing, "pinned");
        }
        state.pinned.retain(|thing| Some(*thing) != closed);
    });
}

/// How the run learned whose policy acts.
fn learned(ui: &mut Ui, state: &mut PanelState) {
    let PanelState { learned, metric, .. } = state;
    *metric = (*metric).min(learned.len() - 1);
    ui.horizontal(|ui| {
        ui.strong("the run");
        let choice = ComboBox::from_id_salt("metric").selected_text(learned[*metric].name.clone());
        let shown = choice.show_ui(ui, |ui| {
            for (index, curve) in learned.iter().enumerate() {
                ui.selectable_value(metric, index, &curve.name);
            }
        });
        shown.response.accessible_name("metric");
    });
    let Curve { name, points, .. } = learned[*metric].clone();
    Plot::new("learned").height(HEIGHT).x_axis_label("environment steps").allow_scroll(false).show(
        ui,
        |plot| {
            plot.line(Line::new(name, PlotPoints::from(points)));
        },
    );
}

fn title(ui: &mut Ui, session: &Session, thing: Thing) {
    ui.strong(thing.name(session.model()));
    ui.weak(thing.kind());
}

/// The reward of each step, or what each of its terms adds.
pub fn rewards(session: &Session, by_term: bool) -> Vec<Curve> {
    let (history, dt) = (session.history(), session.subject().control_dt);
    let names = session.subject().spec().map(|spec| spec.rewards.clone()).unwrap_or_default();
    match by_term {
        false => vec![history.curve("reward", "", dt, |sample| Some(sample.reward.into()))],
        true => (0..names.len())
            .map(|index| {
                history.curve(names[index].clone(), "", dt, move |sample| sample.terms.get(index).copied())
            })
            .collect(),
    }
}

/// One plot for each unit.
fn thing_plots(ui: &mut Ui, session: &Session, thing: Thing, salt: &str) {
    let curves = session.history().curves(session.model(), thing, session.subject().control_dt);
    let mut units: Vec<&str> = curves.iter().map(|curve| curve.unit).collect();
    units.dedup();
    for unit in units {
        let of_unit = curves.iter().filter(|curve| curve.unit == unit).cloned().collect();
        plot(ui, session, &format!("{salt} {thing:?} {unit}"), of_unit);
    }
}

fn plot(ui: &mut Ui, session: &Session, name: &str, curves: Vec<Curve>) {
    let unit = curves.first().map_or("", |curve| curve.unit);
    let now = session.time();
    Plot::new(name.to_owned())
        .height(HEIGHT)
        .legend(Legend::default())
        .y_axis_label(unit)
        .allow_scroll(false)
        .show(ui, |plot| {
            for curve in curves {
                plot.line(Line::new(curve.name, PlotPoints::from(curve.points)));
            }
            plot.vline(VLine::new("now", now).color(eframe::egui::Color32::from_gray(120)));
        });
}
