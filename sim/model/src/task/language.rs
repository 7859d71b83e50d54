//! What is asked for in words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Table;

/// Sentences that name one of several things, and one of several targets where there are any. Every template with every
/// name is an instruction; they are numbered thing by thing, target by target, template by template, name by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// Sentences in which `{}` stands for a thing; where there are targets, a second `{}` for a target.
    pub templates: Vec<String>,
    /// Things that can be asked for.
    pub objects: Vec<NamedObject>,
    /// Where things can be asked to be brought.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<NamedTarget>,
}

/// A thing and what it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedObject {
    /// Name of the prop.
    pub prop: String,
    /// What people call it, e.g. `red cube`.
    pub names: Vec<String>,
}

/// A place, or a rule that says which place is meant for a thing, and what it is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedTarget {
    /// Name of the prop, the same for all things.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prop: Option<String>,
    /// Instead: for each thing the prop that it belongs to, by the names of both props.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub of: Table<String>,
    /// What people call it, e.g. `yellow tray` or `bin of its colour`.
    pub names: Vec<String>,
}

impl NamedTarget {
    /// Name of the prop that is meant for a thing.
    pub fn prop_of(&self, object: &NamedObject) -> Option<&str> {
        self.prop.as_deref().or_else(|| self.of.get(&object.prop).map(String::as_str))
    }
}

/// One sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The words.
    pub text: String,
    /// Which of [`Language::objects`] is meant.
    pub object: usize,
    /// Which of [`Language::targets`] is meant, if there are any.
    pub target: Option<usize>,
}

/// What stands for a thing or a target in a template.
const BLANK: &str = "{}";

impl Language {
    /// All instructions, by number.
    pub fn instructions(&self) -> Vec<Instruction> {
        let mut out = Vec::new();
        for (object, named) in self.objects.iter().enumerate() {
            for (target, words) in self.target_words() {
                for template in &self.templates {
                    for name in &named.names {
                        let (head, tail) = template.split_once(BLANK).unwrap_or((template, ""));
                        out.extend(words.iter().map(|word| Instruction {
                            text: format!("{head}{name}{}", tail.replace(BLANK, word)),
                            object,
                            target,
                        }));
                    }
                }
            }
        }
        out
    }

    /// Number of instructions about each thing and target.
    pub fn num_sentences(&self, object: usize, target: Option<usize>) -> usize {
        let of_target = target.map_or(1, |target| self.targets[target].names.len());
        self.templates.len() * self.objects[object].names.len() * of_target
    }

    /// The targets with what they are called; without any one that has one empty name.
    fn target_words(&self) -> Vec<(Option<usize>, Vec<&str>)> {
        if self.targets.is_empty() {
            return vec![(None, vec![""])];
        }
        let targets = self.targets.iter().enumerate();
        targets.map(|(at, target)| (Some(at), target.names.iter().map(String::as_str).collect())).collect()
    }

