//! Tracker bytes in, fixes out: listeners, codecs, the gate, the journal.
//!
//! It knows devices and their credentials, and nothing of routes or predictions.

pub mod codec;
pub mod gate;
pub mod journal;
pub mod registry;
pub mod rejection;
