//! The project rules that no compiler knows. Each problem is one line: what, where, and the rule.

mod files;
mod layers;
mod licences;
mod manifests;

use std::path::Path;

/// Finds what breaks a rule in the project under a folder, or says why it could not look.
type Check = fn(&Path) -> Result<Vec<String>, String>;

/// Checks all rules and prints what breaks them; whether nothing does.
pub fn run(root: &Path) -> bool {
    let rules: [(&str, Check); 4] = [
        ("layers", layers::check),
        ("manifests", manifests::check),
        ("files", files::check),
        ("licences", licences::check),
    ];
    let mut problems = 0;
    for (name, check) in rules {
        let found = check(root).unwrap_or_else(|error| vec![error]);
        for problem in &found {
            println!("tidy {name}: {problem}");
        }
        problems += found.len();
    }
    println!("tidy: {problems} problems");
    problems == 0
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Folders of the workspace's members, as the root manifest lists them.
fn members(root: &Path) -> Result<Vec<String>, String> {
    let manifest = read(&root.join("Cargo.toml"))?;
    let list = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']'));
    let (list, _) = list.ok_or("Cargo.toml: no list `members = [...]`")?;
    Ok(list.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}
