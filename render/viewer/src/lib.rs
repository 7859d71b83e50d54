//! The viewer: a window on a batch, to see, push and understand a scene and what its policy sees.
//!
//! [`Session`] is all that a person can do, without a window: it owns the subject, its clock and its past. [`App`] draws it with
//! egui and calls it. [`run`] opens the window. Policies come in from above as [`Actor`]s.

mod actions;
mod app;
mod bare;
mod blit;
mod desk;
mod driver;
mod eye;
mod film;
mod history;
pub mod layout;
pub mod live;
mod log;
mod marks;
mod mosaic;
mod orbit;
mod outline;
mod output;
mod palette;
mod panels;
mod project;
mod properties;
mod pull;
mod rays;
mod remote;
mod ring;
mod seen;
mod session;
mod state_text;
mod still;
mod subject;
mod tally;
mod thing;
mod toolbar;
mod units;
mod view;
mod viewport;
mod wardrobe;
mod watch;
mod window;

pub use actions::Action;
pub use app::{App, Painter};
pub use blit::install_pictures;
pub use driver::{Actor, Casting, Driver, Words};
pub use eye::{Eye, Resolution, Shapes};
pub use film::Film;
pub use history::{Curve, History, Sample};
pub use orbit::Orbit;
pub use project::Projection;
pub use properties::{Property, properties};
pub use pull::Pull;
pub use remote::Remote;
pub use seen::{Shown, Tensor, pictures, tensor};
pub use session::{SPEEDS, Session};
pub use state_text::state_toml;
pub use subject::{Input, LoadOptions, Source, Subject};
pub use thing::{Thing, body_pose};
pub use view::View;
pub use watch::Watch;
pub use window::{Given, Report, WindowOptions, run};

/// Why there is no view.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// A scene or robot file.
    #[error(transparent)]
    File(#[from] keiko_model::Error),
    /// A replay file.
    #[error(transparent)]
    Replay(#[from] keiko_world::replay::ReplayError),
    /// What renders.
    #[error(transparent)]
    Camera(#[from] keiko_camera::CameraError),
    /// A run of another process.
    #[error(transparent)]
    Live(#[from] live::LiveError),
    /// The policy does not fit, in words.
    #[error("{0}")]
    Policy(String),
    /// There is no display, or no adapter that draws on it.
    #[error("no window: {0}")]
    Window(String),
}
