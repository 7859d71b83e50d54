//! The state of the environment that is shown, as TOML that a scene can take.

use std::fmt::Write;

use keiko_model::robot::JointKind;

use crate::session::Session;

/// `qpos`, `qvel` and the inputs, and below them the table `initial.positions` of a scene that starts like this.
pub fn state_toml(session: &Session) -> String {
    let (model, state, env) = (session.model(), session.state(), session.env());
    let list = |values: &mut dyn Iterator<Item = f32>| values.map(number).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "# {}, environment {env}, step {}, {} s\n",
        session.subject().name,
        session.step_count(),
        session.time()
    );
    let mut inputs = (0..session.subject().inputs.len()).map(|index| session.input(index));
    let rows = [
        ("qpos", list(&mut state.qpos.column(env))),
        ("qvel", list(&mut state.qvel.column(env))),
        ("inputs", list(&mut inputs)),
    ];
    for (name, values) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name} = [{values}]");
    }
    text.push_str("\n# In a scene: where its episodes start.\n[initial.positions]\n");
    for joint in &model.joints {
        if matches!(joint.kind, JointKind::Revolute | JointKind::Prismatic) {
            let value = number(state.qpos.get(joint.qpos_index, env));
            let _ = writeln!(text, "{} = {value}", key(&joint.name));
        }
    }
    text
}

/// A number as TOML has it: with a point, all its digits.
fn number(value: f32) -> String {
    match value {
        value if value.is_nan() => "nan".to_owned(),
        value if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.to_owned(),
        value => format!("{value:?}"),
    }
}

/// A key as TOML has it.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { format!("\"{}\"", name.escape_default()) }
}
