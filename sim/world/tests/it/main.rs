//! Integration tests of the world.

mod truth;
