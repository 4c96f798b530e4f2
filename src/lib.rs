//! Composition: one binary with every role of Zupynka as a subcommand. It wires the crates together
//! and holds no logic of its own.

pub mod cli;
pub mod commands;
pub mod config;
pub mod logs;
