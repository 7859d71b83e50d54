//! SmolVLA against lerobot.

mod checkpoint;
mod gguf;
mod golden;
mod language;
mod lerobot;
mod lora;
mod manifest;
mod policy;
mod random;
mod tokenizer;

use std::path::PathBuf;

/// The checkpoint and the judge that lerobot made: see `make.py` there.
fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/smolvla")
}
