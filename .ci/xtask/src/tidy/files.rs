//! Files: sizes of sources, what a scene folder holds, no path of somebody's machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::read;
use crate::command::output;

const MAX_LINES: usize = 800;
/// Folders of `scenes/` that hold no task of their own.
const NOT_A_SCENE: &[&str] = &["bench", "fixtures"];
/// Folders whose absolute paths exist on somebody's machine alone. Put together at run time: this file is
/// checked too.
const PERSONAL: &[&str] = &["home", "root", "Users", "work"];

pub fn check(root: &Path) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for file in tracked(root) {
        let extension = file.extension().unwrap_or_default().to_string_lossy().into_owned();
        // What is not text has no lines and no paths to check; what was deleted but is still tracked, neither.
        let Ok(text) = std::fs::read_to_string(root.join(&file)) else { continue };
        if ["rs", "wgsl", "py"].contains(&extension.as_str()) {
            problems.extend(too_long(&file, &text));
        }
        problems.extend(machine_path(&file, &text));
    }
    problems.extend(scenes(root)?);
    Ok(problems)
}

/// Files that git knows or would add; without git, all outside the folders that it ignores.
fn tracked(root: &Path) -> Vec<PathBuf> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    match output(&mut git) {
        Ok(list) => list.lines().map(PathBuf::from).collect(),
        Err(_) => {
            let mut files = Vec::new();
            walk(root, Path::new(""), &mut files);
            files
        }
    }
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ignored = [".git", "target", "runs", ".cache"].iter().any(|ignored| name == *ignored);
        let path = folder.join(&name);
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !ignored => walk(root, &path, files),
            Ok(kind) if kind.is_file() => files.push(path),
            _ => {}
        }
    }
}

fn too_long(file: &Path, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let file = file.display();
    (lines > MAX_LINES)
        .then(|| format!("{file} has {lines} lines; a file is one idea, at most {MAX_LINES} lines"))
}

fn machine_path(file: &Path, text: &str) -> Option<String> {
    let file_name = file.display();
    text.lines().enumerate().find_map(|(index, line)| {
        let found = PERSONAL.iter().find(|folder| holds_path_into(line, folder))?;
        let number = index + 1;
        Some(format!(
            "{file_name}:{number}: an absolute path into `{found}`; name files relative to the project"
        ))
    })
}

/// Whether a line holds `/folder/` at the start of a path.
fn holds_path_into(line: &str, folder: &str) -> bool {
    let path = format!("/{folder}/");
    let is_start = |at: usize| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| {
            !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')' | '*' | '/' | '~'))
        })
    };
    line.match_indices(&path).any(|(at, _)| is_start(at))
}

fn scenes(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("scenes");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut problems = Vec::new();
    for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if NOT_A_SCENE.contains(&name.as_str()) {
            continue;
        }
        for file in ["scene.toml", "README.md"] {
            if read(&entry.path().join(file)).is_err() {
                problems.push(format!("scenes/{name} has no {file}"));
            }
        }
    }
    problems.sort();
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_found() {
        assert!(too_long(Path::new("a.rs"), &"x\n".repeat(800)).is_none());
        assert!(too_long(Path::new("a.rs"), &"x\n".repeat(801)).is_some());
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        let path = |start: &str, folder: &str| format!("{start}/{folder}/me/project");
        for start in ["", "in ", "\"", "file://localhost ", "=", "("] {
            assert!(holds_path_into(&path(start, "home"), "home"), "{start}");
        }
        for start in ["net", ".", "..", "https://a.org", "{dir}", "~"] {
            assert!(!holds_path_into(&path(start, "home"), "home"), "{start}");
        }
        let text = format!("first\n{}\n", path("see ", "root"));
        assert!(
            machine_path(Path::new("a.md"), &text).is_some_and(|problem| problem.starts_with("a.md:2: "))
        );
    }
}
