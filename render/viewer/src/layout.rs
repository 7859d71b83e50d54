//! Where the panels are, as text: written when the window closes, read when the next one opens.
//!
//! A file of our own rather than egui's memory: it names panels, so a person can read it, and a version that has others falls
//! back to its own arrangement.

use std::path::{Path, PathBuf};

use eframe::egui::Id;
use egui_tiles::{Container, Linear, LinearDir, Tabs, Tile, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};

use crate::desk::Pane;

/// Longest file that is read \[byte\].
const LONGEST: u64 = 4 << 10;
/// Of the tree of tiles, for egui.
const TREE: &str = "keiko desk";

/// The file of a user: under `$XDG_CONFIG_HOME`, or `~/.config`. `None` where neither is known.
pub fn file() -> Option<PathBuf> {
    // XDG's rule: a path that is not absolute does not count.
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(config.join("keiko").join("viewer.toml"))
}

/// The text of a file, if there is one that can be read.
pub fn read(file: &Path) -> Option<String> {
    let length = std::fs::metadata(file).ok()?.len();
    if length > LONGEST {
        return None;
    }
    std::fs::read_to_string(file).ok()
}

/// Writes a text beside, then puts it in place.
///
/// # Errors
/// What the system says.
pub fn write(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = file.with_extension(format!("{}.partial", std::process::id()));
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, file)
}

/// Tiles as the file has them; what is in a tile comes last, as TOML asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    /// A panel, which has nothing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    panel: Option<String>,
    /// How others lie in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lie: Option<Lie>,
    /// Its part of the tile that it lies in.
    #[serde(default = "one")]
    share: f32,
    /// The tab that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<usize>,
    #[serde(default, rename = "tile", skip_serializing_if = "Vec::is_empty")]
    tiles: Vec<Node>,
}

fn one() -> f32 {
    1.0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Lie {
    Row,
    Column,
    Tabs,
}

/// The text of an arrangement.
pub fn text(tree: &Tree<Pane>) -> Option<String> {
    let node = node(&tree.tiles, tree.root?, 1.0)?;
    let body = toml::to_string(&node).ok()?;
    Some(format!(
        "# Where the panels of `keiko view` are. Without this file they are where they are at first.\n\n{body}"
    ))
}

fn node(tiles: &Tiles<Pane>, id: TileId, share: f32) -> Option<Node> {
    let plain = Node { panel: None, lie: None, share, open: None, tiles: Vec::new() };
    Some(match tiles.get(id)? {
        Tile::Pane(pane) => Node { panel: Some(pane.title().to_owned()), ..plain },
        Tile::Container(Container::Tabs(tabs)) => Node {
            lie: Some(Lie::Tabs),
            open: tabs.active.and_then(|open| tabs.children.iter().position(|child| *child == open)),
            tiles: tabs.children.iter().filter_map(|child| node(tiles, *child, 1.0)).collect(),
            ..plain
        },
        Tile::Container(Container::Linear(linear)) => {
            let share = |child: TileId| {
                linear.shares.iter().find(|(id, _)| **id == child).map_or(1.0, |(_, share)| *share)
            };
            let lie = if linear.dir == LinearDir::Horizontal { Lie::Row } else { Lie::Column };
            let within = linear.children.iter().filter_map(|child| node(tiles, *child, share(*child)));
            Node { lie: Some(lie), tiles: within.collect(), ..plain }
        }
        Tile::Container(Container::Grid(grid)) => Node {
            lie: Some(Lie::Row),
            tiles: grid.children().filter_map(|child| node(tiles, *child, 1.0)).collect(),
            ..plain
        },
    })
}

/// The arrangement of a text; `None` unless every panel stands in it once.
pub fn tree(text: &str) -> Option<Tree<Pane>> {
    let node: Node = toml::from_str(text).ok()?;
    let (mut tiles, mut panes) = (Tiles::default(), Vec::new());
    let root = insert(&mut tiles, &node, &mut panes)?;
    let all_once = Pane::ALL.iter().all(|pane| panes.iter().filter(|other| *other == pane).count() == 1);
    all_once.then(|| Tree::new(Id::unique(TREE), root, tiles))
}

fn insert(tiles: &mut Tiles<Pane>, node: &Node, panes: &mut Vec<Pane>) -> Option<TileId> {
    if let Some(name) = &node.panel {
        let pane = Pane::ALL.into_iter().find(|pane| pane.title() == name)?;
        panes.push(pane);
        return Some(tiles.insert_pane(pane));
    }
    let within: Option<Vec<TileId>> = node.tiles.iter().map(|node| insert(tiles, node, panes)).collect();
    let within = within.filter(|within| !within.is_empty())?;
    Some(match node.lie? {
        Lie::Tabs => {
            let open = within.get(node.open.unwrap_or_default()).copied();
            let mut tabs = Tabs::new(within);
            tabs.active = open.or(tabs.active);
            tiles.insert_container(tabs)
        }
        lie => {
            let dir = if lie == Lie::Row { LinearDir::Horizontal } else { LinearDir::Vertical };
            let mut linear = Linear::new(dir, within.clone());
            for (tile, node) in within.into_iter().zip(&node.tiles) {
                let share = if node.share.is_finite() { node.share.clamp(0.01, 100.0) } else { 1.0 };
                linear.shares.set_share(tile, share);
            }
            tiles.insert_container(linear)
        }
    })
}

/// An arrangement of tiles that are there.
pub fn arranged(root: TileId, tiles: Tiles<Pane>) -> Tree<Pane> {
    Tree::new(Id::unique(TREE), root, tiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrangement_is_read_as_it_was_written() {
        for has_task in [false, true] {
            let before = crate::desk::tiles(has_task);
            let said = text(&before).unwrap();
            let again = tree(&said).unwrap();
            assert_eq!(text(&again).unwrap(), said);
        }
    }

    #[test]
    fn what_lacks_a_panel_or_is_no_arrangement_is_not_taken() {
        let said = text(&crate::desk::tiles(true)).unwrap();
        assert!(tree(&said.replace("\"Log\"", "\"Task\"")).is_none(), "one panel twice");
        assert!(tree(&said.replace("\"Log\"", "\"Lug\"")).is_none(), "no such panel");
        for text in ["", "lie = \"row\"", "lie = \"heap\"", "panel = \"Log\"", "\u{0}", "share = nan"] {
            assert!(tree(text).is_none(), "{text}");
        }
        assert!(tree(&said.replace("share = 0.5", "share = nan")).is_some(), "a share may be mended");
    }
}
