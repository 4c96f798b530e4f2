//! Tracker bytes in, fixes out: listeners, codecs, the gate, the journal.
//!
//! It knows devices and their credentials, and nothing of routes or predictions.
//!
//! ```text
//! socket ─▶ listen ─▶ codec ─▶ intake ─┬─▶ gate ─▶ live fixes ─▶ engine
//!              ▲                       └─▶ journal ─▶ durable
//!              └──────── acknowledgement ◀────────────┘
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`codec`] | what trackers say on the wire, without any I/O; one protocol = one file |
//! | `condition` | what has changed of a device: its power, its ignition, its alarms |
//! | [`gate`] | may this record move a vehicle? a pure structure |
//! | [`rejection`] | every reason it may not |
//! | [`registry`] | which devices may send, and for which vehicle |
//! | [`journal`] | on the disk before it is acknowledged |
//! | [`pull`] | lists of vehicles that others publish at a URL |
//! | [`config`] | the `[ingest]` section |
//! | [`Ingest`] | all of it, listening |

mod alarms;
mod bindings;
pub mod codec;
mod condition;
pub mod config;
mod flow;
pub mod gate;
mod intake;
pub mod journal;
mod listen;
mod metrics;
pub mod pull;
pub mod registry;
pub mod rejection;
mod service;
mod sessions;
mod tls;
mod watch;
mod working;

pub use config::IngestConfig;
pub use gate::Bounds;
pub use journal::{AddError, JournalError, Quarantined};
pub use listen::broker::BrokerError;
pub use metrics::Counters;
pub use registry::NewDevice;
pub use rejection::Rejection;
pub use service::{Addresses, Desk, Ingest, IngestError, IngestHandle};
pub use tls::TlsError;
pub use watch::IngestEvent;
pub use working::WorkingInputs;
