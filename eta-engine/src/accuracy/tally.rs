//! Measures by route, hour and stop. One pair goes into three cells: of all, of its route's hour, of its
//! stop; everything else is a sum of those.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::histogram::Scale;
use super::measure::Cell;

/// Where a pair belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    route: u32,
    stop: u32,
    hour: u8,
}

/// Things by name, in the order they were first named.
#[derive(Clone, PartialEq, Debug)]
struct Named<T> {
    names: Vec<Box<str>>,
    by_name: FxHashMap<Box<str>, u32>,
    items: Vec<T>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { names: Vec::new(), by_name: FxHashMap::default(), items: Vec::new() }
    }
}

impl<T> Named<T> {
    fn place(&mut self, name: &str, new: impl FnOnce() -> T) -> u32 {
        if let Some(at) = self.by_name.get(name) {
            return *at;
        }
        let at = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        self.items.push(new());
        self.names.push(name.into());
        self.by_name.insert(name.into(), at);
        at
    }

    fn get(&self, name: &str) -> Option<&T> {
        self.items.get(*self.by_name.get(name)? as usize)
    }

    fn at(&mut self, at: u32) -> Option<&mut T> {
        self.items.get_mut(at as usize)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.names.iter().map(|n| &**n).zip(&self.items)
    }
}

/// By hour of the service day's clock, 0..=23.
pub type Hours = BTreeMap<u8, Cell>;

/// Which part of a tally.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Part<'a> {
    /// Of this route, `route_id`.
    pub route: Option<&'a str>,
    /// Of this stop, `stop_id`; no route or hour beside it.
    pub stop: Option<&'a str>,
    /// Of arrivals in this hour, 0..=23.
    pub hour: Option<u8>,
}

/// A part of a tally as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// Everything.
    All(Cell),
    /// A route.
    Route(Box<str>, Hours),
    /// A stop.
    Stop(Box<str>, Cell),
}

/// Measures by route, hour and stop.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Tally {
    all: Cell,
    routes: Named<Hours>,
    stops: Named<Cell>,
}

impl Tally {
    /// Nothing yet; `scale` is of all together, parts are always coarse.
    #[must_use]
    pub fn new(scale: Scale) -> Self {
        Self { all: Cell::new(scale), ..Self::default() }
    }

    /// Where pairs of a route, a stop and an hour (0..=23) belong; good for this tally as long as it lives.
    pub fn slot(&mut self, route: &str, stop: &str, hour: u8) -> Slot {
        let stop = self.stops.place(stop, Cell::default);
        Slot { route: self.routes.place(route, Hours::new), stop, hour }
    }

    /// Does something to each cell a slot belongs to.
    pub fn each(&mut self, slot: Slot, mut what: impl FnMut(&mut Cell)) {
        what(&mut self.all);
        if let Some(hours) = self.routes.at(slot.route) {
            what(hours.entry(slot.hour).or_default());
        }
        if let Some(cell) = self.stops.at(slot.stop) {
            what(cell);
        }
    }

    /// Everything together.
    #[must_use]
    pub const fn all(&self) -> &Cell {
        &self.all
    }

    /// A part; nothing where there is none, or a stop is asked for with a route or an hour: pairs are not
    /// kept by both.
    #[must_use]
    pub fn part(&self, part: Part<'_>) -> Option<Cell> {
        let sum = |cells: &mut dyn Iterator<Item = &Cell>| {
            cells.fold(None, |sum: Option<Cell>, c| {
                let mut sum = sum.unwrap_or_default();
                sum.merge(c);
                Some(sum)
            })
        };
        match part {
            Part { route: None, stop: None, hour: None } => Some(self.all.clone()),
            Part { route: Some(r), stop: None, hour: None } => sum(&mut self.routes.get(r)?.values()),
            Part { route: Some(r), stop: None, hour: Some(h) } => self.routes.get(r)?.get(&h).cloned(),
            Part { route: None, stop: None, hour: Some(h) } => {
                sum(&mut self.routes.iter().filter_map(|(_, hours)| hours.get(&h)))
            }
            Part { route: None, stop: Some(s), hour: None } => self.stops.get(s).cloned(),
            Part { stop: Some(_), .. } => None,
        }
    }

    /// Every route with something in it, by id.
    #[must_use]
    pub fn routes(&self) -> Vec<(String, Cell)> {
        let mut ids: Vec<&str> = self.routes.iter().map(|(id, _)| id).collect();
        ids.sort_unstable();
        let of = |id: &str| self.part(Part { route: Some(id), ..Part::default() });
        let cells = ids.into_iter().filter_map(|id| Some((id.to_owned(), of(id)?)));
        cells.filter(|(_, c)| !c.is_empty()).collect()
    }

    /// Every hour with something in it, in order.
    #[must_use]
    pub fn hours(&self) -> Vec<(u8, Cell)> {
        let of = |h: u8| self.part(Part { hour: Some(h), ..Part::default() });
        (0..24).filter_map(|h| Some((h, of(h)?))).filter(|(_, c)| !c.is_empty()).collect()
    }

    /// Every stop with something in it, by id.
    #[must_use]
    pub fn stops(&self) -> Vec<(&str, &Cell)> {
        let mut all: Vec<_> = self.stops.iter().filter(|(_, c)| !c.is_empty()).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// Takes in what another has.
    pub fn merge(&mut self, other: &Self) {
        self.all.merge(&other.all);
        for (id, hours) in other.routes.iter() {
            let at = self.routes.place(id, Hours::new);
            let Some(mine) = self.routes.at(at) else { continue };
            for (hour, cell) in hours {
                mine.entry(*hour).or_default().merge(cell);
            }
        }
        for (id, cell) in other.stops.iter() {
            let at = self.stops.place(id, Cell::default);
            if let Some(mine) = self.stops.at(at) {
                mine.merge(cell);
            }
        }
    }

    /// Its parts, to be kept.
    pub fn parts(&self) -> impl Iterator<Item = Kept> + '_ {
        let routes = self.routes.iter().map(|(id, hours)| Kept::Route(id.into(), hours.clone()));
        let stops = self.stops.iter().map(|(id, cell)| Kept::Stop(id.into(), cell.clone()));
        std::iter::once(Kept::All(self.all.clone())).chain(routes).chain(stops)
    }

    /// Puts a part back that was kept.
    pub fn restore(&mut self, part: Kept) {
        match part {
            Kept::All(cell) => self.all = cell,
            Kept::Route(id, hours) => {
                let at = self.routes.place(&id, Hours::new);
                if let Some(mine) = self.routes.at(at) {
                    *mine = hours;
                }
            }
            Kept::Stop(id, cell) => {
                let at = self.stops.place(&id, Cell::default);
                if let Some(mine) = self.stops.at(at) {
                    *mine = cell;
                }
            }
        }
    }
}
