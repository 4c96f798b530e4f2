//! The loader seen from outside: feeds written inside the test, and the recordings of real cities.

#[cfg(test)]
mod city;
mod good;
