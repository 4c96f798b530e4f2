//! Vehicles without a timetable: ploughs, sweepers, tankers, tipper lorries. Where they are, which zones
//! they enter and leave, which streets they have served and when. It never gives a machine a trip, and
//! never claims a row of a board.
//!
//! Pure: fixes in, state out, the time is told with each call. Taking the same fixes again changes
//! nothing, so a restart may take the journal's last hour in without harm.
//!
//! | module | what it is |
//! |---|---|
//! | [`geojson`] | reading files of lines and areas, bounded, every fault named |
//! | [`streets`], [`from_feed`] | streets cut into cells, from a file or from the feed's lines |
//! | [`grid`], [`network`] | lines by place; ways along them |
//! | [`trace`] | what a machine drove: map-matching with a lag |
//! | [`ledger`] | when each cell was last passed, by which kind |
//! | [`zones`] | areas, entered and left |
//! | [`rules`] | when driving is work |
//! | [`view`] | what readers see |

#[cfg(test)]
pub(crate) mod fixture;
pub mod from_feed;
pub mod geojson;
pub mod grid;
pub mod ledger;
pub mod network;
pub mod rules;
pub mod streets;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod view;
pub mod zones;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use transit_model::dispatch::{MachineKind, VehicleKind};
use transit_model::fix::Fix;
use transit_model::ids::VehicleId;
use transit_model::plane::Xy;
use transit_model::time::{UnixMs, Zone as TimeZone};

use ledger::{Ledger, PassesRow};
use rules::Rules;
use streets::Streets;
use trace::{Passage, Seen, Trace};
use view::{Machine, StreetNow, View, Visit};
use zones::{Inside, Stay, Zones};

/// Below this a machine stands, m/s.
const STANDS: f32 = 0.8;
/// A machine unheard for so long leaves the list, seconds.
const GONE: i64 = 24 * 3600;
/// Stays in zones are remembered for so long, seconds…
const VISITS: i64 = 24 * 3600;
/// …and at most so many of them.
const VISITS_MOST: usize = 5_000;
/// A machine was last said to have left so many zones.
const LEFT_MOST: usize = 4;

/// What is kept between two lives of the process.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    /// Passes of streets.
    pub passes: Vec<PassesRow>,
    /// Stays in zones: of the last day, and those that last.
    pub visits: Vec<Visit>,
}

/// What is to be kept and was not yet.
pub type Unsaved = Saved;

/// Stays kept for a store that takes nothing; the oldest are let go beyond this.
const UNSAVED_MOST: usize = 50_000;

impl Saved {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.passes.is_empty() && self.visits.is_empty()
    }

    /// Puts what is newer beside or over what is there.
    pub fn add(&mut self, newer: Self) {
        let keys: rustc_hash::FxHashSet<i64> = newer.passes.iter().map(|p| p.key).collect();
        self.passes.retain(|p| !keys.contains(&p.key));
        self.passes.extend(newer.passes);
        self.visits.extend(newer.visits);
        let over = self.visits.len().saturating_sub(UNSAVED_MOST);
        self.visits.drain(..over);
    }
}

/// What it works with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The streets.
    pub streets: Arc<Streets>,
    /// The zones.
    pub zones: Arc<Zones>,
    /// When driving is work.
    pub rules: Rules,
    /// The city's zone of time.
    pub zone: TimeZone,
}

/// Every machine of a feed.
#[derive(Debug)]
pub struct Machinery {
    setup: Setup,
    kinds: FxHashMap<VehicleId, MachineKind>,
    machines: BTreeMap<VehicleId, Followed>,
    ledger: Ledger,
    now: Vec<Arc<StreetNow>>,
    /// The moment "since the shift began" means, and the first moment it will mean another.
    shift: Option<(UnixMs, UnixMs)>,
    visits: VecDeque<Visit>,
    unsaved: Vec<Visit>,
    changed: bool,
    view: Arc<View>,
}

#[derive(Debug)]
struct Followed {
    shown: Machine,
    at: Xy,
    trace: Trace,
    inside: Inside,
}

impl Machinery {
    /// With what was kept. What is later than `now` never was: somebody set the clock back.
    #[must_use]
    pub fn new(setup: Setup, mut kept: Saved, now: UnixMs) -> Self {
        kept.visits.retain(|v| v.left.unwrap_or(v.entered) <= now);
        let ledger = Ledger::new(&setup.streets, kept.passes, now);
        let view = View {
            streets: Arc::clone(&setup.streets),
            zones: Arc::clone(&setup.zones),
            ..View::none(*setup.streets.plane())
        };
        let weighed = vec![Arc::default(); setup.streets.all().len()];
        Self {
            setup,
            kinds: FxHashMap::default(),
            machines: BTreeMap::new(),
            ledger,
            now: weighed,
            shift: None,
            visits: kept.visits.into(),
            unsaved: Vec::new(),
            changed: true,
            view: Arc::new(view),
        }
    }

