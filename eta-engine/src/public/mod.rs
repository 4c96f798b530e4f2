//! What the public may see of the world while the city is under fire: positions delayed or withheld, for the
//! whole feed, a route or a zone, by a measure that a dispatcher has taken.
//!
//! There is one gate ([`view::Gate`]) and every publisher is behind it: what handlers are given as "the world" is
//! the gate's public one, in which what is withheld is not there. Whoever writes a new publisher cannot forget
//! the gate; the whole world needs a token (`http::app::Cleared`).
//!
//! | module | what it is |
//! |---|---|
//! | [`measure`] | a measure: what, where, until when, by whom and why |
//! | [`zone`] | an area: circle or polygon |
//! | [`trail`] | where vehicles were in the last minutes, for a delayed view |
//! | [`view`] | the public world, made of the whole one |

pub mod measure;
#[cfg(test)]
mod tests;
pub mod trail;
pub mod view;
pub mod zone;
