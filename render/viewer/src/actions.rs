//! Everything that a key or the palette can do.

use eframe::egui::{Context, Key, KeyboardShortcut, Modifiers};

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Play or pause.
    PlayPause,
    /// One control step.
    Step,
    /// One moment back.
    StepBack,
    /// The next higher speed.
    Faster,
    /// The next lower speed.
    Slower,
    /// Starts the environment again.
    Reset,
    /// Shows the next environment.
    NextEnv,
    /// Shows the environment before.
    PreviousEnv,
    /// Looks at what is selected, or at everything.
    Focus,
    /// Keeps the robot in sight.
    Follow,
    /// Selects nothing, closes what is open.
    Escape,
    /// Shapes that are looked at, or those that collide.
    Shapes,
    /// Marks: frames of bodies.
    Frames,
    /// Marks: axes of joints.
    JointAxes,
    /// Marks: centre of mass.
    CenterOfMass,
    /// Marks: inertia boxes.
    Inertia,
    /// Marks: contact forces.
    Contacts,
    /// Marks: cameras.
    Cameras,
    /// Marks: names of bodies.
    Names,
    /// Marks: what sensors see by rays.
    Rays,
    /// Marks: edges of shapes.
    Wireframe,
    /// Draws the way of what is selected, or no longer.
    Trail,
    /// Many environments side by side, or one.
    Grid,
    /// All inputs as at the start.
    NeutralInputs,
    /// Loads the files again.
    Reload,
    /// The window as a PNG file.
    Screenshot,
    /// Begins or ends a video.
    Film,
    /// The state as TOML, to the clipboard.
    CopyState,
    /// The panels where they are at first.
    Panels,
    /// The list of all actions.
    Palette,
    /// The list of keys.
    Help,
}

/// An action, its name, and its key.
pub struct Entry {
    /// The action.
    pub action: Action,
    /// What it is called.
    pub name: &'static str,
    /// Keys that do it.
    pub keys: &'static [KeyboardShortcut],
    /// How they are written.
    pub written: &'static str,
}

const fn key(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn command(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const fn entry(
    action: Action,
    name: &'static str,
    keys: &'static [KeyboardShortcut],
    written: &'static str,
) -> Entry {
    Entry { action, name, keys, written }
}

/// All of them.
pub const ENTRIES: &[Entry] = &[
    entry(Action::PlayPause, "Play or pause", &[key(Key::Space)], "Space"),
    entry(Action::Step, "Step", &[key(Key::ArrowRight)], "Right"),
    entry(Action::StepBack, "Step back", &[key(Key::ArrowLeft)], "Left"),
    entry(Action::Faster, "Faster", &[key(Key::Plus), key(Key::Equals)], "+"),
    entry(Action::Slower, "Slower", &[key(Key::Minus)], "-"),
    entry(Action::Reset, "Reset environment", &[key(Key::Backspace)], "Backspace"),
    entry(Action::NextEnv, "Next environment", &[key(Key::CloseBracket)], "]"),
    entry(Action::PreviousEnv, "Previous environment", &[key(Key::OpenBracket)], "["),
    entry(Action::Focus, "Focus on selection", &[key(Key::F)], "F"),
    entry(Action::Follow, "Follow the robot", &[key(Key::T)], "T"),
    entry(Action::Escape, "Deselect", &[key(Key::Escape)], "Esc"),
    entry(Action::Shapes, "Visual or collision shapes", &[key(Key::V)], "V"),
    entry(Action::Frames, "Show frames of bodies", &[key(Key::G)], "G"),
    entry(Action::JointAxes, "Show joint axes", &[key(Key::J)], "J"),
    entry(Action::CenterOfMass, "Show centre of mass", &[key(Key::M)], "M"),
    entry(Action::Inertia, "Show inertia boxes", &[key(Key::I)], "I"),
    entry(Action::Contacts, "Show contacts", &[key(Key::C)], "C"),
    entry(Action::Cameras, "Show cameras", &[key(Key::K)], "K"),
    entry(Action::Names, "Show names of bodies", &[key(Key::N)], "N"),
    entry(Action::Rays, "Show rays of sensors", &[key(Key::R)], "R"),
    entry(Action::Wireframe, "Show wireframe", &[key(Key::X)], "X"),
    entry(Action::Trail, "Trail of the selection", &[key(Key::L)], "L"),
    entry(Action::Grid, "Grid of environments", &[key(Key::B)], "B"),
    entry(Action::NeutralInputs, "All inputs to neutral", &[key(Key::Num0)], "0"),
    entry(Action::Reload, "Reload files", &[command(Key::R)], "Ctrl+R"),
    entry(Action::Screenshot, "Screenshot", &[command(Key::S)], "Ctrl+S"),
    entry(Action::Film, "Begin or end a video", &[command(Key::M)], "Ctrl+M"),
    entry(Action::CopyState, "Copy the state as TOML", &[command(Key::T)], "Ctrl+T"),
    entry(Action::Panels, "Panels as at first", &[], ""),
    entry(Action::Palette, "All commands", &[command(Key::P)], "Ctrl+P"),
    entry(Action::Help, "Help", &[key(Key::F1)], "F1"),
];

/// The actions whose keys were pressed; while somebody types, keys that write are theirs.
pub fn pressed(ctx: &Context) -> Vec<Action> {
    let typing = ctx.text_edit_focused();
    let mut actions = Vec::new();
    ctx.input_mut(|input| {
        for entry in ENTRIES {
            let free = |keys: &KeyboardShortcut| {
                !typing || keys.modifiers.command || matches!(keys.logical_key, Key::F1 | Key::Escape)
            };
            for keys in entry.keys.iter().filter(|keys| free(keys)) {
                let count = input.count_and_consume_key(keys.modifiers, keys.logical_key);
                actions.extend(std::iter::repeat_n(entry.action, count));
            }
        }
    });
    actions
}
