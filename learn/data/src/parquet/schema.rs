//! The tree of columns of a file, as the list of its leaves.

use super::Physical;
use super::thrift::Struct;

/// One leaf column.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// Names from the root; the first is the column's.
    pub path: Vec<String>,
    /// How values are stored; `None` where this program does not read it.
    pub physical: Option<Physical>,
    /// Level at which a value is there.
    pub max_definition: u32,
    /// Lists around a value.
    pub max_repetition: u32,
}

/// Groups inside groups that are followed.
const MAX_DEPTH: usize = 32;

/// Leaves in file order, from the flattened tree of `FileMetaData`.
pub fn leaves<'a>(elements: impl Iterator<Item = &'a Struct>) -> Result<Vec<Leaf>, String> {
    let mut elements = elements;
    let root = elements.next().ok_or("it describes no columns")?;
    let mut leaves = Vec::new();
    let parent = Leaf { path: Vec::new(), physical: None, max_definition: 0, max_repetition: 0 };
    for _ in 0..root.count(5).unwrap_or(0) {
        visit(&mut elements, &parent, &mut leaves)?;
    }
    if elements.next().is_some() { Err("its tree of columns has loose ends".into()) } else { Ok(leaves) }
}

fn visit<'a>(
    elements: &mut impl Iterator<Item = &'a Struct>,
    parent: &Leaf,
    leaves: &mut Vec<Leaf>,
) -> Result<(), String> {
    let element = elements.next().ok_or("its tree of columns is cut")?;
    if parent.path.len() >= MAX_DEPTH {
        return Err(format!("columns are nested more than {MAX_DEPTH} deep"));
    }
    let mut node = parent.clone();
    node.path.push(element.text(4).ok_or("a column has no name")?);
    match element.int(3) {
        Some(0) => {}
        Some(1) => node.max_definition += 1,
        Some(2) => {
            node.max_definition += 1;
            node.max_repetition += 1;
        }
        _ => return Err(format!("column `{}` does not say how often it repeats", node.path.join("."))),
    }
    match element.count(5).unwrap_or(0) {
        0 => {
            node.physical = element.int(1).and_then(Physical::of);
            leaves.push(node);
        }
        children => {
            for _ in 0..children {
                visit(elements, &node, leaves)?;
            }
        }
    }
    Ok(())
}
