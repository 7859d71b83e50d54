//! One binary for all integration tests of the crate.

mod hostile_mesh;
mod hostile_urdf;
mod kinematics;
mod mesh;
mod support;
mod urdf;
