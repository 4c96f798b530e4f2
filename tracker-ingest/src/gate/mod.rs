//! The gate: may this record move a vehicle? Who, when, where, plausible, in that order.
//!
//! A pure structure: it is told the time of receipt and opens nothing. It judges one device at a time;
//! what the whole fleet does at once (jamming, spoofing) is judged by a structure beside it, from the same
//! verdicts. Checksums are the codecs' part and were right when a record comes here.

mod clock;
mod config;
mod pair;
mod sky;

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};
use transit_model::fix::{Fix, Source};
use transit_model::ids::VehicleId;
use transit_model::plane::haversine;
use transit_model::time::UnixMs;
use transit_model::warfare::Raid;

use crate::codec::{DeviceKey, Position, Record};
use crate::rejection::Rejection;
use clock::Clock;
use pair::Pairs;
use sky::{Sky, Voice};

pub use config::{Bounds, GateConfig};
pub use pair::Disagreement;
pub use sky::{Episode, Warfare};

/// A device is being heard when it was live so short a time ago, ms.
const HEARD: i64 = 600_000;
/// It speaks when it was live so short a time ago, ms: trackers report every 5 to 60 seconds.
const SPEAKS: i64 = 90_000;
/// How many records of a device are remembered to know a repeated one.
const REMEMBERED: usize = 32;
/// How often the gate looks for who has fallen silent, ms.
const LOOKED: i64 = 10_000;
/// After so long a silence a device is out of service and tells nothing about the sky, ms.
const GONE: i64 = 3_600_000;
/// A device is silent after so long, ms, and after so many of its usual intervals.
const SILENT: i64 = 60_000;
const SILENT_INTERVALS: i64 = 4;
/// A vehicle that covered less than this in a second on its last stretch was standing, m/s.
const DRIVES: f64 = 2.5;
/// A clock that is off by so much more or less than it was has jumped, ms.
const CLOCK_JUMPED: i64 = 30_000;
/// So many others that are late by the same, within this, ms, are no clocks: somebody on the way holds messages back.
const LATE_TOGETHER: usize = 3;
const LATE_ALIKE: i64 = 10_000;

/// A record before the gate.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// Who sent it.
    pub device: &'a DeviceKey,
    /// The vehicle it is fitted to; `None` for a device on no list.
    pub vehicle: Option<&'a VehicleId>,
    /// The protocol it came by.
    pub source: Source,
    /// What it says.
    pub record: &'a Record,
}

/// What the gate says.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// It moves the vehicle.
    Live(Fix),
    /// It is true, but not now.
    HistoryOnly(Fix, Rejection),
    /// It is not believed, or says nothing of a place.
    Refused(Rejection),
}

/// A verdict and what the journal needs to know besides.
#[derive(Clone, PartialEq, Debug)]
pub struct Judged {
    /// May it move the vehicle?
    pub verdict: Verdict,
    /// When it was made, with the clock's lead taken off where that is known.
    pub time: UnixMs,
    /// How the journal should mark it: `None` for live. A repeated record is marked as it was at first,
    /// for at first it may not have reached the disk.
    pub mark: Option<Rejection>,
}

/// A place at a time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Seen {
    /// When, corrected.
    pub time: UnixMs,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
}

/// A clock that was found to be off, set right, or off by another amount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClockJump {
    /// Whose.
    pub device: DeviceKey,
    /// How far it was ahead before, ms; negative = behind.
    pub before: i64,
    /// And is now.
    pub after: i64,
}

/// What the gate knows of a device that was heard.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Known {
    /// When it was heard last.
    pub heard: UnixMs,
    /// By which protocol.
    pub source: Source,
    /// How far its clock is ahead, ms; negative = behind.
    pub clock_ms: i64,
    /// Whether its clock is thought to be off by an amount that is not known yet.
    pub clock_suspected: bool,
}

#[derive(Debug, Default)]
struct Device {
    clock: Clock,
    heard: Option<Heard>,
    live: Option<Live>,
    /// Where it was before it was believed to have jumped: if that was spoofing, it is still there.
    before: Option<(Live, UnixMs)>,
    doubted: Option<(Seen, u32)>,
    records: VecDeque<Kept>,
}

/// How a device is heard.
#[derive(Clone, Copy, Debug)]
struct Heard {
    at: UnixMs,
    source: Source,
    /// Its usual interval, ms.
    interval: i64,
    /// Whether its vehicle was on the move when it was live last.
    moving: bool,
}

