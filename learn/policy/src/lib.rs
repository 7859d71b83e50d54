//! Networks: no simulator, no device chosen.
