//! A TOML value that remembers where each part was written, and gives itself to serde.

use std::fmt;
use std::path::Path;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, IntoDeserializer, Visitor};
use toml::de::{DeTable, DeValue};

use crate::error::{Error, ErrorKind, Location, Result};

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where its key stands; its own place for array elements.
    pub key_at: Location,
    /// Where the value stands.
    pub at: Location,
    /// Whether it was given on the command line.
    pub overridden: bool,
    /// The value.
    pub value: Value,
}

/// What a [`Node`] holds. Tables keep the file's order.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Array(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Value {
    /// What it is, for messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Bool(value) => format!("`{value}`"),
            Self::Integer(value) => format!("`{value}`"),
            Self::Float(value) => format!("`{value}`"),
            Self::Text(value) => format!("the text `{value}`"),
            Self::Array(items) => format!("an array of {}", items.len()),
            Self::Table(_) => "a table".to_owned(),
        }
    }
}

impl Node {
    /// A table without entries.
    pub fn empty_table(at: &Location, overridden: bool) -> Self {
        Self { key_at: at.clone(), at: at.clone(), overridden, value: Value::Table(Vec::new()) }
    }

    /// The whole of a TOML document.
    pub fn parse(text: &str, file: &Path) -> Result<Self> {
        let document = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or_else(|| Location::file(file), |span| locate(text, file, span.start));
            Error::new(ErrorKind::Syntax, at, error.message())
        })?;
        let place = |offset: usize| locate(text, file, offset);
        let start = place(0);
        table(document.get_ref(), &place, false).map(|value| Self {
            key_at: start.clone(),
            at: start,
            overridden: false,
            value,
        })
    }

    /// The value of an override: TOML, or a bare word as text.
    pub fn parse_override(text: &str, at: &Location) -> Result<Self> {
        let place = |_: usize| at.clone();
        let value = match DeValue::parse(text) {
            Ok(parsed) => scalar_or_more(parsed.get_ref(), at, &place, true)?,
            Err(_) => Value::Text(text.to_owned()),
        };
        Ok(Self { key_at: at.clone(), at: at.clone(), overridden: true, value })
    }

    /// The entry of a table.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }
}

/// Line and column of a byte offset, from 1; columns count characters.
fn locate(text: &str, file: &Path, offset: usize) -> Location {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Location {
        file: file.to_path_buf(),
        line: count(before.matches('\n').count() + 1),
        column: count(before[line_start..].chars().count() + 1),
    }
}

fn table(entries: &DeTable<'_>, place: &dyn Fn(usize) -> Location, overridden: bool) -> Result<Value> {
    // The parser sorts by name; the places of the keys give the file's order back.
    let mut ordered: Vec<_> = entries.iter().collect();
    ordered.sort_by_key(|(key, _)| key.span().start);
    let mut out = Vec::with_capacity(ordered.len());
    for (key, value) in ordered {
        let at = place(value.span().start);
        let value = scalar_or_more(value.get_ref(), &at, place, overridden)?;
        out.push((
            key.get_ref().to_string(),
            Node { key_at: place(key.span().start), at, overridden, value },
        ));
    }
    Ok(Value::Table(out))
}

fn scalar_or_more(
    value: &DeValue<'_>,
    at: &Location,
    place: &dyn Fn(usize) -> Location,
    overridden: bool,
) -> Result<Value> {
    let refuse = |what: &str| Error::new(ErrorKind::Value, at.clone(), what);
    Ok(match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Integer(digits) => Value::Integer(
            i64::from_str_radix(digits.as_str(), digits.radix())
                .map_err(|_| refuse("an integer beyond 64 bits"))?,
        ),
        DeValue::Float(digits) => {
            let value: f64 = digits.as_str().parse().map_err(|_| refuse("not a number"))?;
            if !value.is_finite() {
                return Err(refuse(&format!("`{value}` is not a finite number")));
            }
            Value::Float(value)
        }
        DeValue::Datetime(_) => return Err(refuse("a date; scenes hold none")),
        DeValue::Array(items) => {
            let nodes = items.iter().map(|item| {
                let at = place(item.span().start);
                let value = scalar_or_more(item.get_ref(), &at, place, overridden)?;
                Ok(Node { key_at: at.clone(), at, overridden, value })
            });
            Value::Array(nodes.collect::<Result<_>>()?)
        }
        DeValue::Table(entries) => table(entries, place, overridden)?,
    })
}

/// What serde says against a [`Node`]; the schema check before it has found what users can get wrong.
#[derive(Debug)]
pub(super) struct NodeError(pub String);

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NodeError {}

impl de::Error for NodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'de> IntoDeserializer<'de, NodeError> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = NodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, NodeError> {
        match &self.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.iter())),
            Value::Table(entries) => visitor
                .visit_map(MapDeserializer::new(entries.iter().map(|(key, node)| (key.as_str(), node)))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, NodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, NodeError> {
        match &self.value {
            Value::Text(text) => visitor.visit_enum(StrDeserializer::<NodeError>::new(text)),
            other => Err(de::Error::custom(format!("{} where a word is expected", other.describe()))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> std::result::Result<V::Value, NodeError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}
