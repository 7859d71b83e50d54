//! `<default>` classes: what an element is before its own attributes are read.

use std::collections::HashMap;

use crate::error::{ErrorKind, Result};
use crate::import::xml::Element;

/// Name of the class that everything belongs to.
pub const MAIN: &str = "main";

/// All classes of a file. A class holds the elements of its ancestors first, so reading them in order and then
/// the element itself lets the nearest value win.
#[derive(Debug, Default)]
pub struct Defaults<'a> {
    classes: HashMap<&'a str, Vec<&'a Element>>,
}

impl<'a> Defaults<'a> {
    /// Reads all top-level `<default>` elements.
    ///
    /// # Errors
    /// If a class has no name or a name is repeated.
    pub fn read(root: &'a Element) -> Result<Self> {
        let mut defaults = Self { classes: HashMap::from([(MAIN, vec![])]) };
        for section in root.children_named("default") {
            section.visit();
            let name = section.str("class").unwrap_or(MAIN);
            let mut elements = defaults.classes[MAIN].clone();
            elements.extend(section.children.iter().filter(|c| c.name != "default"));
            if name != MAIN {
                // Older files name the top class; everything still belongs to it.
                defaults.insert(section, name, elements.clone())?;
            }
            defaults.classes.insert(MAIN, elements.clone());
            defaults.nested(section, &elements)?;
        }
        Ok(defaults)
    }

    fn nested(&mut self, section: &'a Element, inherited: &[&'a Element]) -> Result<()> {
        for class in section.children_named("default") {
            class.visit();
            let name = class.require("class")?.value.as_str();
            let own = class.children.iter().filter(|c| c.name != "default");
            let elements: Vec<&Element> = inherited.iter().copied().chain(own).collect();
            self.insert(class, name, elements.clone())?;
            self.nested(class, &elements)?;
        }
        Ok(())
    }

    fn insert(&mut self, section: &Element, name: &'a str, elements: Vec<&'a Element>) -> Result<()> {
        let at = |message: String| section.error_at("class", ErrorKind::Structure, message);
        if name.is_empty() {
            return Err(at("a default class with an empty name".to_owned()));
        }
        if self.classes.insert(name, elements).is_some() {
            return Err(at(format!("the default class `{name}` is defined twice")));
        }
        Ok(())
    }

    /// The class that an attribute of `element` names, if it is there.
    ///
    /// # Errors
    /// If there is no such class.
    pub fn class_named(&self, element: &'a Element, attribute: &str) -> Result<Option<&'a str>> {
        let Some(class) = element.get(attribute) else { return Ok(None) };
        let name = class.value.as_str();
        if self.classes.contains_key(name) {
            return Ok(Some(name));
        }
        let message = format!("there is no default class `{name}`");
        Err(class.error(ErrorKind::Structure, message).nearest(name, self.classes.keys().copied()))
    }

    /// The default elements of some kinds that hold for a class, ancestors first; they count as handled.
    pub fn of(&self, class: &str, kinds: &[&str]) -> Vec<&'a Element> {
        let all = self.classes.get(class).map(Vec::as_slice).unwrap_or_default();
        let found: Vec<&Element> = all.iter().copied().filter(|e| kinds.contains(&e.name.as_str())).collect();
        found.iter().for_each(|e| e.visit());
        found
    }

    /// The default elements for `element`: those of its own class, or else of the class in force around it.
    ///
    /// # Errors
    /// If its class does not exist.
    pub fn for_element(
        &self,
        element: &'a Element,
        around: &str,
        kinds: &[&str],
    ) -> Result<Vec<&'a Element>> {
        let class = self.class_named(element, "class")?;
        Ok(self.of(class.unwrap_or(around), kinds))
    }
}
