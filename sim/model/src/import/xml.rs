//! XML with places: an owned tree in which every element and attribute knows its file, line and column.
//!
//! A file is scanned for nesting, element and attribute counts before it is parsed, so that no recursion or quadratic
//! check can be driven by it. Attributes remember whether they were read: what a reader did not ask for is a loss.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use glam::DVec3;

use super::{AssetRoot, Limits};
use crate::error::{Error, ErrorKind, Location, Result};

/// A place in a file; cheap to copy around.
#[derive(Clone, Debug)]
pub struct Place {
    file: Arc<Path>,
    line: u32,
    column: u32,
}

impl Place {
    /// The same place as errors carry it.
    pub fn location(&self) -> Location {
        Location { file: self.file.to_path_buf(), line: self.line, column: self.column }
    }

    /// The file that it is in.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// An attribute as it stands in the file.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value, entities resolved.
    pub value: String,
    place: Place,
    read: Cell<bool>,
}

/// An element with its attributes and child elements; text and comments are not kept.
#[derive(Clone, Debug)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes in file order.
    pub attributes: Vec<Attribute>,
    /// Its child elements in file order.
    pub children: Vec<Element>,
    /// Whether there is text between its tags, which neither MJCF nor URDF knows.
    pub has_text: bool,
    place: Place,
    visited: Cell<bool>,
}

/// Reads and parses one XML file.
///
/// # Errors
/// If the file is not a regular one inside the root, not UTF-8, over a limit, or not well-formed XML.
pub fn read(root: &AssetRoot, path: &Path, limits: &Limits) -> Result<Element> {
    let bytes = root.read(path, limits.xml_bytes, &Location::file(path))?;
    parse(path, bytes, limits)
}

/// Parses the bytes of one XML file; `path` only names it in errors.
///
/// # Errors
/// If they are not UTF-8, over a limit, or not well-formed XML.
pub fn parse(path: &Path, bytes: Vec<u8>, limits: &Limits) -> Result<Element> {
    let file: Arc<Path> = path.into();
    let lines = LineIndex::new(&bytes);
    let at = |offset: usize| lines.place(&file, offset).location();
    let text = String::from_utf8(bytes).map_err(|e| {
        Error::new(ErrorKind::Syntax, at(e.utf8_error().valid_up_to()), "the text is not UTF-8 here")
    })?;
    if let Some(offset) = text.find('\0') {
        return Err(Error::new(ErrorKind::Syntax, at(offset), "a NUL character in the text"));
    }
    scan(text.as_bytes(), limits).map_err(|(offset, kind, message)| Error::new(kind, at(offset), message))?;
    let options = roxmltree::ParsingOptions { allow_dtd: false, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(&text, options).map_err(|e| {
        let pos = e.pos();
        let place = Location { file: path.to_path_buf(), line: pos.row, column: pos.col };
        Error::new(ErrorKind::Syntax, place, e.to_string())
    })?;
    Ok(convert(document.root_element(), &|offset| lines.place(&file, offset)))
}

/// Byte offsets of the lines of a text.
struct LineIndex {
    starts: Vec<usize>,
}

impl LineIndex {
    fn new(bytes: &[u8]) -> Self {
        let ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1);
        Self { starts: std::iter::once(0).chain(ends).collect() }
    }

    /// Line and column (in bytes) of an offset.
    fn place(&self, file: &Arc<Path>, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        let column = offset - self.starts[line - 1] + 1;
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { file: file.clone(), line: clamp(line), column: clamp(column) }
    }
}

type ScanError = (usize, ErrorKind, String);

