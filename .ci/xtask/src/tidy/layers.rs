//! Who may depend on whom: walks `cargo tree`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::command::{cargo, output};

/// One crate of ours.
struct Layer {
    name: &'static str,
    /// Which of ours it may name in its manifest.
    may_use: &'static [&'static str],
    /// Which packages it must not reach, however indirectly. `burn*` means all that start so.
    must_not_reach: &'static [&'static str],
    /// Which packages it must not name in its manifest; others may bring them.
    must_not_name: &'static [&'static str],
}

const SCREEN_AND_PYTHON: &[&str] = &["egui*", "eframe", "winit", "pyo3*"];
const GPU_AND_LEARNING: &[&str] =
    &["wgpu*", "naga*", "burn*", "cubecl*", "cubek*", "egui*", "eframe", "winit", "pyo3*"];
const GPU_API: &[&str] = &["wgpu*", "naga*", "cubecl*", "cubek*"];

const LAYERS: &[Layer] = &[
    Layer {
        name: "keiko-model",
        may_use: &[],
        must_not_reach: &[
            "bevy_ecs", "rapier3d", "rayon*", "wgpu*", "naga*", "burn*", "cubecl*", "egui*", "winit", "pyo3*",
        ],
        must_not_name: &[],
    },
    Layer {
        name: "keiko-dynamics",
        may_use: &["keiko-model"],
        must_not_reach: &[
            "bevy_ecs", "rapier3d", "wgpu*", "naga*", "burn*", "cubecl*", "cubek*", "egui*", "eframe",
            "winit", "pyo3*",
        ],
        must_not_name: &[],
    },
    Layer {
        name: "keiko-world",
        may_use: &["keiko-dynamics", "keiko-model"],
        must_not_reach: GPU_AND_LEARNING,
        must_not_name: &[],
    },
    Layer {
        name: "keiko-env",
        may_use: &["keiko-dynamics", "keiko-model", "keiko-world"],
        must_not_reach: GPU_AND_LEARNING,
        must_not_name: &["rapier3d"],
    },
    Layer {
        name: "keiko-testkit",
        may_use: &["keiko-dynamics", "keiko-model", "keiko-world", "keiko-env"],
        must_not_reach: GPU_AND_LEARNING,
        must_not_name: &[],
    },
    Layer {
        name: "keiko-gpu",
        may_use: &[],
        must_not_reach: &[
            "rapier3d", "bevy_ecs", "burn*", "cubecl*", "cubek*", "egui*", "eframe", "winit", "pyo3*",
        ],
        must_not_name: &[],
    },
    Layer {
        name: "keiko-camera",
        may_use: &["keiko-dynamics", "keiko-gpu", "keiko-model", "keiko-world"],
        must_not_reach: &["burn*", "cubecl*", "cubek*", "egui*", "eframe", "winit", "pyo3*"],
        must_not_name: &["rapier3d", "bevy_ecs", "wgpu*", "naga*"],
    },
    Layer {
        name: "keiko-viewer",
        may_use: &["keiko-camera", "keiko-env", "keiko-gpu", "keiko-model", "keiko-video", "keiko-world"],
        must_not_reach: &["burn*", "cubecl*", "cubek*", "pyo3*"],
        // The window brings its GPU interface; the device comes from keiko-gpu.
        must_not_name: &["rapier3d", "bevy_ecs", "wgpu*", "naga*"],
    },
    Layer { name: "keiko-video", may_use: &[], must_not_reach: GPU_AND_LEARNING, must_not_name: &[] },
    Layer {
        name: "keiko-policy",
        may_use: &[],
        must_not_reach: &["rapier3d", "bevy_ecs", "egui*", "eframe", "winit", "pyo3*"],
        // burn brings its GPU backend; networks do not speak to it.
        must_not_name: GPU_API,
    },
    Layer {
        name: "keiko-data",
        may_use: &["keiko-model", "keiko-video"],
        must_not_reach: GPU_AND_LEARNING,
        must_not_name: &[],
    },
    Layer {
        name: "keiko-train",
        may_use: &["keiko-data", "keiko-env", "keiko-gpu", "keiko-model", "keiko-policy"],
        must_not_reach: SCREEN_AND_PYTHON,
        must_not_name: &["rapier3d", "bevy_ecs"],
    },
    Layer {
        name: "keiko-sight",
        may_use: &["keiko-camera", "keiko-env", "keiko-gpu", "keiko-train"],
        must_not_reach: SCREEN_AND_PYTHON,
        must_not_name: &["rapier3d", "bevy_ecs", "wgpu*", "naga*"],
    },
    Layer {
        name: "keiko-cli",
        may_use: &[
            "keiko-camera",
            "keiko-data",
            "keiko-dynamics",
            "keiko-env",
            "keiko-gpu",
            "keiko-model",
            "keiko-policy",
            "keiko-sight",
            "keiko-train",
            "keiko-video",
            "keiko-viewer",
            "keiko-world",
        ],
        // It opens the window.
        must_not_reach: &["pyo3*"],
        must_not_name: &["rapier3d"],
    },
    Layer {
        name: "keiko",
        may_use: &[
            "keiko-camera",
            "keiko-data",
            "keiko-dynamics",
            "keiko-env",
            "keiko-model",
            "keiko-policy",
            "keiko-train",
            "keiko-video",
            "keiko-world",
        ],
        must_not_reach: SCREEN_AND_PYTHON,
        must_not_name: &["rapier3d", "bevy_ecs", "burn*", "wgpu*"],
    },
    Layer { name: "xtask", may_use: &[], must_not_reach: &["*"], must_not_name: &[] },
];

