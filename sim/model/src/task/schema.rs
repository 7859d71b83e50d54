//! The published JSON schema, and the check of a file against it.
//!
//! One schema serves editors and the loader: what it refuses here is what it refuses there, and each message
//! says what is allowed and which name is nearest.

use serde_json::Value as Json;

use super::TaskSpec;
use super::node::{Node, Value};
use crate::error::{Error, ErrorKind, Result};

/// JSON schema (draft 2020-12) of `scene.toml`.
pub fn schema() -> Json {
    schemars::schema_for!(TaskSpec).to_value()
}

/// Checks a file against the schema.
pub(super) fn check(document: &Node) -> Result<()> {
    let root = schema();
    Checker { root: &root }.check(document, &root, "")
}

struct Checker<'a> {
    root: &'a Json,
}

/// What a table may hold, gathered from all parts of its schema.
#[derive(Default)]
struct Shape<'a> {
    properties: Vec<(&'a str, &'a Json)>,
    required: Vec<&'a str>,
    additional: Option<&'a Json>,
}

impl<'a> Checker<'a> {
    fn check(&self, node: &Node, schema: &'a Json, path: &str) -> Result<()> {
        let schema = self.resolve(schema);
        if let Some(words) = self.words(schema) {
            return check_word(node, &words, path);
        }
        match &node.value {
            Value::Table(entries) if self.allows(schema, "object") => {
                self.check_table(node, entries, schema, path)
            }
            Value::Array(items) if self.allows(schema, "array") => {
                self.check_array(node, items, schema, path)
            }
            Value::Integer(value) if self.allows(schema, "number") || self.allows(schema, "integer") => {
                check_range(node, *value as f64, schema, path)
            }
            Value::Float(value) if self.allows(schema, "number") => check_range(node, *value, schema, path),
            Value::Text(_) if self.allows(schema, "string") => Ok(()),
            Value::Bool(_) if self.allows(schema, "boolean") => Ok(()),
            other => Err(Error::new(
                ErrorKind::Value,
                node.at.clone(),
                format!("`{path}` is {}", other.describe()),
            )
            .allowed(format!("allowed: {}", self.describe(schema)))),
        }
    }

