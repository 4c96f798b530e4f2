//! End to end: the names of the tests are the specification.
#![cfg(test)]

mod accuracy;
mod board;
mod corpus;
mod dispatcher;
mod fleet;
mod hostile;
mod plug;
mod trackers;
mod validator;
