//! From a file and overrides to a [`TaskSpec`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::node::{Node, Value};
use super::{TaskSpec, schema};
use crate::error::{Error, ErrorKind, Location, Result};

/// Most bytes of a scene file.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where each value of a [`TaskSpec`] was written.
#[derive(Clone, Debug, Default)]
pub struct Source {
    file: PathBuf,
    places: BTreeMap<String, Location>,
}

impl Source {
    /// The scene file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Place of the value with a dotted path, or of the innermost table around it that was written.
    pub fn location(&self, path: &str) -> Location {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return place.clone();
            }
            match path.rsplit_once('.') {
                Some((outer, _)) => path = outer,
                None => return Location::file(&self.file),
            }
        }
    }

    /// An error at the value with a dotted path.
    pub fn error(&self, kind: ErrorKind, path: &str, message: impl AsRef<str>) -> Error {
        Error::new(kind, self.location(path), message)
    }

    /// An unknown name at the value with a dotted path, with the names that are known.
    pub fn unknown<'a>(
        &self,
        path: &str,
        what: &str,
        found: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Error {
        let names: Vec<&str> = names.into_iter().collect();
        let listed = names.iter().take(40).copied().collect::<Vec<_>>().join(", ");
        let allowed = match names.len() {
            0 => format!("there is no {what}"),
            1..=40 => format!("allowed: {listed}"),
            more => format!("allowed: {listed} and {} more", more - 40),
        };
        self.error(ErrorKind::Unknown, path, format!("unknown {what} `{found}` in `{path}`"))
            .allowed(allowed)
            .nearest(found, names)
    }
}

impl TaskSpec {
    /// Reads a scene file and applies overrides of the form `a.b.c=value`, in order. A value is TOML, or a bare
    /// word that is taken as text. The path of the robot file becomes absolute.
    ///
    /// # Errors
    /// Everything that is wrong, with file, line and column, or with the override that brought it.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self> {
        let io = |error: std::io::Error| Error::new(ErrorKind::Io, Location::file(path), error.to_string());
        let bytes = std::fs::metadata(path).map_err(io)?.len();
        if bytes > MAX_FILE_BYTES {
            let message = format!("the file has {bytes} bytes");
            return Err(Error::new(ErrorKind::Limit, Location::file(path), message)
                .allowed(format!("at most {MAX_FILE_BYTES}")));
        }
        let text = std::fs::read_to_string(path).map_err(io)?;
        Self::parse(&text, path, overrides)
    }

    /// The same from text; `path` is the file that it counts as.
    ///
    /// # Errors
    /// As [`TaskSpec::load`].
    pub fn parse(text: &str, path: &Path, overrides: &[String]) -> Result<Self> {
        let mut document = Node::parse(text, path)?;
        for text in overrides {
            apply_override(&mut document, text)?;
        }
        schema::check(&document)?;
        let mut spec = Self::deserialize(&document)
            .map_err(|error| Error::new(ErrorKind::Value, Location::file(path), error.0))?;
        spec.source.file = path.to_path_buf();
        record_places(&document, String::new(), &mut spec.source.places);
        spec.resolve_paths(&document);
        spec.validate()?;
        Ok(spec)
    }

    /// The whole as TOML, defaults included; [`TaskSpec::load`] reads it back.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a TaskSpec holds only what TOML can hold")
    }

    fn resolve_paths(&mut self, document: &Node) {
        let folder = self.source.file.parent().unwrap_or(Path::new("")).to_path_buf();
        let absolute = |key: &str, path: &Path| {
            let node = document.get("robot").and_then(|robot| robot.get(key));
            let base = if node.is_some_and(|node| node.overridden) { PathBuf::new() } else { folder.clone() };
            let joined = base.join(path);
            std::path::absolute(&joined).unwrap_or(joined)
        };
        self.robot.file = absolute("file", &self.robot.file);
        self.robot.root = self.robot.root.as_deref().map(|root| absolute("root", root));
        for material in &mut self.materials {
            // What a scene lists stands in its file.
            let beside = |path: &Path| std::path::absolute(folder.join(path)).unwrap_or(folder.join(path));
            material.texture = material.texture.as_deref().map(beside);
        }
    }

    /// What the schema cannot say: references between tables, order of ranges, training values.
    fn validate(&self) -> Result<()> {
        if !self.observe.names().any(|name| name == "policy") {
            return Err(self.source.error(
                ErrorKind::Structure,
                "observe",
                "there is no group `observe.policy`",
            ));
        }
        if let Some((name, _)) = self.observe.iter().find(|(_, group)| group.is_empty()) {
            return Err(self.source.error(
                ErrorKind::Structure,
                &format!("observe.{name}"),
                "the group is empty",
            ));
        }
        self.train.validate().map_err(|invalid| {
            self.source.error(ErrorKind::Value, &format!("train.{}", invalid.key), invalid.to_string())
        })
    }
}

