//! `<include>`: other files put in place before anything is read.

use std::path::{Path, PathBuf};

use crate::error::{ErrorKind, Result};
use crate::import::xml::{self, Element};
use crate::import::{AssetRoot, Limits};

/// Replaces every `<include>` below `root` by the children of the file's root element.
///
/// # Errors
/// If a file is missing, outside the root folder, over a limit, included twice or includes itself.
pub fn expand(root: &mut Element, files: &AssetRoot, limits: &Limits) -> Result<()> {
    let mut state = State { files, limits, seen: vec![], stack: vec![], bytes: 0, nodes: root.count() };
    // The main file is on the stack, so that including it is the cycle that it is.
    state.stack.push(std::fs::canonicalize(root.file()).unwrap_or_else(|_| root.file().to_path_buf()));
    let folder = files.folder().to_path_buf();
    state.expand_children(root, &folder, 1)
}

struct State<'a> {
    files: &'a AssetRoot,
    limits: &'a Limits,
    seen: Vec<PathBuf>,
    stack: Vec<PathBuf>,
    bytes: u64,
    nodes: usize,
}

impl State<'_> {
    /// `folder` is that of the file that `element` stands in, `depth` the nesting of `element`.
    fn expand_children(&mut self, element: &mut Element, folder: &Path, depth: usize) -> Result<()> {
        if depth > self.limits.depth {
            let message = format!("elements are nested deeper than {}", self.limits.depth);
            return Err(element.error(ErrorKind::Limit, message));
        }
        let mut children = Vec::with_capacity(element.children.len());
        for mut child in std::mem::take(&mut element.children) {
            if child.name == "include" {
                children.extend(self.include(&child, folder, depth)?);
            } else {
                self.expand_children(&mut child, folder, depth + 1)?;
                children.push(child);
            }
        }
        element.children = children;
        Ok(())
    }

    fn include(&mut self, include: &Element, folder: &Path, depth: usize) -> Result<Vec<Element>> {
        let file = include.require("file")?;
        let at = file.location();
        if let Some(other) = include.attributes.iter().find(|a| a.name != "file") {
            return Err(
                other.error(ErrorKind::Unknown, format!("`<include>` has no attribute `{}`", other.name))
            );
        }
        if let Some(child) = include.children.first() {
            return Err(child.error(ErrorKind::Structure, "`<include>` cannot have child elements"));
        }
        let over =
            |limit: usize, what: &str| file.error(ErrorKind::Limit, format!("more than {limit} {what}"));
        if self.seen.len() >= self.limits.includes {
            return Err(over(self.limits.includes, "included files"));
        }
        if self.stack.len() > self.limits.include_depth {
            return Err(over(self.limits.include_depth, "includes within includes"));
        }
        let path = locate(self.files, folder, &file.value);
        let bytes = self.files.read(&path, self.limits.xml_bytes, &at)?;
        let canonical = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        let shown = file.value.as_str();
        if self.stack.contains(&canonical) {
            return Err(file.error(ErrorKind::Structure, format!("`{shown}` includes itself")));
        }
        if self.seen.contains(&canonical) {
            let message = format!("`{shown}` is included a second time");
            return Err(file.error(ErrorKind::Structure, message).allowed("a file can be included once"));
        }
        self.seen.push(canonical.clone());
        self.bytes += bytes.len() as u64;
        if self.bytes > self.limits.include_bytes {
            return Err(over(self.limits.include_bytes as usize, "bytes in included files"));
        }
        let mut root = xml::parse(&path, bytes, self.limits)?;
        self.nodes += root.count();
        if self.nodes > self.limits.nodes {
            return Err(over(self.limits.nodes, "elements with includes"));
        }
        if !matches!(root.name.as_str(), "mujoco" | "mujocoinclude") {
            return Err(root
                .error(
                    ErrorKind::Unknown,
                    format!("the root element of an included file is `<{}>`", root.name),
                )
                .allowed("expected `<mujocoinclude>` or `<mujoco>`")
                .nearest(&root.name, ["mujoco", "mujocoinclude"]));
        }
        self.stack.push(canonical);
        let next = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        self.expand_children(&mut root, &next, depth)?;
        self.stack.pop();
        Ok(root.children)
    }
}

/// A named file: relative to the main file if it is there, else to the file that names it.
pub fn locate(files: &AssetRoot, folder: &Path, name: &str) -> PathBuf {
    // Windows separators are common in files made there.
    let name = name.replace('\\', "/");
    let main = files.folder().join(&name);
    let beside = folder.join(&name);
    if !files.exists(&main) && files.exists(&beside) { beside } else { main }
}
