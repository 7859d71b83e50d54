//! What the policy sees: its own tensors, as pictures.

use eframe::egui::{Image, ScrollArea, Ui, vec2};
use keiko_env::VecEnv;

use super::PanelState;
use crate::seen::{pictures, tensor};
use crate::session::Session;

/// Images are made at least so wide on the screen.
const WIDTH: f32 = 240.0;

/// Draws them.
pub fn show(ui: &mut Ui, session: &Session, state: &mut PanelState) {
    let task = session.subject().task();
    let images = task.map(|env| env.images()).unwrap_or_default();
    if images.is_empty() {
        ui.weak("No observation of this subject is an image. Cameras can be looked through: choose one at the top.");
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
    });
}