#[derive(Clone, Copy, Debug)]
struct Live {
    seen: Seen,
    /// By the device's own clock.
    own_time: UnixMs,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    time: UnixMs,
    sequence: u32,
    mark: Option<Rejection>,
}

/// The gate of one feed.
#[derive(Debug)]
pub struct Gate {
    config: GateConfig,
    area: Option<Bounds>,
    devices: FxHashMap<DeviceKey, Device>,
    sky: Sky,
    /// When it was last looked for who is silent.
    looked: UnixMs,
    /// Vehicles with more than one device, and which of theirs moves them.
    shared: FxHashSet<VehicleId>,
    pairs: Pairs,
    jumps: Vec<ClockJump>,
}

impl Gate {
    /// A gate that has seen nobody. Without `bounds` the whole Earth is the feed's area.
    #[must_use]
    pub fn new(config: GateConfig, bounds: Option<Bounds>) -> Self {
        Self {
            config,
            area: bounds.map(|b| b.widened(config.margin_m)),
            devices: FxHashMap::default(),
            sky: Sky::default(),
            looked: UnixMs(i64::MIN),
            shared: FxHashSet::default(),
            pairs: Pairs::default(),
            jumps: Vec::new(),
        }
    }

    /// Tells where a device was last live, so that a restart forgets no order.
    pub fn restore(&mut self, device: &DeviceKey, seen: Seen) {
        let state = self.devices.entry(device.clone()).or_default();
        if state.live.is_none_or(|l| l.seen.time < seen.time) {
            state.live = Some(Live { seen, own_time: seen.time });
        }
    }

    /// Tells how far a device's clock was known to be ahead (negative: behind), ms, so that a restart need not learn it.
    pub fn restore_clock(&mut self, device: &DeviceKey, offset_ms: i64) {
        let state = self.devices.entry(device.clone()).or_default();
        state.clock = Clock::known(offset_ms);
        if let Some(live) = state.live.as_mut() {
            live.own_time = UnixMs(live.seen.time.0.saturating_add(offset_ms));
        }
    }

    /// Forgets a device: it was taken off the list, or moved to another vehicle.
    pub fn forget(&mut self, device: &DeviceKey) {
        self.devices.remove(device);
        self.pairs.forget(device);
    }

    /// Says which vehicles have more than one device.
    pub fn share(&mut self, vehicles: FxHashSet<VehicleId>) {
        self.pairs.keep(&vehicles);
        self.shared = vehicles;
    }

    /// How far a device's clock is known to be ahead, ms; negative = behind.
    #[must_use]
    pub fn clock_ms(&self, device: &DeviceKey) -> i64 {
        self.devices.get(device).map_or(0, |d| d.clock.offset_ms())
    }

    /// What is known of every device that was heard.
    pub fn known(&self) -> impl Iterator<Item = (&DeviceKey, Known)> {
        self.devices.iter().filter_map(|(key, d)| {
            let h = d.heard?;
            let (clock_ms, clock_suspected) = (d.clock.offset_ms(), d.clock.is_suspected());
            Some((key, Known { heard: h.at, source: h.source, clock_ms, clock_suspected }))
        })
    }

    /// Clocks that have jumped since this was asked last.
    pub fn take_jumps(&mut self) -> Vec<ClockJump> {
        std::mem::take(&mut self.jumps)
    }

    /// Vehicles whose devices say they are in two places, as far as was heard until now.
    pub fn disagreements(&mut self, now: UnixMs) -> Vec<Disagreement> {
        self.pairs.disagreements(now)
    }

    /// The episodes of electronic warfare that last at a moment, not before the last one told.
    pub fn episodes(&mut self, now: UnixMs) -> Vec<Episode> {
        self.look(now);
        self.sky.episodes()
    }

    /// Brings the sky to a moment.
    fn look(&mut self, now: UnixMs) {
        if now.0.saturating_sub(self.looked.0) >= LOOKED {
            self.looked = now;
            self.look_for_silence(now);
        }
        self.sky.forget(now);
    }

    /// The same as the engine wants them: with the vehicles affected, whom `vehicle_of` knows.
    pub fn raids(&mut self, now: UnixMs, vehicle_of: impl Fn(&DeviceKey) -> Option<VehicleId>) -> Vec<Raid> {
        self.look(now);
        let mut raids = Vec::new();
        for (e, who) in self.sky.affected() {
            let mut vehicles: Vec<VehicleId> = who.filter_map(&vehicle_of).collect();
            vehicles.sort_unstable();
            raids.push(Raid { kind: e.kind, since: e.since, lat: e.lat, lon: e.lon, radius_m: e.radius_m, vehicles });
        }
        raids
    }

