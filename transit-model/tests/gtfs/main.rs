//! The loader seen from outside: feeds written inside the test, and the recordings of real cities.

#[cfg(test)]
mod city;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod fault_cases;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod good;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod shapes;
