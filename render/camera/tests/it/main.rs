//! Pictures against rays cast by parry and by MuJoCo, and against themselves.

mod batch;
mod conventions;
mod mujoco;
mod observed;
mod parry;
mod scenes;
mod support;