    /// What is wrong with it: the key, and why.
    pub fn fault(&self) -> Option<(String, String)> {
        let fault = |key: String, what: String| Some((key, what));
        if self.templates.is_empty() {
            return fault("templates".into(), "there is no sentence".into());
        }
        let (blanks, often) = if self.targets.is_empty() { (1, "once") } else { (2, "twice") };
        if let Some(at) = self.templates.iter().position(|text| text.matches(BLANK).count() != blanks) {
            let what = format!("`{}` does not hold `{{}}` {often}", self.templates[at]);
            return fault(format!("templates.{at}"), what);
        }
        if self.objects.is_empty() {
            return fault("objects".into(), "there is nothing to ask for".into());
        }
        if let Some(at) = self.objects.iter().position(|object| object.names.is_empty()) {
            return fault(format!("objects.{at}.names"), format!("`{}` has no name", self.objects[at].prop));
        }
        for (at, target) in self.targets.iter().enumerate() {
            if target.names.is_empty() {
                return fault(format!("targets.{at}.names"), "a target has no name".into());
            }
            if target.prop.is_some() != target.of.is_empty() {
                return fault(format!("targets.{at}"), "a target has either `prop` or `of`".into());
            }
            if let Some(object) = self.objects.iter().find(|object| target.prop_of(object).is_none()) {
                return fault(format!("targets.{at}.of"), format!("`{}` belongs nowhere", object.prop));
            }
            if let Some(name) = target.of.names().find(|name| self.objects.iter().all(|o| o.prop != *name)) {
                return fault(
                    format!("targets.{at}.of.{name}"),
                    format!("`{name}` is not among the objects"),
                );
            }
        }
        let mut texts: Vec<String> = self.instructions().into_iter().map(|sentence| sentence.text).collect();
        texts.sort();
        let twice = texts.windows(2).find(|pair| pair[0] == pair[1])?;
        fault("objects".into(), format!("the instruction `{}` comes twice", twice[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(templates: &[&str], objects: &[(&str, &[&str])]) -> Language {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let object =
            |(prop, names): &(&str, &[&str])| NamedObject { prop: (*prop).into(), names: texts(names) };
        Language {
            templates: texts(templates),
            objects: objects.iter().map(object).collect(),
            targets: Vec::new(),
        }
    }

    fn target(prop: Option<&str>, of: &[(&str, &str)], names: &[&str]) -> NamedTarget {
        NamedTarget {
            prop: prop.map(Into::into),
            of: of.iter().map(|(thing, place)| ((*thing).into(), (*place).into())).collect(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn every_template_meets_every_name() {
        let language =
            language(&["touch the {}", "go to the {}"], &[("a", &["cube", "box"]), ("b", &["ball"])]);
        assert_eq!(language.fault(), None);
        let texts: Vec<_> = language.instructions().into_iter().map(|i| (i.text, i.object)).collect();
        let expected = [
            ("touch the cube", 0),
            ("touch the box", 0),
            ("go to the cube", 0),
            ("go to the box", 0),
            ("touch the ball", 1),
            ("go to the ball", 1),
        ];
        assert_eq!(texts, expected.map(|(text, object)| (text.to_owned(), object)));
    }

    #[test]
    fn a_second_blank_is_the_target_and_a_rule_depends_on_the_thing() {
        let mut language = language(&["put the {} {}"], &[("a", &["cube"]), ("b", &["ball"])]);
        language.targets = vec![
            target(Some("left"), &[], &["on the left", "to the left"]),
            target(None, &[("a", "right"), ("b", "left")], &["where it belongs"]),
        ];
        assert_eq!(language.fault(), None);
        let texts: Vec<_> =
            language.instructions().into_iter().map(|i| (i.text, i.object, i.target)).collect();
        let expected = [
            ("put the cube on the left", 0, 0),
            ("put the cube to the left", 0, 0),
            ("put the cube where it belongs", 0, 1),
            ("put the ball on the left", 1, 0),
            ("put the ball to the left", 1, 0),
            ("put the ball where it belongs", 1, 1),
        ];
        assert_eq!(texts, expected.map(|(text, object, target)| (text.to_owned(), object, Some(target))));
        assert_eq!(language.num_sentences(0, Some(0)), 2);
        let props = |at: usize| [0, 1].map(|object| language.targets[at].prop_of(&language.objects[object]));
        assert_eq!((props(0), props(1)), ([Some("left"); 2], [Some("right"), Some("left")]));
        for (wrong, key) in [
            (target(None, &[], &["there"]), "targets.0"),
            (target(Some("left"), &[("a", "left")], &["there"]), "targets.0"),
            (target(Some("left"), &[], &[]), "targets.0.names"),
            (target(None, &[("a", "left")], &["there"]), "targets.0.of"),
            (target(None, &[("a", "x"), ("b", "x"), ("c", "x")], &["there"]), "targets.0.of.c"),
        ] {
            let language = Language { targets: vec![wrong], ..language.clone() };
            assert_eq!(language.fault().map(|(key, _)| key).as_deref(), Some(key));
        }
        let once = Language { templates: vec!["take the {}".into()], ..language };
        assert_eq!(once.fault().map(|(key, _)| key).as_deref(), Some("templates.0"));
    }

    #[test]
    fn what_says_nothing_or_two_things_is_a_fault() {
        let cube: &[(&str, &[&str])] = &[("a", &["cube"])];
        for (templates, objects, key) in [
            (&[][..], cube, "templates"),
            (&["touch it"], cube, "templates.0"),
            (&["the {} and the {}"], cube, "templates.0"),
            (&["touch the {}"], &[], "objects"),
            (&["touch the {}"], &[("a", &[])], "objects.0.names"),
            (&["touch the {}"], &[("a", &["cube"]), ("b", &["cube"])], "objects"),
        ] {
            assert_eq!(language(templates, objects).fault().map(|(key, _)| key).as_deref(), Some(key));
        }
    }
}
