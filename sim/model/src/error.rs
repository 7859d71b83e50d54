//! One error for every file that cannot be used: where, what was found, what is allowed.

use std::fmt;
use std::path::PathBuf;

/// Result of reading a file.
pub type Result<T> = std::result::Result<T, Error>;

/// A place in a text file, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file as the user named it.
    pub file: PathBuf,
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: u32,
    /// Column, from 1; 0 when the line as a whole is meant.
    pub column: u32,
}

impl Location {
    /// The file as a whole.
    pub fn file(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", printable(self.file.display().to_string()))?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// Why a file was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The file could not be opened or read.
    Io,
    /// The text breaks the grammar of its format.
    Syntax,
    /// A size, depth or count is over a limit of `Limits`.
    Limit,
    /// An unknown element, attribute, key or name.
    Unknown,
    /// A value outside what its field allows.
    Value,
    /// Names that repeat, dangle or form a cycle.
    Structure,
    /// A path that leaves the file's root folder.
    Confinement,
    /// The format allows it, keiko does not support it.
    Unsupported,
}

/// A refused file: `file:line:column: what was found; what is allowed`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{location}: {message}{}{}",
    .allowed.as_ref().map(|a| format!("; {a}")).unwrap_or_default(),
    .nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
pub struct Error {
    /// Why.
    pub kind: ErrorKind,
    /// Where.
    pub location: Location,
    /// What was found.
    pub message: String,
    /// What is allowed.
    pub allowed: Option<String>,
    /// The allowed name nearest to the one found.
    pub nearest: Option<String>,
}

impl Error {
    /// An error at a place; control characters in `message` are escaped.
    pub fn new(kind: ErrorKind, location: Location, message: impl AsRef<str>) -> Self {
        Self { kind, location, message: printable(message.as_ref()), allowed: None, nearest: None }
    }

    /// Adds what is allowed.
    #[must_use]
    pub fn allowed(mut self, allowed: impl AsRef<str>) -> Self {
        self.allowed = Some(printable(allowed.as_ref()));
        self
    }

    /// Adds the nearest of the allowed names, if one is near.
    #[must_use]
    pub fn nearest<'a>(mut self, found: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.nearest = nearest_name(found, names).map(printable);
        self
    }
}

/// The name nearest to `found`, if any is near enough to be a slip of the keyboard.
pub fn nearest_name<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(found, name), name))
        .filter(|(distance, name)| *distance <= 2.max(found.len().max(name.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Text that cannot act on a terminal: control and bidirectional-override characters are escaped.
pub fn printable(text: impl AsRef<str>) -> String {
    let mut out = String::with_capacity(text.as_ref().len());
    for c in text.as_ref().chars() {
        let bidi = matches!(c, '\u{200E}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        if (c.is_control() && c != '\n' && c != '\t') || bidi {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}