    /// Follows references, and takes what is not null of an optional value.
    fn resolve(&self, mut schema: &'a Json) -> &'a Json {
        loop {
            let next = schema
                .get("$ref")
                .and_then(Json::as_str)
                .filter(|_| schema.get("properties").is_none())
                .and_then(|reference| self.root.pointer(reference.trim_start_matches('#')))
                .or_else(|| {
                    let parts = schema.get("anyOf")?.as_array()?;
                    let mut real = parts.iter().filter(|part| part.get("type") != Some(&Json::from("null")));
                    let first = real.next()?;
                    real.next().is_none().then_some(first)
                });
            match next {
                Some(next) => schema = next,
                None => return schema,
            }
        }
    }

    fn allows(&self, schema: &Json, kind: &str) -> bool {
        match schema.get("type") {
            Some(Json::String(one)) => one == kind,
            Some(Json::Array(several)) => several.iter().any(|one| one == kind),
            _ => kind == "object" && (schema.get("oneOf").is_some() || schema.get("properties").is_some()),
        }
    }

    /// The words of an enumeration.
    fn words(&self, schema: &'a Json) -> Option<Vec<&'a str>> {
        if let Some(words) = schema.get("enum").and_then(Json::as_array) {
            return Some(words.iter().filter_map(Json::as_str).collect());
        }
        let mut words = Vec::new();
        for variant in schema.get("oneOf")?.as_array()? {
            match variant.get("const") {
                Some(word) => words.push(word.as_str()?),
                None => words.extend(variant.get("enum")?.as_array()?.iter().filter_map(Json::as_str)),
            }
        }
        Some(words)
    }

    fn check_table(
        &self,
        node: &Node,
        entries: &[(String, Node)],
        schema: &'a Json,
        path: &str,
    ) -> Result<()> {
        let mut shape = Shape::default();
        self.gather(node, schema, path, &mut shape)?;
        for (key, value) in entries {
            let inner = join(path, key);
            let known = shape.properties.iter().find(|(name, _)| name == key).map(|(_, schema)| *schema);
            match known.or(shape.additional) {
                Some(schema) => self.check(value, schema, &inner)?,
                None => {
                    let names: Vec<&str> = shape.properties.iter().map(|(name, _)| *name).collect();
                    let message = format!("unknown key `{inner}`");
                    return Err(Error::new(ErrorKind::Unknown, value.key_at.clone(), message)
                        .allowed(format!("allowed: {}", names.join(", ")))
                        .nearest(key, names.iter().copied()));
                }
            }
        }
        match shape.required.iter().find(|name| node.get(name).is_none()) {
            Some(missing) => Err(Error::new(
                ErrorKind::Structure,
                node.key_at.clone(),
                format!(
                    "{} needs the key `{missing}`",
                    if path.is_empty() { "a scene".into() } else { format!("`{path}`") }
                ),
            )),
            None => Ok(()),
        }
    }

    /// Collects what a table may hold; of variants the one that its tag names.
    fn gather(&self, node: &Node, schema: &'a Json, path: &str, shape: &mut Shape<'a>) -> Result<()> {
        let target = schema.get("$ref").and_then(Json::as_str);
        if let Some(target) = target.and_then(|target| self.root.pointer(target.trim_start_matches('#'))) {
            self.gather(node, target, path, shape)?;
        }
        if let Some(properties) = schema.get("properties").and_then(Json::as_object) {
            shape.properties.extend(properties.iter().map(|(name, schema)| (name.as_str(), schema)));
        }
        if let Some(required) = schema.get("required").and_then(Json::as_array) {
            shape.required.extend(required.iter().filter_map(Json::as_str));
        }
        if let Some(additional @ Json::Object(_)) = schema.get("additionalProperties") {
            shape.additional = Some(additional);
        }
        for part in schema.get("allOf").and_then(Json::as_array).into_iter().flatten() {
            self.gather(node, part, path, shape)?;
        }
        match schema.get("oneOf").and_then(Json::as_array) {
            Some(variants) => self.gather(node, self.variant(node, variants, path)?, path, shape),
            None => Ok(()),
        }
    }

    /// The variant that the table's tag names.
    fn variant(&self, node: &Node, variants: &'a [Json], path: &str) -> Result<&'a Json> {
        let tag = variants.first().and_then(tags).map_or("kind", |(tag, _)| tag);
        let words: Vec<&str> =
            variants.iter().filter_map(|variant| tags(variant).map(|(_, word)| word)).collect();
        let allowed = format!("allowed: {}", words.join(", "));
        let Some(found) = node.get(tag) else {
            let message = format!("`{path}` needs the key `{tag}`");
            return Err(Error::new(ErrorKind::Structure, node.key_at.clone(), message).allowed(allowed));
        };
        let Value::Text(word) = &found.value else {
            let message = format!("`{}` is {}", join(path, tag), found.value.describe());
            return Err(Error::new(ErrorKind::Value, found.at.clone(), message).allowed(allowed));
        };
        variants.iter().find(|variant| tags(variant).is_some_and(|(_, name)| name == word)).ok_or_else(|| {
            Error::new(ErrorKind::Unknown, found.at.clone(), format!("unknown {tag} `{word}` in `{path}`"))
                .allowed(allowed)
                .nearest(word, words.iter().copied())
        })
    }

    fn check_array(&self, node: &Node, items: &[Node], schema: &'a Json, path: &str) -> Result<()> {
        let bound = |key: &str| schema.get(key).and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok());
        if bound("minItems").is_some_and(|min| items.len() < min)
            || bound("maxItems").is_some_and(|max| items.len() > max)
        {
            return Err(Error::new(
                ErrorKind::Value,
                node.at.clone(),
                format!("`{path}` is an array of {}", items.len()),
            )
            .allowed(format!("allowed: {}", self.describe(schema))));
        }
        let Some(item_schema) = schema.get("items") else { return Ok(()) };
        items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| self.check(item, item_schema, &join(path, &index.to_string())))
    }

    /// What a schema allows, for messages.
    fn describe(&self, schema: &'a Json) -> String {
        let schema = self.resolve(schema);
        if let Some(words) = self.words(schema) {
            return words.join(", ");
        }
        let kinds: Vec<&str> = ["object", "array", "number", "integer", "string", "boolean"]
            .into_iter()
            .filter(|kind| self.allows(schema, kind))
            .collect();
        match kinds.first() {
            Some(&"object") => "a table".to_owned(),
            Some(&"array") => {
                let items =
                    schema.get("items").map_or_else(|| "values".to_owned(), |items| self.describe(items));
                match schema.get("minItems").and_then(Json::as_u64) {
                    Some(count) => format!("an array of {count}: each {items}"),
                    None => format!("an array: each {items}"),
                }
            }
            Some(&"number") => format!("a number{}", range_text(schema)),
            Some(&"integer") => format!("an integer{}", range_text(schema)),
            Some(&"string") => "text".to_owned(),
            Some(&"boolean") => "true or false".to_owned(),
            _ => "nothing".to_owned(),
        }
    }
}

/// The property of a variant that is constant, and its word.
fn tags(variant: &Json) -> Option<(&str, &str)> {
    variant.get("properties")?.as_object()?.iter().find_map(|(name, schema)| {
        schema.get("const").and_then(Json::as_str).map(|word| (name.as_str(), word))
    })
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn check_word(node: &Node, words: &[&str], path: &str) -> Result<()> {
    let allowed = format!("allowed: {}", words.join(", "));
    match &node.value {
        Value::Text(word) if words.contains(&word.as_str()) => Ok(()),
        Value::Text(word) => Err(Error::new(
            ErrorKind::Unknown,
            node.at.clone(),
            format!("`{path}` is the unknown word `{word}`"),
        )
        .allowed(allowed)
        .nearest(word, words.iter().copied())),
        other => {
            Err(Error::new(ErrorKind::Value, node.at.clone(), format!("`{path}` is {}", other.describe()))
                .allowed(allowed))
        }
    }
}

fn check_range(node: &Node, value: f64, schema: &Json, path: &str) -> Result<()> {
    let bound = |key: &str| schema.get(key).and_then(Json::as_f64);
    let inside = bound("minimum").is_none_or(|min| value >= min)
        && bound("maximum").is_none_or(|max| value <= max)
        && bound("exclusiveMinimum").is_none_or(|min| value > min)
        && bound("exclusiveMaximum").is_none_or(|max| value < max);
    if inside {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Value, node.at.clone(), format!("`{path}` is `{value}`"))
        .allowed(format!("allowed: a number{}", range_text(schema))))
}

fn range_text(schema: &Json) -> String {
    let words = [
        ("minimum", "at least"),
        ("exclusiveMinimum", "over"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "below"),
    ];
    words
        .iter()
        .filter_map(|(key, word)| schema.get(key).map(|bound| format!(" {word} {bound}")))
        .collect::<Vec<_>>()
        .join(" and")
}
