//! Lamps where their bodies are.

use glam::{DVec3, Quat, Vec3};
use keiko_gpu::camera as layout;
use keiko_model::light::{Daylight, FileLight, Lamp};
use keiko_model::robot::RobotModel;
use keiko_world::BatchState;
use keiko_world::looks::LampLook;

/// Lamps of every environment `[num_envs, lamps]`; `looks` are as many, or none where all are as in the model.
pub(crate) fn placed(lamps: &[Lamp], looks: &[LampLook], state: &BatchState) -> Vec<layout::Lamp> {
    let num_envs = state.body_position.num_envs();
    let envs = (0..num_envs).flat_map(|env| lamps.iter().map(move |lamp| (env, lamp)));
    let look = |at: usize| looks.get(at).copied().unwrap_or_default();
    envs.enumerate().map(|(at, (env, lamp))| place(lamp, look(at), state, env)).collect()
}

fn place(lamp: &Lamp, look: LampLook, state: &BatchState, env: usize) -> layout::Lamp {
    let position = lamp.position + DVec3::from(look.shift);
    let (mut position, mut direction) = (position.as_vec3(), lamp.direction.as_vec3());
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
        color: (lamp.color.as_vec3() * Vec3::from(look.factor)).to_array(),
        sharpness,
        shadow: u32::from(lamp.shadow),
        parallel: u32::from(lamp.parallel),
        constant: lamp.attenuation[0] as f32,
        linear: lamp.attenuation[1] as f32,
        quadratic: lamp.attenuation[2] as f32,
        exponent: lamp.exponent as f32,
        ..layout::Lamp::default()
    }
}

/// Light and sky of a model: what it says instead of the day, and as much of that as there is.
pub(crate) fn light(mut look: layout::Look, model: &RobotModel) -> layout::Look {
    if model.is_lit_as_file {
        let FileLight { headlight, ambient, .. } = &model.file_light;
        look.sun_color = [0.0; 3];
        // Cameras give white light.
        look.headlight = (headlight.element_sum() / 3.0) as f32;
        look.ambient_up = ambient.as_vec3().to_array();
        look.ambient_down = look.ambient_up;
    }
    by_day(look, model.daylight)
}

/// Light and sky with as much of the day as there is.
fn by_day(mut look: layout::Look, day: Daylight) -> layout::Look {
    let scaled = |color: [f32; 3], factor: f64| color.map(|c| c * factor as f32);
    look.sun_color = scaled(look.sun_color, day.sun);
    look.headlight *= day.headlight as f32;
    for color in [&mut look.ambient_up, &mut look.ambient_down, &mut look.zenith, &mut look.horizon] {
        *color = scaled(*color, day.sky);
    }
    look
}
