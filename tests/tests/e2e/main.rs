//! End to end: the names of the tests are the specification.
#![cfg(test)]

mod board;
mod dispatcher;
mod hostile;
mod plug;
mod trackers;
mod validator;
