//! Tests of the command `keiko`, as a shell or a CI job sees it: arguments in; exit code, text and files out.
#![allow(clippy::unwrap_used, reason = "a test that lacks what it needs should fail where it stands")]

mod against_mujoco;
mod errors;
mod finetune;
mod import;
mod live;
mod outputs;
mod pixels;
mod record;
mod render;
mod rollout;
mod signals;
mod smoke;
mod support;
mod train_resume;
mod video;
mod view;