    /// Which vehicles are machines, and what they are; a vehicle that is none any more leaves.
    pub fn set_kinds(&mut self, kinds: impl IntoIterator<Item = (VehicleId, VehicleKind)>) {
        self.kinds = kinds.into_iter().filter_map(|(id, kind)| Some((id, kind.machine()?))).collect();
        let before = self.machines.len();
        self.machines.retain(|id, _| self.kinds.contains_key(id));
        self.changed |= before != self.machines.len();
    }

    /// Takes a fix in; one of a vehicle that is no machine, or not newer than its last, is passed over.
    pub fn take(&mut self, fix: &Fix) {
        let Some(kind) = self.kinds.get(&fix.vehicle).copied() else { return };
        let at = self.setup.streets.plane().xy(fix.lat, fix.lon);
        if !self.machines.contains_key(&fix.vehicle) {
            let new = self.followed(fix, kind, at);
            self.machines.insert(fix.vehicle.clone(), new);
        } else if self.machines.get(&fix.vehicle).is_some_and(|m| fix.time <= m.shown.fix_time) {
            return;
        }
        let Some(m) = self.machines.get_mut(&fix.vehicle) else { return };
        self.changed = true;
        let gap = (fix.time.0 - m.shown.fix_time.0) as f32 / 1000.0;
        let moved = (gap > 0.0).then(|| m.at.distance(at) / gap);
        let moving = fix.speed.or(moved).is_some_and(|v| v >= STANDS);
        if moving != m.shown.moving {
            (m.shown.moving, m.shown.since) = (moving, fix.time);
        }
        m.at = at;
        let s = &mut m.shown;
        (s.kind, s.lat, s.lon, s.fix_time) = (kind, fix.lat, fix.lon, fix.time);
        (s.speed, s.bearing, s.working) = (fix.speed.or(moved), fix.bearing, fix.reported.working);
        for c in m.inside.take(&self.setup.zones, at, fix.time) {
            let Some(zone) = self.setup.zones.all().get(c.zone as usize) else { continue };
            let visit =
                Visit { zone: zone.id.clone(), vehicle: fix.vehicle.clone(), kind, entered: c.entered, left: c.left };
            s.left.retain(|(z, _)| *z != c.zone);
            if let Some(left) = c.left {
                s.left.push((c.zone, left));
                let over = s.left.len().saturating_sub(LEFT_MOST);
                s.left.drain(..over);
            }
            note(&mut self.visits, &visit);
            self.unsaved.push(visit);
        }
        s.stays = m.inside.stays().to_vec();
        let seen = Seen { time: fix.time, at, speed: fix.speed, bearing: fix.bearing, working: fix.reported.working };
        let driven = m.trace.take(&self.setup.streets, seen);
        let piece = m.trace.piece().and_then(|p| self.setup.streets.pieces().get(p as usize));
        s.street = piece.and_then(|p| p.street);
        self.serve(kind, &driven);
    }

    /// Lets time pass: what a machine drove before it fell silent is settled, long gone machines leave.
    pub fn turn(&mut self, now: UnixMs) {
        let mut driven = Vec::new();
        for m in self.machines.values_mut() {
            driven.extend(m.trace.settle_by(&self.setup.streets, now).into_iter().map(|p| (m.shown.kind, p)));
        }
        for (kind, passage) in driven {
            self.serve(kind, &[passage]);
        }
        let before = (self.machines.len(), self.visits.len());
        self.machines.retain(|_, m| now.secs_since(m.shown.fix_time) < GONE);
        self.visits.retain(|v| v.left.is_none_or(|left| now.secs_since(left) < VISITS));
        let over = self.visits.len().saturating_sub(VISITS_MOST);
        self.visits.drain(..over);
        self.changed |= before != (self.machines.len(), self.visits.len());
        if self.shift.is_none_or(|(_, until)| now >= until) {
            self.shift = Some(self.shift_of(now));
            self.weigh((0u32..).take(self.now.len()));
        }
    }

