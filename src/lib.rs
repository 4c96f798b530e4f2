//! Composition: one binary with every role of Zupynka as a subcommand. It wires the crates together
//! and holds no logic of its own.

pub mod city;
pub mod cli;
pub mod commands;
pub mod config;
pub mod logs;
pub mod secret_file;
pub mod signals;
