//! Licences of all packages that are built: only those that ask for no more than their notice, or whose
//! copyleft ends at their own files.

use std::path::Path;

use crate::command::{cargo, output};

const ALLOWED: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Zlib",
    "ISC",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "CC0-1.0",
    "MPL-2.0",
    "Unlicense",
    "BSL-1.0",
    "0BSD",
    // The fonts in the window (`epaint_default_fonts`): free to use and to pass on inside a program; what they ask for is that
    // changed fonts have other names and that nobody sells them alone.
    "OFL-1.1",
    "Ubuntu-font-1.0",
];

pub fn check(root: &Path) -> Result<Vec<String>, String> {
    let args = ["tree", "--locked", "--workspace", "--edges", "normal,build,dev", "--prefix", "none"];
    let tree = output(cargo(root, &args).args(["--format", "{p}\t{l}"]))?;
    let mut problems: Vec<String> = tree
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_end_matches(" (*)").split_once('\t').unwrap_or((line, "")))
        .filter(|(_, licence)| !is_allowed(licence))
        .map(|(package, licence)| {
            format!("{package} is under `{licence}`; allowed are {}", ALLOWED.join(", "))
        })
        .collect();
    problems.sort();
    problems.dedup();
    Ok(problems)
}

/// Whether an SPDX expression (`A OR (B AND C)`, and the old `A/B` for `OR`) can be met by allowed licences.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut tokens = spaced.split_whitespace().peekable();
    let met = any_of(&mut tokens);
    met == Some(true) && tokens.next().is_none()
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(tokens: &mut Tokens) -> Option<bool> {
    let mut met = all_of(tokens)?;
    while tokens.next_if_eq(&"OR").is_some() {
        met |= all_of(tokens)?;
    }
    Some(met)
}

fn all_of(tokens: &mut Tokens) -> Option<bool> {
    let mut met = one(tokens)?;
    while tokens.next_if_eq(&"AND").is_some() {
        met &= one(tokens)?;
    }
    Some(met)
}

fn one(tokens: &mut Tokens) -> Option<bool> {
    let first = tokens.next()?;
    if first == "(" {
        let met = any_of(tokens)?;
        return tokens.next_if_eq(&")").map(|_| met);
    }
    let name = match tokens.next_if_eq(&"WITH") {
        Some(_) => format!("{first} WITH {}", tokens.next()?),
        None => first.to_owned(),
    };
    Some(ALLOWED.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn expressions_are_understood() {
        let allowed = [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR GPL-3.0-only",
            "(MIT OR GPL-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
            "Zlib OR (Apache-2.0 AND ISC)",
        ];
        for expression in allowed {
            assert!(is_allowed(expression), "{expression}");
        }
        let refused = [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT OR",
            "(MIT",
            "MIT)",
            "Apache-2.0 WITH Else",
            "LGPL-2.1 OR AGPL-3.0",
        ];
        for expression in refused {
            assert!(!is_allowed(expression), "{expression}");
        }
    }
}
