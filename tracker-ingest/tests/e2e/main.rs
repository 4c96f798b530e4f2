//! Ingest end to end: real sockets on ports of the system's choosing, a clock that stands still, a journal
//! in a folder of its own. Nothing sleeps; what must not happen is checked at a moment when it could have.
#![cfg(test)]

mod broker;
mod broker_faults;
mod city;
mod devices;
mod events;
mod every;
mod kill;
mod pull;
mod quarantine;
mod sockets;
mod streams;
mod tls;
mod trust;
