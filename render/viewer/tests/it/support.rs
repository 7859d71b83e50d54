//! Scenes, robots and folders for tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use keiko_camera::Backend;
use keiko_viewer::{LoadOptions, Session, Source};

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn options(num_envs: usize) -> LoadOptions {
    LoadOptions { num_envs, seed: 3, physics: None, backend: Backend::Cpu }
}

pub fn scene_source(name: &str, overrides: &[&str]) -> Source {
    let overrides = overrides.iter().map(|text| (*text).to_owned()).collect();
    Source::Scene { file: repository().join("scenes").join(name).join("scene.toml"), overrides }
}

pub fn scene(name: &str, overrides: &[&str], num_envs: usize) -> Session {
    Session::new(scene_source(name, overrides), options(num_envs), None).unwrap()
}

/// A robot of a text, in a folder of its own.
pub fn robot(text: &str) -> Session {
    let folder = Folder::new();
    let file = folder.0.join("robot.xml");
    std::fs::write(&file, text).unwrap();
    Session::new(Source::Robot { file, root: None }, options(1), None).unwrap()
}

/// A new folder, removed when dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("viewer-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// All positions and velocities of the environment that is shown.
pub fn numbers(session: &Session) -> Vec<f32> {
    let (state, env) = (session.state(), session.env());
    state.qpos.column(env).chain(state.qvel.column(env)).collect()
}
