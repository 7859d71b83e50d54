//! What a person can do with a subject, and the window around it.
#![allow(clippy::unwrap_used, reason = "a test that lacks what it needs should fail where it stands")]

mod hands;
mod live;
mod looking;
mod outputs;
mod pictures;
mod reload;
mod replay;
mod seen;
mod session;
mod support;
mod walkthrough;
mod widgets;