/// Measures nesting and counts without recursion; what is malformed is left to the parser to name.
fn scan(text: &[u8], limits: &Limits) -> std::result::Result<(), ScanError> {
    let (mut at, mut depth, mut elements) = (0, 0usize, 0usize);
    while let Some(start) = find(text, at, b"<") {
        let rest = &text[start..];
        let skipped = if rest.starts_with(b"<!--") {
            find(text, start + 4, b"-->").map(|end| end + 3)
        } else if rest.starts_with(b"<![CDATA[") {
            find(text, start + 9, b"]]>").map(|end| end + 3)
        } else if rest.starts_with(b"<?") {
            find(text, start + 2, b"?>").map(|end| end + 2)
        } else if rest.starts_with(b"<!") {
            let message = "a document type definition; entities and DTDs are not expanded".to_owned();
            return Err((start, ErrorKind::Syntax, message));
        } else if rest.starts_with(b"</") {
            depth = depth.saturating_sub(1);
            find(text, start, b">").map(|end| end + 1)
        } else {
            elements += 1;
            let (end, attributes, closed) = scan_tag(text, start);
            depth += usize::from(!closed);
            if depth + usize::from(closed) > limits.depth {
                let message = format!("elements are nested deeper than {}", limits.depth);
                return Err((start, ErrorKind::Limit, message));
            }
            if elements > limits.nodes {
                let message = format!("the file has more than {} elements", limits.nodes);
                return Err((start, ErrorKind::Limit, message));
            }
            if attributes > limits.attributes {
                let message = format!("the element has more than {} attributes", limits.attributes);
                return Err((start, ErrorKind::Limit, message));
            }
            end
        };
        match skipped {
            Some(next) => at = next,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// End of a start tag, number of attributes, and whether it closes itself.
fn scan_tag(text: &[u8], start: usize) -> (Option<usize>, usize, bool) {
    let (mut quote, mut attributes) = (None, 0);
    for (i, &byte) in text.iter().enumerate().skip(start + 1) {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'=') => attributes += 1,
            (None, b'>') => return (Some(i + 1), attributes, text[i - 1] == b'/'),
            (None, _) => {}
        }
    }
    (None, attributes, false)
}

fn find(text: &[u8], from: usize, pattern: &[u8]) -> Option<usize> {
    text.get(from..)?.windows(pattern.len()).position(|window| window == pattern).map(|i| from + i)
}

/// The nesting is bounded by `scan`, so recursion is safe here.
fn convert(node: roxmltree::Node<'_, '_>, place: &dyn Fn(usize) -> Place) -> Element {
    let attributes = node.attributes().map(|a| Attribute {
        name: a.name().to_owned(),
        value: a.value().to_owned(),
        place: place(a.range().start),
        read: Cell::new(false),
    });
    let has_text = |n: roxmltree::Node<'_, '_>| n.is_text() && n.text().is_some_and(|t| !t.trim().is_empty());
    Element {
        name: node.tag_name().name().to_owned(),
        attributes: attributes.collect(),
        has_text: node.children().any(has_text),
        children: node.children().filter(|c| c.is_element()).map(|c| convert(c, place)).collect(),
        place: place(node.range().start),
        visited: Cell::new(false),
    }
}

impl Attribute {
    /// Where it stands.
    pub fn location(&self) -> Location {
        self.place.location()
    }

    /// Whether a reader asked for it.
    pub fn was_read(&self) -> bool {
        self.read.get()
    }

    /// An error at this attribute.
    pub fn error(&self, kind: ErrorKind, message: impl AsRef<str>) -> Error {
        Error::new(kind, self.location(), message)
    }

    /// An error at this attribute that quotes it.
    pub fn bad(&self, problem: &str) -> Error {
        self.error(
            ErrorKind::Value,
            format!("attribute `{}=\"{}\"` {problem}", self.name, shorten(&self.value)),
        )
    }

    /// Its numbers, all finite, `min..=max` of them.
    ///
    /// # Errors
    /// If a word is no finite number or the count is another.
    pub fn f64s(&self, min: usize, max: usize) -> Result<Vec<f64>> {
        let mut numbers = Vec::new();
        for word in self.value.split_ascii_whitespace() {
            if numbers.len() == max {
                let more = format!("has more than {max} number{}", if max == 1 { "" } else { "s" });
                return Err(self.bad(&more).allowed(count_text(min, max)));
            }
            let number: f64 = word.parse().map_err(|_| {
                self.bad(&format!("holds `{}`, which is not a number", shorten(word)))
                    .allowed(count_text(min, max))
            })?;
            if !number.is_finite() {
                return Err(self.bad("is not finite").allowed("a finite number is expected"));
            }
            numbers.push(number);
        }
        if numbers.len() < min {
            return Err(self.bad(&format!("has {} numbers", numbers.len())).allowed(count_text(min, max)));
        }
        Ok(numbers)
    }

    /// Index of its value among keywords.
    ///
    /// # Errors
    /// If it is none of them.
    pub fn keyword(&self, keywords: &[&str]) -> Result<usize> {
        let value = self.value.trim();
        keywords.iter().position(|k| *k == value).ok_or_else(|| {
            self.bad("is not a known keyword")
                .allowed(format!("one of: {}", keywords.join(", ")))
                .nearest(value, keywords.iter().copied())
        })
    }
}

fn count_text(min: usize, max: usize) -> String {
    match (min, max) {
        (1, 1) => "a number is expected".to_owned(),
        (min, max) if min == max => format!("{min} numbers are expected"),
        (min, usize::MAX) => format!("at least {min} numbers are expected"),
        (min, max) => format!("{min} to {max} numbers are expected"),
    }
}

/// A value cut to a length that fits a message.
fn shorten(value: &str) -> String {
    if value.chars().count() <= 60 {
        value.to_owned()
    } else {
        value.chars().take(57).chain("...".chars()).collect()
    }
}

impl Element {
    /// Where its tag starts.
    pub fn location(&self) -> Location {
        self.place.location()
    }

    /// The file it stands in.
    pub fn file(&self) -> &Path {
        self.place.file()
    }

    /// An error at this element.
    pub fn error(&self, kind: ErrorKind, message: impl AsRef<str>) -> Error {
        Error::new(kind, self.location(), message)
    }

    /// An error at an attribute, or at the element if it lacks it.
    pub fn error_at(&self, attribute: &str, kind: ErrorKind, message: impl AsRef<str>) -> Error {
        match self.attributes.iter().find(|a| a.name == attribute) {
            Some(a) => a.error(kind, message),
            None => self.error(kind, message),
        }
    }

    /// Its tag and name: ``joint `elbow` ``.
    pub fn describe(&self) -> String {
        match self.attributes.iter().find(|a| a.name == "name") {
            Some(name) => format!("{} `{}`", self.name, shorten(&name.value)),
            None => self.name.clone(),
        }
    }

    /// Marks it as handled; unvisited elements are losses.
    pub fn visit(&self) {
        self.visited.set(true);
    }

    /// Whether it was handled.
    pub fn was_visited(&self) -> bool {
        self.visited.get()
    }

    /// Marks it, its attributes and all below it as handled (because a loss was recorded for the whole).
    pub fn visit_all(&self) {
        self.visit();
        self.attributes.iter().for_each(|a| a.read.set(true));
        self.children.iter().for_each(Self::visit_all);
    }

    /// Attributes that no reader asked for.
    pub fn unread(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|a| !a.was_read())
    }

    /// Children of one name.
    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// First child of one name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name)
    }

    /// An attribute; it counts as read from now on.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        let attribute = self.attributes.iter().find(|a| a.name == name)?;
        attribute.read.set(true);
        Some(attribute)
    }

    /// Whether the attribute is there; it does not count as read.
    pub fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|a| a.name == name)
    }

    /// Text of an attribute.
    pub fn str(&self, name: &str) -> Option<&str> {
        self.get(name).map(|a| a.value.as_str())
    }

    /// An attribute that must be there.
    ///
    /// # Errors
    /// If it is missing.
    pub fn require(&self, name: &str) -> Result<&Attribute> {
        self.get(name).ok_or_else(|| {
            self.error(ErrorKind::Structure, format!("{} lacks the attribute `{name}`", self.describe()))
        })
    }

    /// One finite number.
    ///
    /// # Errors
    /// If the attribute holds something else.
    pub fn f64(&self, name: &str) -> Result<Option<f64>> {
        Ok(self.array::<1>(name)?.map(|[x]| x))
    }

    /// A whole number that fits `i32`.
    ///
    /// # Errors
    /// If the attribute holds something else.
    pub fn i32(&self, name: &str) -> Result<Option<i32>> {
        let Some(attribute) = self.get(name) else { return Ok(None) };
        let parsed = attribute.value.trim().parse();
        parsed
            .map(Some)
            .map_err(|_| attribute.bad("is not a whole number").allowed("a 32-bit integer is expected"))
    }

    /// Exactly `N` finite numbers.
    ///
    /// # Errors
    /// If the attribute holds something else.
    pub fn array<const N: usize>(&self, name: &str) -> Result<Option<[f64; N]>> {
        let Some(attribute) = self.get(name) else { return Ok(None) };
        let numbers = attribute.f64s(N, N)?;
        Ok(<[f64; N]>::try_from(numbers).ok())
    }

    /// Three finite numbers.
    ///
    /// # Errors
    /// If the attribute holds something else.
    pub fn vec3(&self, name: &str) -> Result<Option<DVec3>> {
        Ok(self.array(name)?.map(DVec3::from_array))
    }

    /// Writes 1 to `target.len()` numbers over the front of `target`; returns how many there were.
    ///
    /// # Errors
    /// If the attribute holds something else.
    pub fn overlay(&self, name: &str, target: &mut [f64]) -> Result<usize> {
        let Some(attribute) = self.get(name) else { return Ok(0) };
        let numbers = attribute.f64s(1, target.len())?;
        target[..numbers.len()].copy_from_slice(&numbers);
        Ok(numbers.len())
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// If the attribute holds something else.
    pub fn bool(&self, name: &str) -> Result<Option<bool>> {
        Ok(self.keyword(name, &["false", "true"])?.map(|i| i == 1))
    }

    /// Index of the value among keywords.
    ///
    /// # Errors
    /// If it is none of them.
    pub fn keyword(&self, name: &str, keywords: &[&str]) -> Result<Option<usize>> {
        self.get(name).map(|a| a.keyword(keywords)).transpose()
    }

    /// Number of elements in the tree, itself included.
    pub fn count(&self) -> usize {
        1 + self.children.iter().map(Self::count).sum::<usize>()
    }

    /// Length of the longest chain of elements, itself included.
    pub fn height(&self) -> usize {
        1 + self.children.iter().map(Self::height).max().unwrap_or(0)
    }
}
