//! JUnit reports, as GitLab, Jenkins and GitHub read them. A crate for this would bring more packages than
//! this file has functions.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

/// One check: a test case.
pub struct Check {
    /// What was checked.
    pub name: String,
    /// How long it took.
    pub duration: Duration,
    /// What went wrong, if anything.
    pub failure: Option<String>,
}

/// Writes suites of checks, each with its name.
pub fn write(path: &Path, report: &str, suites: &[(String, Vec<Check>)]) -> anyhow::Result<()> {
    std::fs::write(path, to_xml(report, suites))
        .with_context(|| format!("{} cannot be written", path.display()))
}

fn to_xml(report: &str, suites: &[(String, Vec<Check>)]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let all = || suites.iter().flat_map(|(_, checks)| checks);
    let _ = writeln!(xml, "<testsuites {}>", counts(report, all()));
    for (suite, checks) in suites {
        let _ = writeln!(xml, "  <testsuite {}>", counts(suite, checks.iter()));
        for check in checks {
            let (name, suite) = (escape(&check.name), escape(suite));
            let seconds = check.duration.as_secs_f64();
            let _ = write!(xml, "    <testcase name=\"{name}\" classname=\"{suite}\" time=\"{seconds:.3}\"");
            let _ = match &check.failure {
                Some(failure) => {
                    writeln!(xml, ">\n      <failure message=\"{}\"/>\n    </testcase>", escape(failure))
                }
                None => writeln!(xml, "/>"),
            };
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn counts<'a>(name: &str, checks: impl Iterator<Item = &'a Check> + Clone) -> String {
    let failures = checks.clone().filter(|check| check.failure.is_some()).count();
    let seconds: f64 = checks.clone().map(|check| check.duration.as_secs_f64()).sum();
    format!(
        "name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" time=\"{seconds:.3}\"",
        escape(name),
        checks.count()
    )
}

/// Text inside an attribute; characters that XML 1.0 cannot hold become the replacement character.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\r' | '\t' => {
                let _ = write!(out, "&#{};", c as u32);
            }
            '\u{0}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_and_escapes() {
        let check = |name: &str, failure: Option<&str>| Check {
            name: name.to_owned(),
            duration: Duration::from_millis(500),
            failure: failure.map(str::to_owned),
        };
        let suites = [("a<b".to_owned(), vec![check("one", None), check("two", Some("x \"is\" NaN\n"))])];
        let xml = to_xml("smoke", &suites);
        assert!(
            xml.contains(
                "<testsuites name=\"smoke\" tests=\"2\" failures=\"1\" errors=\"0\" time=\"1.000\">"
            )
        );
        assert!(xml.contains("<testcase name=\"one\" classname=\"a&lt;b\" time=\"0.500\"/>"));
        assert!(xml.contains("<failure message=\"x &quot;is&quot; NaN&#10;\"/>"));
    }
}
