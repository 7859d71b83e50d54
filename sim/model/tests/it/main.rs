//! One binary for all integration tests of the crate.
#![allow(clippy::unwrap_used, reason = "a test that lacks what it needs should fail where it stands")]

mod height_field;
mod hostile_mesh;
mod hostile_urdf;
mod hostile_xml;
mod kinematics;
mod materials;
mod mesh;
mod mjcf;
mod support;
mod urdf;
mod wheels;