/// Sets one value; tables on the way are made. The check against the schema comes after.
fn apply_override(document: &mut Node, text: &str) -> Result<()> {
    let at = Location::file(format!("--set {text}"));
    let usage =
        || Error::new(ErrorKind::Syntax, at.clone(), "not an assignment").allowed("allowed: KEY.KEY=VALUE");
    let (keys, value) = text.split_once('=').ok_or_else(usage)?;
    let keys: Vec<&str> = keys.trim().split('.').map(str::trim).collect();
    if keys.iter().any(|key| key.is_empty()) {
        return Err(usage());
    }
    let value = Node::parse_override(value.trim(), &at)?;

    let mut node = document;
    let mut walked = String::new();
    for key in &keys {
        let parent = walked.clone();
        walked = if parent.is_empty() { (*key).to_owned() } else { format!("{parent}.{key}") };
        let refuse = |what: String| Err(Error::new(ErrorKind::Unknown, at.clone(), what));
        node = match &mut node.value {
            Value::Table(entries) => {
                let index = entries.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
                    entries.push(((*key).to_owned(), Node::empty_table(&at, true)));
                    entries.len() - 1
                });
                &mut entries[index].1
            }
            Value::Array(items) => {
                let count = items.len();
                match key.parse::<usize>().ok().filter(|&index| index < count) {
                    Some(index) => &mut items[index],
                    None => {
                        return refuse(format!("`{parent}` has elements 0 to {}", count.saturating_sub(1)));
                    }
                }
            }
            other => return refuse(format!("`{parent}` is {}, not a table", other.describe())),
        };
    }
    *node = value;
    Ok(())
}