    /// Asks who of those that were heard has stopped speaking.
    fn look_for_silence(&mut self, now: UnixMs) {
        let fleet: Vec<Voice<'_>> = self
            .devices
            .iter()
            .filter_map(|(device, d)| {
                let (heard, live) = (d.heard?, d.live?);
                let quiet = now.0.saturating_sub(heard.at.0);
                if quiet >= GONE {
                    return None;
                }
                let silent = quiet >= SILENT.max(SILENT_INTERVALS.saturating_mul(heard.interval));
                let since = silent.then_some(heard.at);
                Some(Voice { device, lat: live.seen.lat, lon: live.seen.lon, since, moving: heard.moving })
            })
            .collect();
        self.sky.silence(now, &fleet);
    }

    /// Grants what a clock claims unless others are late by as much: then it is no clock.
    fn settle_claim(&mut self, device: &DeviceKey) {
        let limits = self.config.clock();
        let Some(level) = self.devices.get(device).and_then(|d| d.clock.claims(limits)) else { return };
        let alike = |d: &Device| d.clock.late_by().is_some_and(|by| (by - level).abs() <= LATE_ALIKE);
        let others = self.devices.iter().filter(|(key, d)| *key != device && alike(d)).count();
        if others < LATE_TOGETHER
            && let Some(d) = self.devices.get_mut(device)
        {
            let before = d.clock.offset_ms();
            d.clock.grant(level);
            self.jumps.push(ClockJump { device: device.clone(), before, after: d.clock.offset_ms() });
        }
    }

    /// Judges a record received at a moment. Moments must not run backwards.
    pub fn judge(&mut self, raw: &Raw<'_>, received: UnixMs) -> Judged {
        let (judged, claims) = self.judge_alone(raw, received);
        if claims {
            self.settle_claim(raw.device);
        }
        let heard = |d: &Device| d.live.is_some_and(|l| received.0.saturating_sub(l.seen.time.0) < HEARD);
        let recent = !older(judged.time, received, self.config.live_secs);
        let at = raw.record.position.map(|p| Seen { time: judged.time, lat: p.lat, lon: p.lon });
        match (&judged.verdict, at) {
            (Verdict::Live(_), _) => {
                self.sky.found(raw.device);
                judged
            }
            (Verdict::Refused(Rejection::Jump | Rejection::OutOfBounds), Some(to)) if recent => {
                let calm = self.sky.is_calm();
                let devices = &self.devices;
                let count = || devices.values().filter(|d| heard(d)).count();
                if !self.sky.jumped(raw.device, to, received, count) {
                    return judged;
                }
                if calm {
                    self.bring_back();
                }
                let Some(device) = self.devices.get_mut(raw.device) else { return judged };
                // However often it is said, it is not believed.
                device.doubted = None;
                let own_time = raw.record.time.unwrap_or(received);
                device.refuse(raw, own_time, judged.time, Rejection::Spoofed)
            }
            (Verdict::Refused(Rejection::NotValid | Rejection::OffEarth | Rejection::NoPosition), _) if recent => {
                let Some(live) = self.devices.get(raw.device).filter(|d| heard(d)).and_then(|d| d.live) else {
                    return judged;
                };
                let devices = &self.devices;
                // Whoever says nothing at all has no say in whether the others are deaf.
                let speaks = |d: &Device| d.live.is_some_and(|l| received.0.saturating_sub(l.seen.time.0) < SPEAKS);
                let there = |lat, lon, metres, lost: &dyn Fn(&DeviceKey) -> bool| {
                    let near = |l: Live| haversine(l.seen.lat, l.seen.lon, lat, lon) <= metres;
                    let counts = |k: &DeviceKey, d: &Device| heard(d) && (speaks(d) || lost(k));
                    devices.iter().filter(|(k, d)| counts(k, d) && d.live.is_some_and(near)).count()
                };
                self.sky.lost(raw.device, live.seen, received, there);
                judged
            }
            _ => judged,
        }
    }

