//! What the policy sees: its own tensors, as pictures; and previews of what it does not see.

use eframe::egui::{ComboBox, Image, ScrollArea, Ui, vec2};
use keiko_camera::Channel;
use keiko_env::VecEnv;

use super::PanelState;
use crate::seen::{pictures, tensor};
use crate::session::Session;
use crate::view::View;

/// Images are made at least so wide on the screen.
const WIDTH: f32 = 240.0;

/// What a preview can show, and what it is called.
const CHANNELS: [(Channel, &str); 6] = [
    (Channel::Rgb, "rgb"),
    (Channel::Depth, "depth"),
    (Channel::Segmentation, "segmentation by geom"),
    (Channel::Link, "segmentation by body"),
    (Channel::Class, "segmentation by class"),
    (Channel::Normals, "normals"),
];

/// A channel of a camera that somebody wants to see, whatever the policy sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// The camera, by its number in the model.
    pub camera: usize,
    /// Number in [`CHANNELS`].
    channel: usize,
}

/// Draws them.
pub fn show(ui: &mut Ui, session: &Session, view: &mut View, state: &mut PanelState) {
    let task = session.subject().task();
    let images = task.map(|env| env.images()).unwrap_or_default();
    if images.is_empty() {
        ui.weak("No observation here is an image. Cameras can be looked through: choose one at the top.");
    }
    ScrollArea::both().auto_shrink(false).show(ui, |ui| {
        for (index, image) in images.iter().enumerate() {
            let Some((env, tensor)) = task.and_then(|env| Some((env, tensor(env, index, session.env())?)))
            else {
                continue;
            };
            let [frames, channels, height, width] = tensor.shape;
            let group = &env.spec().observations[image.group].name;
            ui.strong(format!("{group}.{}", image.name));
            let low = tensor.values.iter().copied().fold(f32::INFINITY, f32::min);
            let high = tensor.values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            ui.weak(format!(
                "camera {}, {frames} x {channels} x {height} x {width}, values {low:.3} to {high:.3}",
                image.picture.camera.name
            ));
            for shown in pictures(&tensor, image) {
                let name = format!("{group}.{} {}", image.name, shown.name);
                let texture = state.texture(ui.ctx(), &name, shown.size, &shown.pixels);
                let times = (WIDTH / width as f32).round().max(1.0);
                let size = vec2(width as f32, height as f32) * times;
                ui.add(Image::from_texture((texture.id(), size)).alt_text(name));
                ui.weak(&shown.name);
            }
        }
        preview(ui, session, view, state);
    });
}

/// A channel of any camera, traced for whoever looks. It is no observation.
fn preview(ui: &mut Ui, session: &Session, view: &mut View, state: &mut PanelState) {
    let cameras = &session.model().cameras;
    if cameras.is_empty() {
        return;
    }
    ui.separator();
    ui.strong("Preview");
    ui.weak("What a camera sees, whether or not the policy does.");
    let mut chosen = state.preview.filter(|preview| preview.camera < cameras.len());
    ui.horizontal(|ui| {
        let name = chosen.map_or("none", |preview| cameras[preview.camera].name.as_str());
        let list = ComboBox::from_id_salt("preview camera").selected_text(name).show_ui(ui, |ui| {
            let channel = chosen.unwrap_or_default().channel;
            ui.selectable_value(&mut chosen, None, "none");
            for (camera, of) in cameras.iter().enumerate() {
                ui.selectable_value(&mut chosen, Some(Preview { camera, channel }), &of.name);
            }
        });
        list.response.accessible_name("preview camera");
        if let Some(preview) = &mut chosen {
            let name = CHANNELS[preview.channel].1;
            let list = ComboBox::from_id_salt("preview channel").selected_text(name).show_ui(ui, |ui| {
                for (channel, (_, name)) in CHANNELS.iter().enumerate() {
                    ui.selectable_value(&mut preview.channel, channel, *name);
                }
            });
            list.response.accessible_name("preview channel");
        }
    });
    state.preview = chosen;
    let Some(preview) = chosen else { return };
    let key = (preview, session.revision(), session.env());
    if state.previewed.as_ref().is_none_or(|(made, _)| *made != key) {
        let shown = view.preview(session, preview.camera, CHANNELS[preview.channel].0);
        state.previewed = Some((key, shown.map_err(|error| error.to_string())));
    }
    match state.previewed.take() {
        Some((key, Ok(Some(shown)))) => {
            let name = format!("preview {} {}", shown.name, CHANNELS[preview.channel].1);
            let texture = state.texture(ui.ctx(), "preview", shown.size, &shown.pixels);
            let [width, height] = shown.size.map(|side| side as f32);
            let times = (WIDTH / width).round().max(1.0);
            ui.add(Image::from_texture((texture.id(), vec2(width, height) * times)).alt_text(name));
            state.previewed = Some((key, Ok(Some(shown))));
        }
        Some((key, Err(error))) => {
            ui.colored_label(ui.visuals().error_fg_color, &error);
            state.previewed = Some((key, Err(error)));
        }
        other => state.previewed = other,
    }
}