fn record_places(node: &Node, path: String, places: &mut BTreeMap<String, Location>) {
    let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match &node.value {
        Value::Table(entries) => {
            for (key, value) in entries {
                record_places(value, inner(key), places);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                record_places(item, inner(&index.to_string()), places);
            }
        }
        _ => {}
    }
    let place = if matches!(node.value, Value::Table(_)) { &node.key_at } else { &node.at };
    places.insert(path, place.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str =
        "name = \"t\"\n[robot]\nfile = \"r.xml\"\n[observe.policy]\nq = { term = \"joint_position\" }\n";

    fn refused(text: &str, overrides: &[&str]) -> String {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        TaskSpec::parse(text, Path::new("s/scene.toml"), &overrides).expect_err(text).to_string()
    }

    #[test]
    fn each_mistake_is_named_with_its_place_and_the_nearest_name() {
        let cases = [
            (
                "[epsode]\nseconds = 1.0\n",
                "s/scene.toml:6:2: unknown key `epsode`",
                "did you mean `episode`?",
            ),
            (
                "[episode]\nsecond = 1.0\n",
                "s/scene.toml:7:1: unknown key `episode.second`",
                "did you mean `seconds`?",
            ),
            (
                "[episode]\nseconds = \"long\"\n",
                "s/scene.toml:7:11: `episode.seconds` is the text `long`",
                "a number over 0",
            ),
            ("[episode]\nseconds = -1\n", "s/scene.toml:7:11: `episode.seconds` is `-1`", "a number over 0"),
            ("[physics]\ndecimation = 0\n", "s/scene.toml:7:14: `physics.decimation` is `0`", "at least 1"),
            (
                "[physics]\ndecimation = 1.5\n",
                "s/scene.toml:7:14: `physics.decimation` is `1.5`",
                "an integer",
            ),
            (
                "[reward.a]\nweight = 1\nterm = \"upritgh\"\n",
                "s/scene.toml:8:8: unknown term `upritgh`",
                "did you mean `upright`?",
            ),
            (
                "[reward.a]\nweight = 1\n",
                "s/scene.toml:6:9: `reward.a` needs the key `term`",
                "allowed: alive",
            ),
            ("[reward.a]\nterm = \"alive\"\n", "s/scene.toml:6:9: `reward.a` needs the key `weight`", ""),
            (
                "[reward]\na = { term = \"alive\", weight = 1, wieght = 2 }\n",
                "s/scene.toml:7:35: unknown key `reward.a.wieght`",
                "did you mean `weight`?",
            ),
            (
                "[action]\nkind = \"positon\"\n",
                "s/scene.toml:7:8: `action.kind` is the unknown word `positon`",
                "did you mean `position`?",
            ),
            (
                "[train]\nlamda = 0.9\n",
                "s/scene.toml:7:1: unknown key `train.lamda`",
                "did you mean `lambda`?",
            ),
            ("[train]\ngamma = 1.5\n", "s/scene.toml:7:9:", "in [0, 1]"),
            (
                "[command.go]\nkind = \"velocity\"\nx = [1.0]\n",
                "s/scene.toml:8:5: `command.go.x` is an array of 1",
                "an array of 2: each a number",
            ),
            (
                "[[props]]\nname = \"p\"\nshape = { kind = \"cube\" }\n",
                "s/scene.toml:8:18: unknown kind `cube`",
                "allowed: plane, box, sphere, capsule, cylinder",
            ),
            ("[episode]\nseconds = nan\n", "s/scene.toml:7:11: `NaN` is not a finite number", ""),
            ("[episode\n", "s/scene.toml:6:", ""),
            ("name = 3\n", "s/scene.toml:6:", ""),
        ];
        for (tail, place, hint) in cases {
            let message = refused(&format!("{MINIMAL}{tail}"), &[]);
            assert!(message.starts_with(place) && message.contains(hint), "{tail}: {message}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(refused("", &[]).contains("a scene needs the key"));
        let message = refused(
            "name = \"t\"\n[robot]\nfile = \"r.xml\"\n[observe.critic]\nq = { term = \"time_left\" }\n",
            &[],
        );
        assert!(message.contains("there is no group `observe.policy`"), "{message}");
    }

    #[test]
    fn an_override_sets_a_value_and_answers_for_its_mistakes() {
        let overrides = [
            "episode.seconds=3".to_owned(),
            "robot.keyframe=home".to_owned(),
            "train.actor_hidden=[8, 8]".to_owned(),
        ];
        let spec = TaskSpec::parse(MINIMAL, Path::new("s/scene.toml"), &overrides).expect("valid");
        assert_eq!(spec.episode.seconds, 3.0);
        assert_eq!(spec.robot.keyframe.as_deref(), Some("home"));
        assert_eq!(spec.train.actor_hidden, [8, 8]);

        let message = refused(MINIMAL, &["episode.secons=3"]);
        assert!(message.starts_with("--set episode.secons=3: unknown key `episode.secons`"), "{message}");
        assert!(message.ends_with("did you mean `seconds`?"), "{message}");
        assert!(refused(MINIMAL, &["episode.seconds"]).contains("KEY.KEY=VALUE"));
        assert!(refused(MINIMAL, &["name.x=1"]).contains("not a table"));
        assert!(refused(MINIMAL, &["episode.seconds=soon"]).contains("a number over 0"));
    }

    #[test]
    fn robot_files_are_relative_to_the_scene_and_overrides_to_the_working_directory() {
        let spec = TaskSpec::parse(MINIMAL, Path::new("s/scene.toml"), &[]).expect("valid");
        assert!(spec.robot.file.ends_with("s/r.xml") && spec.robot.file.is_absolute());
        let spec = TaskSpec::parse(MINIMAL, Path::new("s/scene.toml"), &["robot.file=q.xml".to_owned()])
            .expect("valid");
        assert!(spec.robot.file.ends_with("q.xml") && !spec.robot.file.ends_with("s/q.xml"));
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        let text = format!(
            "{MINIMAL}z = {{ term = \"time_left\", noise = 0.5 }}\na = {{ term = \"base_height\" }}\n[success]\nterm = \"survived\"\n"
        );
        let spec = TaskSpec::parse(&text, Path::new("scene.toml"), &[]).expect("valid");
        let printed = spec.to_toml();
        let again = TaskSpec::parse(&printed, Path::new("scene.toml"), &[])
            .unwrap_or_else(|e| panic!("{e}\n{printed}"));
        assert_eq!(again.to_toml(), printed);
        let names: Vec<&str> = again.observe.get("policy").expect("there").names().collect();
        assert_eq!(names, ["q", "z", "a"]);
    }
}
