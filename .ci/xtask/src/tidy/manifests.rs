//! Manifests: lints inherited, versions in the root alone, every member in the architecture's code map.

use std::path::Path;

use super::{members, read};

pub fn check(root: &Path) -> Result<Vec<String>, String> {
    let architecture = read(&root.join("ARCHITECTURE.md"))?;
    let mut problems = Vec::new();
    for member in members(root)? {
        let manifest = read(&root.join(&member).join("Cargo.toml"))?;
        problems.extend(check_manifest(&member, &manifest));
        if !architecture.contains(&member) {
            problems.push(format!("ARCHITECTURE.md does not mention the member {member}"));
        }
    }
    Ok(problems)
}

fn check_manifest(member: &str, manifest: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if !manifest.contains("[lints]\nworkspace = true") {
        problems.push(format!(
            "{member}/Cargo.toml does not inherit the lints: `[lints]` with `workspace = true`"
        ));
    }
    let mut section = "";
    for (index, line) in manifest.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && line.contains('=') && !inherits(line) {
            let number = index + 1;
            problems.push(format!(
                "{member}/Cargo.toml:{number}: `{line}`; versions stand in the root's [workspace.dependencies]: `name.workspace = true`"
            ));
        }
    }
    problems
}

fn inherits(line: &str) -> bool {
    let line: String = line.split_whitespace().collect();
    line.contains(".workspace=true") || line.contains("{workspace=true")
}

#[cfg(test)]
mod tests {
    use super::check_manifest;

    const GOOD: &str =
        "[package]\nname = \"x\"\nversion.workspace = true\n\n[dependencies]\nserde.workspace = true
burn = { workspace = true, features = [\"wgpu\"] } # why\n\n[lints]\nworkspace = true\n";

    #[test]
    fn what_is_not_inherited_is_found() {
        assert_eq!(check_manifest("a", GOOD), [] as [&str; 0]);
        let own_version = GOOD.replace("serde.workspace = true", "serde = \"1\"");
        assert!(check_manifest("a", &own_version)[0].starts_with("a/Cargo.toml:6: `serde = \"1\"`"));
        let own_lints = GOOD.replace("[lints]\nworkspace = true", "[lints.rust]\nunsafe_code = \"allow\"");
        assert_eq!(check_manifest("a", &own_lints).len(), 1);
    }
}
