//! Lamps where their bodies are.

use glam::{Quat, Vec3};
use keiko_gpu::camera as layout;
use keiko_model::light::{Daylight, Lamp};
use keiko_world::BatchState;

/// Lamps of every environment `[num_envs, lamps]`.
pub(crate) fn placed(lamps: &[Lamp], state: &BatchState) -> Vec<layout::Lamp> {
    let num_envs = state.body_position.num_envs();
    let envs = (0..num_envs).flat_map(|env| lamps.iter().map(move |lamp| (env, lamp)));
    envs.map(|(env, lamp)| place(lamp, state, env)).collect()
}

fn place(lamp: &Lamp, state: &BatchState, env: usize) -> layout::Lamp {
    let (mut position, mut direction) = (lamp.position.as_vec3(), lamp.direction.as_vec3());
    if lamp.body != 0 {
        let at = [0, 1, 2].map(|k| state.body_position.get(3 * lamp.body + k, env));
        let turn = [0, 1, 2, 3].map(|k| state.body_rotation.get(4 * lamp.body + k, env));
        let turn = Quat::from_array(turn).normalize();
        (position, direction) = (Vec3::from(at) + turn * position, turn * direction);
    }
    // A cone that is wider than everything lets through all light.
    let (edge, sharpness) = lamp.cone.map_or((-2.0, 1.0), |[inner, outer]| {
        (outer.cos() as f32, (1.0 / (inner.cos() - outer.cos()).max(1e-3)) as f32)
    });
    layout::Lamp {
        position: position.to_array(),
        range: lamp.range as f32,
        direction: direction.to_array(),
        edge,
        color: lamp.color.as_vec3().to_array(),
        sharpness,
        shadow: u32::from(lamp.shadow),
        ..layout::Lamp::default()
    }
}

/// Light and sky with as much of the day as there is.
pub(crate) fn by_day(mut look: layout::Look, day: Daylight) -> layout::Look {
    let scaled = |color: [f32; 3], factor: f64| color.map(|c| c * factor as f32);
    look.sun_color = scaled(look.sun_color, day.sun);
    look.headlight *= day.headlight as f32;
    for color in [&mut look.ambient_up, &mut look.ambient_down, &mut look.zenith, &mut look.horizon] {
        *color = scaled(*color, day.sky);
    }
    look
}
