//! Typed indexes into the timetable's arrays, and the names things have outside.
//!
//! An index is minted only by the loader of the timetable it indexes, so a lookup with it cannot
//! miss; mixing indexes of two feeds is the caller's mistake.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// An index type: a `u32` that remembers what it counts.
pub trait Idx: Copy + Eq + Ord + std::hash::Hash + fmt::Debug {
    /// The index with this position in its array.
    fn new(at: usize) -> Self;
    /// The position in its array.
    fn at(self) -> usize;
}

macro_rules! idx {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub struct $name(u32);
        impl Idx for $name {
            #[inline]
            fn new(at: usize) -> Self { Self(u32::try_from(at).unwrap_or(u32::MAX)) }
            #[inline]
            fn at(self) -> usize { self.0 as usize }
        }
    )*};
}

idx! {
    /// An agency of `agency.txt`.
    AgencyIdx,
    /// A stop, platform or station of `stops.txt`.
    StopIdx,
    /// A route of `routes.txt`.
    RouteIdx,
    /// A `service_id` of `calendar.txt` / `calendar_dates.txt`.
    ServiceIdx,
    /// A shape of `shapes.txt`, or one built from a pattern's stops.
    ShapeIdx,
    /// A pattern: trips with the same route, direction, shape and calls at the same stops.
    PatternIdx,
    /// A link: from one stop to the next along one geometry, shared by every pattern that runs it.
    LinkIdx,
    /// A trip; each run of a frequency-based trip is one of its own.
    TripIdx,
    /// A block: the trips one vehicle runs one after another on one service day.
    BlockIdx,
}

/// A vector indexed by one kind of index.
#[derive(Clone, Debug, PartialEq)]
pub struct IdxVec<I, T> {
    items: Vec<T>,
    kind: PhantomData<fn(I)>,
}

impl<I: Idx, T> IdxVec<I, T> {
    /// An empty vector.
    #[must_use]
    pub const fn new() -> Self {
        Self { items: Vec::new(), kind: PhantomData }
    }

    /// Appends an item and gives its index.
    pub fn push(&mut self, item: T) -> I {
        self.items.push(item);
        I::new(self.items.len() - 1)
    }

    /// The item. An index is minted by the loader of this very array, so it is always there.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the one place that trusts a minted index")]
    pub fn at(&self, i: I) -> &T {
        &self.items[i.at()]
    }

    /// The item, or `None` for an index of another feed.
    #[must_use]
    pub fn get(&self, i: I) -> Option<&T> {
        self.items.get(i.at())
    }

    /// The item, to change it.
    pub fn get_mut(&mut self, i: I) -> Option<&mut T> {
        self.items.get_mut(i.at())
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The items with their indexes, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (I, &T)> + ExactSizeIterator + Clone {
        self.items.iter().enumerate().map(|(at, item)| (I::new(at), item))
    }

    /// The items, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (I, &mut T)> {
        self.items.iter_mut().enumerate().map(|(at, item)| (I::new(at), item))
    }

    /// Every index, in order.
    pub fn indices(&self) -> impl DoubleEndedIterator<Item = I> + ExactSizeIterator + use<I, T> {
        (0..self.items.len()).map(I::new)
    }

    /// The plain slice.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.items
    }
}

impl<I: Idx, T> Default for IdxVec<I, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I: Idx, T> From<Vec<T>> for IdxVec<I, T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, kind: PhantomData }
    }
}

macro_rules! name {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl<S: AsRef<str>> From<S> for $name {
            fn from(s: S) -> Self { Self(Arc::from(s.as_ref())) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{:?}", &*self.0) }
        }
    )*};
}

name! {
    /// The public name of a vehicle. Never a device's IMEI: that is a credential and stays in ingest.
    VehicleId,
    /// The name of a feed: one city or operator, `[a-z0-9-]+`.
    FeedId,
}

/// `stop_sequence` of a call, as the feed numbers it (not necessarily from 1, nor without gaps).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StopSeq(pub u32);

/// A call's place in its pattern, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StopPos(pub u16);

impl StopPos {
    /// As a position in an array.
    #[must_use]
    #[inline]
    pub fn at(self) -> usize {
        usize::from(self.0)
    }

    /// From a position in an array; saturates beyond 65,535 calls.
    #[must_use]
    pub fn new(at: usize) -> Self {
        Self(u16::try_from(at).unwrap_or(u16::MAX))
    }
}