    /// Puts back whoever was believed to have jumped to where everybody is being sent.
    fn bring_back(&mut self) {
        for e in self.sky.episodes() {
            for device in self.devices.values_mut() {
                let there = |l: Live| haversine(l.seen.lat, l.seen.lon, e.lat, e.lon) <= sky::ONE_PLACE;
                if device.live.is_some_and(there)
                    && let Some((before, jumped)) = device.before.take()
                    && e.last.0.saturating_sub(jumped.0) < HEARD
                {
                    device.live = Some(before);
                }
            }
        }
    }

    /// What becomes of a record for itself; and whether its device's clock claims to be behind.
    fn judge_alone(&mut self, raw: &Raw<'_>, received: UnixMs) -> (Judged, bool) {
        let own_time = raw.record.time.unwrap_or(received);
        let Some(vehicle) = raw.vehicle else {
            let r = Rejection::UnknownDevice;
            return (Judged { verdict: Verdict::Refused(r), time: own_time, mark: Some(r) }, false);
        };
        let Self { config, area, devices, sky, shared, pairs, jumps, .. } = self;
        let device = devices.entry(raw.device.clone()).or_default();
        device.hear(raw.source, received);

        let before = device.clock.offset_ms();
        let dated = device.date(own_time, received, config);
        let after = device.clock.offset_ms();
        if (after - before).abs() >= CLOCK_JUMPED {
            jumps.push(ClockJump { device: raw.device.clone(), before, after });
        }
        let claims = device.clock.claims(config.clock()).is_some();
        let time = match dated {
            Ok(time) => time,
            Err(r) => return (device.refuse(raw, own_time, own_time, r), claims),
        };
        if let Some(known) = device.known(own_time, raw.record.sequence) {
            return (Judged { verdict: Verdict::Refused(Rejection::Duplicate), time, mark: known.mark }, claims);
        }
        let place = raw.record.position.ok_or(Rejection::NoPosition).and_then(|p| somewhere(p, area.as_ref()));
        let p = match place {
            Ok(p) => p,
            Err(r) => return (device.refuse(raw, own_time, time, r), claims),
        };
        let seen = Seen { time, lat: p.lat, lon: p.lon };
        let fix = Fix {
            vehicle: vehicle.clone(),
            time,
            received,
            lat: p.lat,
            lon: p.lon,
            speed: p.speed.filter(|s| (0.0..=config.max_speed_mps * 1.5).contains(&f64::from(*s))),
            bearing: p.bearing.filter(|b| (0.0..360.0).contains(b)),
            reported: raw.record.reported.clone(),
            source: raw.source,
        };
        if let Some(r) = device.late(time, received, config) {
            device.remember(raw, own_time, Some(r));
            return (Judged { verdict: Verdict::HistoryOnly(fix, r), time, mark: Some(r) }, claims);
        }
        if sky.holds(raw.device, seen, received) {
            return (device.refuse(raw, own_time, time, Rejection::Spoofed), claims);
        }
        if let Some(r) = device.implausible(seen, config) {
            return (device.refuse(raw, own_time, time, r), claims);
        }
        device.go_to(seen, own_time);
        if !shared.is_empty()
            && shared.contains(vehicle)
            && let Some(r) = pairs.speaks(vehicle, raw.device, seen, received)
        {
            device.remember(raw, own_time, Some(r));
            return (Judged { verdict: Verdict::HistoryOnly(fix, r), time, mark: Some(r) }, claims);
        }
        device.remember(raw, own_time, None);
        (Judged { verdict: Verdict::Live(fix), time, mark: None }, claims)
    }
}

/// The position, if a vehicle of the feed can be there at all.
fn somewhere(p: Position, area: Option<&Bounds>) -> Result<Position, Rejection> {
    let null_island = p.lat.abs() < 0.01 && p.lon.abs() < 0.01;
    if !(-90.0..=90.0).contains(&p.lat) || !(-180.0..=180.0).contains(&p.lon) {
        Err(Rejection::OffEarth)
    } else if !p.valid {
        // Zeros that the device itself does not stand by are what many send without a fix.
        Err(Rejection::NotValid)
    } else if null_island {
        Err(Rejection::OffEarth)
    } else if area.is_some_and(|a| !a.contains(p.lat, p.lon)) {
        Err(Rejection::OutOfBounds)
    } else {
        Ok(p)
    }
}

