//! From a world to what a board shows and says.

pub mod hold;
