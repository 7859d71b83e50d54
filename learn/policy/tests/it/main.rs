//! Tests of keiko-policy.

mod files;
mod gaussian;
mod host;
mod normalizer;
