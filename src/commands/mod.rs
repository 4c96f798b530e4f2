//! One command = one file: its arguments, and how it puts the crates together.

pub mod check;
pub mod replay;
