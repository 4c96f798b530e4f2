//! What the dispatcher is looking at. Selections are by name, not by line, so that a list that is
//! sorted anew under the dispatcher's eyes keeps what was selected.

use transit_model::dispatch::DispatchState;
use transit_model::lang::Lang;
use transit_model::time::UnixMs;

/// A view of this build.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Screen {
    /// A row a route, what needs attention first.
    #[default]
    Overview,
    /// A route's rails with its vehicles.
    Ladder,
    /// A vehicle and its next stops.
    Vehicle,
    /// The trackers.
    Devices,
    /// Municipal machines and the streets they serve.
    Machinery,
}

impl Screen {
    /// In the order of Tab.
    pub const ALL: [Self; 5] = [Self::Overview, Self::Ladder, Self::Vehicle, Self::Devices, Self::Machinery];
}

/// What is selected in the overview.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A concern, by key.
    Concern(String),
    /// A route, by id.
    Route(String),
}

/// A place in the program: Esc brings one back to it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Spot {
    /// The view.
    pub screen: Screen,
    /// Selected in the overview; `None` = the first.
    pub overview: Option<Target>,
    /// The route of the ladder; `None` = the overview's first.
    pub route: Option<String>,
    /// Selected on the ladder, shown in the vehicle view; `None` = the first.
    pub vehicle: Option<String>,
    /// Selected among the trackers; `None` = the first.
    pub device: Option<String>,
    /// Marked on the ladder: a stop that was searched for.
    pub stop: Option<String>,
    /// Selected among machines and streets; `None` = the first.
    pub machinery: Option<String>,
    /// How many stops ahead are scrolled away in the vehicle view.
    pub scroll: usize,
}

/// What lies over the view.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The table of keys.
    Help,
    /// The search.
    Search {
        /// What was typed.
        text: String,
        /// Which of the results is selected.
        selected: usize,
    },
}

/// Everything the dispatcher has done so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct App {
    /// Language of the screen.
    pub lang: Lang,
    /// Where one is.
    pub spot: Spot,
    /// Where one came from, the last at the end.
    pub back: Vec<Spot>,
    /// What lies over it.
    pub overlay: Overlay,
    /// It shall end.
    pub over: bool,
}

impl App {
    /// At the overview.
    #[must_use]
    pub fn new(lang: Lang) -> Self {
        Self { lang, ..Self::default() }
    }

    /// Goes to another place and remembers this one; fifty of them at most.
    pub fn go(&mut self, to: Spot) {
        if self.back.len() >= 50 {
            self.back.remove(0);
        }
        self.back.push(std::mem::replace(&mut self.spot, to));
    }
}

/// The feed at a moment: what views read.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The feed.
    pub state: &'a DispatchState,
    /// The moment, on the server's clock: ages count on while the link is lost.
    pub now: UnixMs,
}

impl Now<'_> {
    /// How old something of the moment `t` is, seconds, never negative.
    #[must_use]
    pub fn age(&self, t: UnixMs) -> i64 {
        self.now.secs_since(t).max(0)
    }
}
