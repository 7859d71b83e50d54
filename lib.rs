//! keiko.
