//! One command = one file: its arguments, and how it puts the crates together. Roles that are a
//! crate of their own (`board`, `dispatch`, `simulate`) bring their arguments with them.

pub mod bench;
pub mod check;
pub mod config;
pub mod decode;
pub mod demo;
mod device_events;
pub mod devices;
pub mod evaluate;
pub mod explain;
pub mod measures;
pub mod replay;
pub mod serve;
pub mod token;
