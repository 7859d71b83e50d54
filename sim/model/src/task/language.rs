//! What is asked for in words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sentences that name one of several things. Every template with every name is an instruction; they are numbered thing by
/// thing, template by template, name by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// Sentences in which `{}` stands for a thing.
    pub templates: Vec<String>,
    /// Things that can be asked for.
    pub objects: Vec<NamedObject>,
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

/// One sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The words.
    pub text: String,
    /// Which of [`Language::objects`] is meant.
    pub object: usize,
}

/// What stands for a thing in a template.
const BLANK: &str = "{}";

impl Language {
    /// All instructions, by number.
    pub fn instructions(&self) -> Vec<Instruction> {
        let of = |(object, named): (usize, &NamedObject)| {
            let sentences = self.templates.iter().flat_map(|template| {
                named.names.iter().map(|name| Instruction { text: template.replace(BLANK, name), object })
            });
            sentences.collect::<Vec<_>>()
        };
        self.objects.iter().enumerate().flat_map(of).collect()
    }

    /// What is wrong with it: the key, and why.
    pub fn fault(&self) -> Option<(String, String)> {
        let fault = |key: String, what: String| Some((key, what));
        if self.templates.is_empty() {
            return fault("templates".into(), "there is no sentence".into());
        }
        if let Some(at) = self.templates.iter().position(|template| template.matches(BLANK).count() != 1) {
            let what = format!("`{}` does not hold `{{}}` once", self.templates[at]);
            return fault(format!("templates.{at}"), what);
        }
        if self.objects.is_empty() {
            return fault("objects".into(), "there is nothing to ask for".into());
        }
        if let Some(at) = self.objects.iter().position(|object| object.names.is_empty()) {
            return fault(format!("objects.{at}.names"), format!("`{}` has no name", self.objects[at].prop));
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
        Language { templates: texts(templates), objects: objects.iter().map(object).collect() }
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
