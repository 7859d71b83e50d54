//! Names of one kind of object: unique, findable, and given to those that have none.

use std::collections::HashMap;

use crate::error::{ErrorKind, Location, Result};
use crate::import::Limits;
use crate::import::xml::{Attribute, Element};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An object of the model.
    Kept(usize),
    /// An object of the file that was left out of the model, with a loss on record.
    Dropped,
}

/// The names of one kind.
#[derive(Debug)]
pub struct Names {
    kind: &'static str,
    map: HashMap<String, (Target, Location)>,
}

impl Names {
    /// No names of a kind yet.
    pub fn new(kind: &'static str) -> Self {
        Self { kind, map: HashMap::new() }
    }

    /// The name of an element with the suffix of its replica; empty if it has none.
    ///
    /// # Errors
    /// If the name is taken, too long, or holds nothing.
    pub fn claim(
        &mut self,
        element: &Element,
        suffix: &str,
        target: Target,
        limits: &Limits,
    ) -> Result<String> {
        let Some(attribute) = element.get("name") else { return Ok(String::new()) };
        let name = format!("{}{suffix}", attribute.value);
        if attribute.value.is_empty() {
            return Ok(String::new());
        }
        crate::import::check_name(&name, limits, || {
            attribute.error(ErrorKind::Limit, format!("a name of {} bytes", name.len()))
        })?;
        self.claim_as(&name, attribute, target)
    }

    /// Claims a name on behalf of an attribute.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn claim_as(&mut self, name: &str, attribute: &Attribute, target: Target) -> Result<String> {
        if let Some((_, first)) = self.map.get(name) {
            let message = format!("a second {} named `{name}`", self.kind);
            return Err(attribute
                .error(ErrorKind::Structure, message)
                .allowed(format!("the first stands at {first}")));
        }
        self.map.insert(name.to_owned(), (target, attribute.location()));
        Ok(name.to_owned())
    }

    /// Adds a name that no element carries (the world).
    pub fn insert(&mut self, name: &str, index: usize, location: Location) {
        self.map.insert(name.to_owned(), (Target::Kept(index), location));
    }

    /// What the value of an attribute names.
    ///
    /// # Errors
    /// If nothing of this kind has that name.
    pub fn find(&self, attribute: &Attribute) -> Result<Target> {
        let name = attribute.value.as_str();
        self.map.get(name).map(|(target, _)| *target).ok_or_else(|| {
            let message = format!("there is no {} named `{name}`", self.kind);
            attribute.error(ErrorKind::Structure, message).nearest(name, self.map.keys().map(String::as_str))
        })
    }

    /// Names those that have none `kind_0`, `kind_1`, ... by index, out of the way of the file's own names.
    pub fn fill<'m>(&self, names: impl Iterator<Item = &'m mut String>) {
        for (index, name) in names.enumerate().filter(|(_, name)| name.is_empty()) {
            *name = format!("{}_{index}", self.kind.replace(' ', "_"));
            while self.map.contains_key(name.as_str()) {
                name.push('_');
            }
        }
    }
}