/// Packages of which a second version would bring a second set of types.
const ONE_VERSION: &[&str] = &["wgpu", "naga", "glam", "nalgebra", "rapier3d", "parry3d", "bevy_ecs", "burn"];

pub fn check(root: &Path) -> Result<Vec<String>, String> {
    let all = ["tree", "--locked", "--workspace", "--edges", "normal,build,dev", "--prefix", "none"];
    let mut problems = one_version(&output(cargo(root, &all).args(["--format", "{p}"]))?);
    problems.extend(every_member_has_a_layer(root)?);
    for layer in LAYERS {
        let named = packages(root, layer.name, &["--depth", "1"])?;
        let reached = packages(root, layer.name, &[])?;
        problems.extend(broken_rules(layer, &named, &reached));
    }
    Ok(problems)
}

/// Names of the packages that a crate of ours depends on outside its tests.
fn packages(root: &Path, name: &str, more: &[&str]) -> Result<BTreeSet<String>, String> {
    let args =
        ["tree", "--locked", "--package", name, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let tree = output(cargo(root, &args).args(more))?;
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|found| *found != name).map(str::to_owned).collect())
}

fn broken_rules(layer: &Layer, named: &BTreeSet<String>, reached: &BTreeSet<String>) -> Vec<String> {
    let matches = |rules: &[&str], package: &str| {
        rules
            .iter()
            .any(|rule| rule.strip_suffix('*').map_or(*rule == package, |start| package.starts_with(start)))
    };
    let ours = |package: &str| package == "keiko" || package.starts_with("keiko-");
    let name = layer.name;
    let mut problems = Vec::new();
    for package in named {
        if ours(package) && !layer.may_use.contains(&package.as_str()) {
            let allowed = layer.may_use;
            problems.push(format!("{name} depends on {package}; of ours it may depend on {allowed:?} only"));
        }
        if matches(layer.must_not_name, package) {
            problems.push(format!("{name} depends on {package} directly, which belongs to another layer"));
        }
    }
    for package in reached {
        if matches(layer.must_not_reach, package) {
            problems.push(format!(
                "{name} reaches {package}, which its layer must not; see `cargo tree --package {name} --invert {package}`"
            ));
        }
    }
    problems
}

fn every_member_has_a_layer(root: &Path) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for member in super::members(root)? {
        let manifest = super::read(&root.join(&member).join("Cargo.toml"))?;
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        let name = name.ok_or_else(|| format!("{member}/Cargo.toml has no name"))?;
        if !LAYERS.iter().any(|layer| layer.name == name) {
            problems.push(format!("{member}: {name} has no row in the table of layers (tidy/layers.rs)"));
        }
    }
    Ok(problems)
}

/// Looks at what is built, not at `Cargo.lock`, which also holds versions that no feature asks for.
fn one_version(tree: &str) -> Vec<String> {
    let versions = |package: &str| {
        let words = tree.lines().map(|line| line.split_whitespace());
        let of_package =
            words.filter_map(|mut words| (words.next() == Some(package)).then(|| words.next())?);
        of_package.collect::<BTreeSet<_>>()
    };
    ONE_VERSION
        .iter()
        .map(|package| (package, versions(package)))
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(package, versions)| format!("{package} is built in versions {versions:?}; one is allowed"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn each_kind_of_broken_rule_is_found() {
        let layer = Layer {
            name: "keiko-env",
            may_use: &["keiko-world"],
            must_not_reach: &["burn*", "winit"],
            must_not_name: &["rapier3d"],
        };
        let good = set(&["keiko-world", "rapier3d", "serde", "winit-like"]);
        assert_eq!(broken_rules(&layer, &set(&["keiko-world", "serde"]), &good), [] as [&str; 0]);
        let named = set(&["keiko-train", "rapier3d"]);
        let reached = set(&["keiko-train", "rapier3d", "burn-flex", "winit"]);
        let problems = broken_rules(&layer, &named, &reached);
        assert_eq!(problems.len(), 4, "{problems:?}");
        let all = problems.join("\n");
        for package in ["keiko-train", "rapier3d", "burn-flex", "winit"] {
            assert!(all.contains(package), "{all}");
        }
    }

    #[test]
    fn a_second_version_is_found() {
        let tree = "keiko v0.1.0 (here)\nglam v0.33.12\nglamx v0.3.1\nglam v0.33.12 (*)\n\nwgpu v30.0.1\n";
        assert_eq!(one_version(tree), [] as [&str; 0]);
        let tree = tree.to_owned() + "glam v0.34.2\n";
        let expected = "glam is built in versions {\"v0.33.12\", \"v0.34.2\"}; one is allowed";
        assert_eq!(one_version(&tree), [expected]);
    }
}
