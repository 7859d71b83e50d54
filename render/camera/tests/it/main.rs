//! Pictures against rays cast by parry and by MuJoCo, and against themselves; those of both tracers.

mod batch;
mod conventions;
mod drawn;
mod flow;
mod followers;
mod gloss;
mod goldens;
mod lamps;
mod looks;
mod mujoco;
mod observed;
mod parry;
mod scenes;
mod sensors;
mod support;
mod textures;
mod tracers;