impl Device {
    /// Takes in that it was heard.
    fn hear(&mut self, source: Source, received: UnixMs) {
        self.heard = Some(match self.heard {
            Some(h) if h.at == received => Heard { source, ..h },
            Some(h) => {
                let gap = received.0.saturating_sub(h.at.0).clamp(0, GONE);
                // A long gap is one: an interval is what is usual.
                let interval =
                    if h.interval == 0 { gap } else { h.interval + (gap.min(4 * h.interval) - h.interval) / 8 };
                Heard { at: received, source, interval, moving: h.moving }
            }
            None => Heard { at: received, source, interval: 0, moving: false },
        });
    }

    /// Takes in where it is, live.
    fn go_to(&mut self, seen: Seen, own_time: UnixMs) {
        if let (Some(h), Some(l)) = (self.heard.as_mut(), self.live) {
            let seconds = seen.time.secs_f64() - l.seen.time.secs_f64();
            let metres = haversine(l.seen.lat, l.seen.lon, seen.lat, seen.lon);
            h.moving = seconds > 0.0 && metres >= DRIVES * seconds;
        }
        self.live = Some(Live { seen, own_time });
        self.doubted = None;
    }

    /// When the record was made, by our clock.
    fn date(&mut self, own_time: UnixMs, received: UnixMs, config: &GateConfig) -> Result<UnixMs, Rejection> {
        let limits = config.clock();
        let time = self.clock.correct(own_time, received, limits)?;
        if older(time, received, config.backlog_secs) {
            return Err(Rejection::TooOld);
        }
        // When the lead is estimated anew a later fix may come to lie before an earlier one, by as much
        // as the tolerance; the device's own clock knows better.
        Ok(match self.live {
            Some(l)
                if own_time > l.own_time
                    && time <= l.seen.time
                    && l.seen.time.0.saturating_sub(time.0) <= limits.tolerance =>
            {
                UnixMs(l.seen.time.0 + 1)
            }
            _ => time,
        })
    }

    /// Why a fix is history and not live.
    fn late(&self, time: UnixMs, received: UnixMs, config: &GateConfig) -> Option<Rejection> {
        if self.live.is_some_and(|l| time <= l.seen.time) {
            Some(Rejection::OutOfOrder)
        } else if older(time, received, config.live_secs) {
            Some(if self.clock.is_suspected() { Rejection::ClockOff } else { Rejection::Stale })
        } else {
            None
        }
    }

    fn known(&self, time: UnixMs, sequence: u32) -> Option<Kept> {
        self.records.iter().rev().find(|k| k.time == time && k.sequence == sequence).copied()
    }

    fn remember(&mut self, raw: &Raw<'_>, time: UnixMs, mark: Option<Rejection>) {
        let known = Kept { time, sequence: raw.record.sequence, mark };
        if let Some(same) = self.records.iter_mut().find(|k| k.time == time && k.sequence == known.sequence) {
            *same = known;
            return;
        }
        if self.records.len() >= REMEMBERED {
            self.records.pop_front();
        }
        self.records.push_back(known);
    }

    fn refuse(&mut self, raw: &Raw<'_>, own_time: UnixMs, time: UnixMs, r: Rejection) -> Judged {
        self.remember(raw, own_time, Some(r));
        Judged { verdict: Verdict::Refused(r), time, mark: Some(r) }
    }

    /// Whether the vehicle cannot have come here from where it was. Places that agree with each other
    /// often enough are believed, so that nobody is locked out by one wrong fix that came first.
    fn implausible(&mut self, seen: Seen, config: &GateConfig) -> Option<Rejection> {
        let live = self.live?.seen;
        let metres = haversine(live.lat, live.lon, seen.lat, seen.lon);
        if reachable(live, seen, metres, config) {
            return None;
        }
        let agreeing = match self.doubted {
            Some((before, n)) if seen.time > before.time => {
                let step = haversine(before.lat, before.lon, seen.lat, seen.lon);
                if reachable(before, seen, step, config) { n + 1 } else { 1 }
            }
            _ => 1,
        };
        self.doubted = Some((seen, agreeing));
        if agreeing >= config.readmit {
            self.before = self.live.map(|l| (l, seen.time));
            return None;
        }
        Some(if metres > config.jump_m { Rejection::Jump } else { Rejection::TooFast })
    }
}

fn older(time: UnixMs, received: UnixMs, secs: u32) -> bool {
    received.0.saturating_sub(time.0) > i64::from(secs) * 1000
}

fn reachable(from: Seen, to: Seen, metres: f64, config: &GateConfig) -> bool {
    let seconds = to.time.secs_f64() - from.time.secs_f64();
    metres <= config.max_speed_mps.mul_add(seconds.max(0.0), config.slack_m)
}