    /// Settles everything that was driven: the process is about to end.
    pub fn end(&mut self) {
        let mut driven = Vec::new();
        for m in self.machines.values_mut() {
            let mut settled = Vec::new();
            m.trace.end(&self.setup.streets, &mut settled);
            driven.extend(settled.into_iter().map(|p| (m.shown.kind, p)));
        }
        for (kind, passage) in driven {
            self.serve(kind, &[passage]);
        }
    }

    /// What readers see; the same one while nothing changes.
    pub fn view(&mut self, now: UnixMs) -> Arc<View> {
        self.turn(now);
        if std::mem::take(&mut self.changed) {
            let touched = self.ledger.take_touched();
            self.weigh(touched.into_iter());
            let machines: Vec<Machine> = self.machines.values().map(|m| m.shown.clone()).collect();
            self.view = Arc::new(View {
                streets: Arc::clone(&self.setup.streets),
                zones: Arc::clone(&self.setup.zones),
                passes: Arc::new(self.ledger.passes()),
                now: Arc::new(self.now.clone()),
                machines: machines.into(),
                visits: self.visits.iter().cloned().collect(),
                shift: self.shift.map_or(now, |(from, _)| from),
                withheld: false,
            });
        }
        Arc::clone(&self.view)
    }

    /// What is to be kept and has not been handed over yet.
    pub fn take_unsaved(&mut self) -> Unsaved {
        let passes = self.ledger.take_unsaved(&self.setup.streets);
        Unsaved { passes, visits: std::mem::take(&mut self.unsaved) }
    }

    fn followed(&self, fix: &Fix, kind: MachineKind, at: Xy) -> Followed {
        let visits = || self.visits.iter().filter(|v| v.vehicle == fix.vehicle);
        let stays: Vec<Stay> = visits()
            .filter(|v| v.left.is_none())
            .filter_map(|v| Some(Stay { zone: self.setup.zones.by_id(&v.zone)?.0, since: v.entered }))
            .collect();
        let known = visits().map(|v| v.left.unwrap_or(v.entered)).max();
        let left: Vec<(u32, UnixMs)> = visits()
            .filter_map(|v| Some((self.setup.zones.by_id(&v.zone)?.0, v.left?)))
            .filter(|(zone, _)| stays.iter().all(|s| s.zone != *zone))
            .collect();
        let shown = Machine {
            id: fix.vehicle.clone(),
            kind,
            lat: fix.lat,
            lon: fix.lon,
            speed: fix.speed,
            bearing: fix.bearing,
            fix_time: fix.time,
            moving: fix.speed.is_some_and(|v| v >= STANDS),
            since: fix.time,
            working: fix.reported.working,
            street: None,
            stays: stays.clone(),
            left: left.into_iter().rev().take(LEFT_MOST).collect(),
        };
        let inside = known.map_or_else(Inside::default, |at| Inside::known(stays, at));
        Followed { shown, at, trace: Trace::default(), inside }
    }

    fn serve(&mut self, kind: MachineKind, driven: &[Passage]) {
        let rule = self.setup.rules.of(kind);
        for passage in driven.iter().filter(|p| rule.works(p.speed(), p.working)) {
            self.changed |= self.ledger.mark(&self.setup.streets, kind, passage);
        }
    }

    /// Weighs streets anew.
    fn weigh(&mut self, streets: impl Iterator<Item = u32>) {
        let Some((shift, _)) = self.shift else { return };
        let passes = self.ledger.passes();
        for n in streets {
            let Some(street) = self.setup.streets.all().get(n as usize) else { continue };
            let of = ledger::OfStreet { pieces: self.setup.streets.pieces(), passes: &passes, street };
            let weighed = StreetNow { served: of.served(), share: of.share_since(shift, None) };
            if let Some(slot) = self.now.get_mut(n as usize) {
                *slot = Arc::new(weighed);
            }
        }
        self.changed = true;
    }

    fn shift_of(&self, now: UnixMs) -> (UnixMs, UnixMs) {
        let (zone, at) = (&self.setup.zone, self.setup.rules.shift);
        let today = zone.date(now);
        let begins = zone.at(today, at);
        if begins <= now {
            (begins, zone.at(today.plus_days(1), at))
        } else {
            (zone.at(today.plus_days(-1), at), begins)
        }
    }
}

/// Puts a stay in, or its end to the stay it ends.
fn note(visits: &mut VecDeque<Visit>, visit: &Visit) {
    let same = |v: &&mut Visit| v.vehicle == visit.vehicle && v.zone == visit.zone && v.entered == visit.entered;
    match visits.iter_mut().rev().find(same) {
        Some(have) => have.left = visit.left,
        None => visits.push_back(visit.clone()),
    }
}
