//! The `zupynka` program as people run it: a process, its files, its exit code, what it says.
#![cfg(test)]

mod faults;
mod kill;
mod life;
mod newcity;
mod program;
mod restart;
