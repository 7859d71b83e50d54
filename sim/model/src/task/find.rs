//! Scenes by name.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Location, Result};

/// File name of a scene inside its folder.
const SCENE_FILE: &str = "scene.toml";

/// The file of a scene that is named by its file, its folder, or its name in one of the scene folders:
/// `$KEIKO_SCENES`, `scenes/` in the working directory, `scenes/` beside the executable or above it, and the
/// `scenes/` of the source tree that this was built from.
///
/// # Errors
/// Unknown names, with all scenes that there are.
pub fn resolve_scene(name_or_path: &str) -> Result<PathBuf> {
    let path = Path::new(name_or_path);
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    if path.join(SCENE_FILE).is_file() {
        return Ok(path.join(SCENE_FILE));
    }
    let scenes = list_scenes();
    if let Some((_, file)) = scenes.iter().find(|(name, _)| name == name_or_path) {
        return Ok(file.clone());
    }
    let names: Vec<&str> = scenes.iter().map(|(name, _)| name.as_str()).collect();
    Err(Error::new(ErrorKind::Unknown, Location::file(path), "there is no such scene")
        .allowed(format!("allowed: a scene file, or one of: {}", names.join(", ")))
        .nearest(name_or_path, names.iter().copied()))
}

/// Names and files of all scenes in the scene folders, by name; of one name the first folder's.
pub fn list_scenes() -> Vec<(String, PathBuf)> {
    let mut scenes: Vec<(String, PathBuf)> = Vec::new();
    for folder in scene_folders() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            let file = entry.path().join(SCENE_FILE);
            let name = entry.file_name().to_string_lossy().into_owned();
            if file.is_file() && !scenes.iter().any(|(known, _)| *known == name) {
                scenes.push((name, file));
            }
        }
    }
    scenes.sort();
    scenes
}

fn scene_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    folders.extend(std::env::var_os("KEIKO_SCENES").map(PathBuf::from));
    folders.push(PathBuf::from("scenes"));
    if let Ok(executable) = std::env::current_exe() {
        folders.extend(executable.ancestors().skip(1).take(6).map(|ancestor| ancestor.join("scenes")));
    }
    folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes"));
    folders
}
