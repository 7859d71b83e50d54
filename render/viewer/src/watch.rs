//! Files that are saved while they are shown.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// Editors write in several strokes; after the last of them it is quiet for so long.
const QUIET: Duration = Duration::from_millis(120);
/// What a scene is made of.
const KINDS: [&str; 5] = ["toml", "xml", "urdf", "stl", "obj"];

/// Watches the folders of files: a file that is saved is often another file of the same name.
pub struct Watch {
    watcher: RecommendedWatcher,
    changes: Receiver<()>,
    folders: BTreeSet<PathBuf>,
    since: Option<Instant>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("folders", &self.folders).finish_non_exhaustive()
    }
}

impl Watch {
    /// Watches nothing yet; `wake` is called from another thread when something changes.
    ///
    /// # Errors
    /// The system watches no files, in words.
    pub fn new(wake: impl Fn() + Send + 'static) -> Result<Self, String> {
        let (sender, changes) = channel();
        let heard = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            // Opening and reading are no changes.
            if matches!(event.kind, EventKind::Access(_)) || !event.paths.iter().any(|path| is_part(path)) {
                return;
            }
            // Nobody listens any more when the window closes.
            let _ = sender.send(());
            wake();
        };
        let watcher = notify::recommended_watcher(heard).map_err(|error| error.to_string())?;
        Ok(Self { watcher, changes, folders: BTreeSet::new(), since: None })
    }

    /// Watches the folders of files from now on, besides those before.
    ///
    /// # Errors
    /// A folder that cannot be watched, in words; the others are.
    pub fn follow(&mut self, files: &[PathBuf]) -> Result<(), String> {
        let mut failed = Ok(());
        for file in files {
            let folder = match file.parent() {
                Some(folder) if folder != Path::new("") => folder.to_owned(),
                _ => PathBuf::from("."),
            };
            if self.folders.contains(&folder) {
                continue;
            }
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.folders.insert(folder)),
                Err(error) => failed = Err(format!("{} is not watched: {error}", folder.display())),
            }
        }
        failed
    }

    /// Whether something has changed and is quiet since; true once. Otherwise how long to wait before the next look, where
    /// something has changed.
    pub fn is_due(&mut self) -> (bool, Option<Duration>) {
        if self.changes.try_iter().count() > 0 {
            self.since = Some(Instant::now());
        }
        match self.since.map(|since| since.elapsed()) {
            Some(quiet) if quiet >= QUIET => {
                self.since = None;
                (true, None)
            }
            Some(quiet) => (false, Some(QUIET - quiet)),
            None => (false, None),
        }
    }
}

fn is_part(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| KINDS.contains(&extension.as_str()))
}
