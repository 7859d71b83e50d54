//! Looks that a task draws for each episode, in the window: light, lamps, materials, colours, and where cameras are.

use keiko_camera::{Camera, aimed};
use keiko_env::TaskEnv;
use keiko_world::Looks;

use crate::session::Session;
use crate::subject::Subject;

/// Whether a subject's environments differ in more than where bodies are.
pub fn varies(subject: &Subject) -> bool {
    subject.task().is_some_and(TaskEnv::looks_vary)
}

/// The looks of some environments, in that order; `None` where all are alike.
pub fn looks(subject: &Subject, envs: &[usize]) -> Option<Looks> {
    let task = subject.task().filter(|task| task.looks_vary())?;
    let (all, num_envs) = (task.looks(), subject.num_envs());
    Some(Looks {
        cameras: of(&all.cameras, envs, num_envs),
        lights: of(&all.lights, envs, num_envs),
        lamps: of(&all.lamps, envs, num_envs),
        colors: of(&all.colors, envs, num_envs),
        materials: of(&all.materials, envs, num_envs),
    })
}

/// The parts of some environments in a list of all `[num_envs, …]`.
fn of<T: Copy>(all: &[T], envs: &[usize], num_envs: usize) -> Vec<T> {
    let each = all.len() / num_envs.max(1);
    envs.iter().flat_map(|env| all[env * each..(env + 1) * each].iter().copied()).collect()
}

/// A camera of the model as it is drawn for the environment that is shown.
pub fn drawn(session: &Session, index: usize) -> Option<Camera> {
    let camera = session.model().cameras.get(index)?;
    let looks = looks(session.subject(), &[session.env()]);
    let look = looks.as_ref().and_then(|looks| looks.cameras.get(index));
    Some(look.map_or_else(|| camera.clone(), |look| aimed(camera, look)))
}
