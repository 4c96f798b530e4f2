//! The loader seen from outside: feeds written inside the test, and the recordings of real cities.

mod city;
mod good;
