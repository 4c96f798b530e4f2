//! From fixes to boards: which trip a vehicle is on, when it will be at each stop ahead, and what
//! people are told of it. It never parses a tracker's bytes.
//!
//! ```text
//! Fix ─▶ matching ─▶ stop events ─▶ learning ─▶ prediction ─▶ World (immutable) ─▶ boards, HTTP, WebSocket
//!        └──────────── engine::Engine, pure ────────────┘      swapped by shell     read by everyone
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`accuracy`] | how good predictions are |
//! | [`matching`] | which trip a vehicle is on, and where on it |
//! | [`learning`] | link times, dwells and the predictor's own errors |
//! | [`engine`] | the pure engine: fixes in, world out |
//! | [`explain`] | why a vehicle is on the trip it is on |
//! | [`world`] | what the engine knows at one moment, as every reader sees it |
//! | [`live`] | the engine on a running clock |
//! | [`replay`] | the engine fed from files |
//! | [`store`] | what outlives the process |
//! | [`metrics`] | the engine's figures |
//! | [`board`] | from a world to what a board shows and says (`docs/board-rules.md`) |
//! | [`public`] | what the public may see of the world under fire |
//! | [`machinery`] | vehicles without a timetable: places, zones, streets served |
//! | [`names`] | names as people type them |
//! | [`http`] | HTTP, WebSocket and the web pages |
//! | [`auth`] | tokens and roles |

pub mod accuracy;
pub mod auth;
pub mod board;
pub mod engine;
pub mod explain;
pub mod http;
pub mod learning;
pub mod live;
pub mod machinery;
pub mod matching;
pub mod metrics;
pub mod names;
pub mod public;
pub mod replay;
pub mod store;
pub mod world;
