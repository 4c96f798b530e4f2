//! What the whole fleet's receivers do at once: electronic warfare is no traffic.
//!
//! *Spoofing*: many vehicles jump to one place within minutes. *Jamming*: many vehicles of one area lose
//! their fix within minutes, and most of those that are there. Both are told from single receivers that fail
//! by number, place and time together; the constants below say how many, how near and how soon, and why.
//!
//! A jammed tracker may also say nothing at all: some wait for a fix before they speak, and a jammer strong enough
//! takes the mobile network too. So vehicles that fall silent together in one area, while driving, count as those
//! that say they have no fix; but only while the rest of the fleet goes on speaking, for a broker, a listener or an
//! operator that fails takes vehicles from everywhere, and only where they are spread, for a depot in the evening
//! takes them from one gate.
//!
//! Pure: it is told what the gate saw and when. It moves nobody; what a fix is refused for is the gate's part.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};
use transit_model::plane::haversine;
use transit_model::time::UnixMs;
pub use transit_model::warfare::Warfare;

use super::Seen;
use crate::codec::DeviceKey;

/// Jumps and losses count together within this time, ms. Spoofers capture receivers within a minute or two of
/// each other, as they come into range; trackers speak every 5 to 60 seconds.
const TOGETHER: i64 = 180_000;
/// So many vehicles make an episode, however small the fleet. Two may have a bad antenna in one depot, three a
/// bad batch of trackers; four at once at one place have been sent there.
const FEWEST: usize = 4;
/// And this share of the vehicles that are being heard: four of a thousand jump by chance.
const SHARE: f64 = 0.03;
/// How near each other the places are to which spoofed vehicles jump, metres. A spoofer tells all receivers one place,
/// often one that circles or drifts.
pub(super) const ONE_PLACE: f64 = 5_000.0;
/// The radii of an area that may be jammed, metres: a vehicle-borne jammer reaches one to five kilometres in a
/// city. The smaller is tried first: around it people hear well, and would outvote those who are deaf.
const AREAS: [f64; 2] = [1_500.0, 3_000.0];
const ONE_AREA: f64 = 3_000.0;
/// Of the vehicles of a jammed area that say anything at least this share has lost its fix. Vehicles in a tunnel or a hall have
/// neighbours in the street that see satellites.
const MOST_OF_THEM: f64 = 0.6;
/// The radii of areas that are looked at for silence, metres, the smallest first.
const SILENT_AREAS: [f64; 3] = [1_000.0, 2_000.0, ONE_AREA];
/// Vehicles that are silent are spread over so many metres at least: those at one gate or terminal were switched off.
const SPREAD: f64 = 400.0;
/// Of the vehicles outside an area at most this share may have fallen silent with those inside it.
const ELSEWHERE: f64 = 0.25;
/// Of those an episode took at least so many must still be without a fix, or silent, for it to last.
const STILL: usize = 2;
/// Vehicles that are looked at as the middle of an area, at most.
const MIDDLES: usize = 256;
/// A fix is lost when it has been for so long, ms: a status message without a position is no loss.
const LOST: i64 = 20_000;
/// An episode has ended when nobody was affected for so long, ms.
const OVER: i64 = 300_000;
/// Episodes and jumps remembered at once.
const MOST_EPISODES: usize = 8;
const MOST_JUMPS: usize = 4096;
/// How much a new jump moves the place an episode is held to be at: a spoofed place drifts.
const DRIFT: f64 = 0.1;

/// An episode of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Episode {
    /// What is done.
    pub kind: Warfare,
    /// Since when.
    pub since: UnixMs,
    /// When somebody was affected last.
    pub last: UnixMs,
    /// The place vehicles are sent to, or the middle of the area where they are deaf; degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// How far from there vehicles are deaf, metres; 0 for a spoofed place, which says nothing of where they are.
    pub radius_m: f64,
    /// How many vehicles it has affected.
    pub vehicles: usize,
    /// How many of them say nothing at all now.
    pub silent: usize,
}

/// A vehicle that was heard in the last hour, and whether it still is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voice<'a> {
    pub(super) device: &'a DeviceKey,
    /// Where it was live last.
    pub(super) lat: f64,
    pub(super) lon: f64,
    /// Since when it has been silent; `None` for one that speaks.
    pub(super) since: Option<UnixMs>,
    /// Whether it was on the move then.
    pub(super) moving: bool,
}

#[derive(Debug)]
struct Affected {
    episode: Episode,
    who: FxHashSet<DeviceKey>,
}

#[derive(Clone, Debug)]
struct Jump {
    at: UnixMs,
    device: DeviceKey,
    lat: f64,
    lon: f64,
}

#[derive(Clone, Copy, Debug)]
struct Loss {
    since: UnixMs,
    last: UnixMs,
    /// Where it was when it still knew.
    lat: f64,
    lon: f64,
}

/// The detector of one feed.
#[derive(Debug, Default)]
pub(super) struct Sky {
    jumps: VecDeque<Jump>,
    losses: FxHashMap<DeviceKey, Loss>,
    episodes: Vec<Affected>,
}

impl Sky {
    /// A vehicle is said to be where it cannot have come to. `heard`: how many vehicles are being heard.
    /// Says whether that is spoofing.
    pub(super) fn jumped(&mut self, device: &DeviceKey, to: Seen, now: UnixMs, heard: impl FnOnce() -> usize) -> bool {
        self.forget(now);
        if self.belongs(device, to, now) {
            return true;
        }
        self.jumps.retain(|j| j.device != *device);
        if self.jumps.len() >= MOST_JUMPS {
            self.jumps.pop_front();
        }
        self.jumps.push_back(Jump { at: now, device: device.clone(), lat: to.lat, lon: to.lon });
        let near: Vec<&Jump> =
            self.jumps.iter().filter(|j| haversine(j.lat, j.lon, to.lat, to.lon) <= ONE_PLACE).collect();
        if near.len() < FEWEST || near.len() < share(heard()) || self.episodes.len() >= MOST_EPISODES {
            return false;
        }
        let since = near.iter().map(|j| j.at).min().unwrap_or(now);
        let who: FxHashSet<DeviceKey> = near.iter().map(|j| j.device.clone()).collect();
        let (lat, lon) = middle(near.iter().map(|j| (j.lat, j.lon)));
        let vehicles = who.len();
        let episode =
            Episode { kind: Warfare::Spoofing, since, last: now, lat, lon, radius_m: 0.0, vehicles, silent: 0 };
        self.episodes.push(Affected { episode, who });
        true
    }

    /// Whether a place nobody can have come to is the one of an episode that lasts.
    fn belongs(&mut self, device: &DeviceKey, to: Seen, now: UnixMs) -> bool {
        let spoofed = self.episodes.iter_mut().find(|a| {
            let e = &a.episode;
            e.kind == Warfare::Spoofing && haversine(e.lat, e.lon, to.lat, to.lon) <= 2.0 * ONE_PLACE
        });
        let Some(Affected { episode, who }) = spoofed else { return false };
        who.insert(device.clone());
        episode.vehicles = who.len();
        episode.last = now;
        episode.lat += (to.lat - episode.lat) * DRIFT;
        episode.lon += (to.lon - episode.lon) * DRIFT;
        true
    }

    /// Whether a vehicle that was spoofed is still said to be where it was sent. Time makes any place
    /// reachable; it must not make this one.
    pub(super) fn holds(&mut self, device: &DeviceKey, at: Seen, now: UnixMs) -> bool {
        let held = self.episodes.iter_mut().find(|a| {
            let e = &a.episode;
            let there = || haversine(e.lat, e.lon, at.lat, at.lon) <= 2.0 * ONE_PLACE;
            e.kind == Warfare::Spoofing && a.who.contains(device) && there()
        });
        let Some(Affected { episode, .. }) = held else { return false };
        episode.last = now;
        true
    }

    /// A vehicle that was at a place has no fix now. `there`: how many vehicles that have a fix, or are told to
    /// have lost it, were last within so many metres of a place.
    pub(super) fn lost(
        &mut self,
        device: &DeviceKey,
        at: Seen,
        now: UnixMs,
        there: impl Fn(f64, f64, f64, &dyn Fn(&DeviceKey) -> bool) -> usize,
    ) {
        self.forget(now);
        let loss =
            self.losses.entry(device.clone()).or_insert(Loss { since: now, last: now, lat: at.lat, lon: at.lon });
        loss.last = now;
        if now.0.saturating_sub(loss.since.0) < LOST {
            return;
        }
        let known = self.episodes.iter_mut().find(|a| {
            let e = &a.episode;
            e.kind == Warfare::Jamming && haversine(e.lat, e.lon, at.lat, at.lon) <= 2.0 * ONE_AREA
        });
        if let Some(Affected { episode, who }) = known {
            who.insert(device.clone());
            episode.vehicles = who.len();
            episode.last = now;
            return;
        }
        if self.episodes.len() >= MOST_EPISODES {
            return;
        }
        let lost = |device: &DeviceKey| self.losses.contains_key(device);
        let deaf_within = |metres: f64| -> Vec<(&DeviceKey, &Loss)> {
            let deaf = self.losses.iter().filter(|(_, l)| l.last.0.saturating_sub(l.since.0) >= LOST);
            deaf.filter(|(_, l)| haversine(l.lat, l.lon, at.lat, at.lon) <= metres).collect()
        };
        let jammed = |metres: f64| {
            let near = deaf_within(metres);
            let most = || near.len() as f64 >= MOST_OF_THEM * there(at.lat, at.lon, metres, &lost) as f64;
            (near.len() >= FEWEST && most()).then_some((metres, near))
        };
        let Some((radius_m, near)) = AREAS.into_iter().find_map(jammed) else { return };
        let since = near.iter().map(|(_, l)| l.since).min().unwrap_or(now);
        let who: FxHashSet<DeviceKey> = near.iter().map(|(d, _)| (*d).clone()).collect();
        let (lat, lon) = middle(near.iter().map(|(_, l)| (l.lat, l.lon)));
        let vehicles = who.len();
        let episode = Episode { kind: Warfare::Jamming, since, last: now, lat, lon, radius_m, vehicles, silent: 0 };
        self.episodes.push(Affected { episode, who });
    }

    /// Looks at who of the fleet has fallen silent, and at who still is of those an episode took.
    pub(super) fn silence(&mut self, now: UnixMs, fleet: &[Voice<'_>]) {
        let Self { episodes, losses, .. } = self;
        let recent = |since: UnixMs, then: UnixMs| since >= then.plus_secs(-TOGETHER / 1000);
        for a in episodes.iter_mut().filter(|a| a.episode.kind == Warfare::Jamming) {
            let e = &mut a.episode;
            let near = |v: &&Voice<'_>| haversine(e.lat, e.lon, v.lat, v.lon) <= 2.0 * ONE_AREA;
            let silent: Vec<&Voice<'_>> =
                fleet.iter().filter(|v| v.since.is_some_and(|s| recent(s, e.since))).filter(near).collect();
            a.who.extend(silent.iter().filter(|v| v.moving).map(|v| v.device.clone()));
            e.silent = silent.iter().filter(|v| a.who.contains(v.device)).count();
            e.vehicles = a.who.len();
            let deaf = losses.keys().filter(|d| a.who.contains(*d)).count();
            if e.silent + deaf >= STILL {
                e.last = now;
            }
        }
        if episodes.len() >= MOST_EPISODES {
            return;
        }
        let taken = |d: &DeviceKey| episodes.iter().any(|a| a.who.contains(d));
        let deaf = |d: &DeviceKey| losses.get(d).is_some_and(|l| l.last.0.saturating_sub(l.since.0) >= LOST);
        // Silence is noticed a while after it began.
        let fresh = |v: &Voice<'_>| v.since.is_some_and(|s| recent(s, now.plus_secs(-TOGETHER / 1000)));
        let lost = |v: &&Voice<'_>| !taken(v.device) && ((fresh(v) && v.moving) || deaf(v.device));
        let candidates: Vec<&Voice<'_>> = fleet.iter().filter(lost).collect();
        if candidates.len() < FEWEST {
            return;
        }
        let affected = |v: &Voice<'_>| fresh(v) || deaf(v.device);
        // Who has been silent for longer says nothing of what happens now.
        let voices: Vec<&Voice<'_>> = fleet.iter().filter(|v| v.since.is_none() || fresh(v)).collect();
        for middle_of in candidates.iter().take(MIDDLES) {
            for radius in SILENT_AREAS {
                let inside = |v: &&&Voice<'_>| haversine(middle_of.lat, middle_of.lon, v.lat, v.lon) <= radius;
                let near: Vec<&&Voice<'_>> = candidates.iter().filter(inside).collect();
                if near.len() < FEWEST || !(near.iter().any(|v| deaf(v.device)) || spread(&near) >= SPREAD) {
                    continue;
                }
                let (mut there, mut gone, mut elsewhere, mut gone_elsewhere) = (0usize, 0usize, 0usize, 0usize);
                for v in &voices {
                    let (all, lost) =
                        if inside(&v) { (&mut there, &mut gone) } else { (&mut elsewhere, &mut gone_elsewhere) };
                    *all += 1;
                    *lost += usize::from(affected(v));
                }
                let here = gone as f64 >= MOST_OF_THEM * there as f64;
                let others =
                    elsewhere - gone_elsewhere >= FEWEST && gone_elsewhere as f64 <= ELSEWHERE * elsewhere as f64;
                if !here || !others {
                    continue;
                }
                let since = near.iter().filter_map(|v| v.since.or(losses.get(v.device).map(|l| l.since))).min();
                let (lat, lon) = middle(near.iter().map(|v| (v.lat, v.lon)));
                let who: FxHashSet<DeviceKey> = near.iter().map(|v| v.device.clone()).collect();
                let silent = near.iter().filter(|v| v.since.is_some()).count();
                let (kind, since, vehicles) = (Warfare::Jamming, since.unwrap_or(now), who.len());
                let episode = Episode { kind, since, last: now, lat, lon, radius_m: radius, vehicles, silent };
                episodes.push(Affected { episode, who });
                return;
            }
        }
    }

    /// A vehicle knows where it is.
    pub(super) fn found(&mut self, device: &DeviceKey) {
        self.losses.remove(device);
    }

    /// Lets go of what is over.
    pub(super) fn forget(&mut self, now: UnixMs) {
        let past = |then: UnixMs, ms: i64| now.0.saturating_sub(then.0) > ms;
        while self.jumps.front().is_some_and(|j| past(j.at, TOGETHER)) {
            self.jumps.pop_front();
        }
        // In an episode vehicles may say nothing for as long as it lasts; apart from one, what was lost long ago is
        // a receiver of its own.
        self.losses.retain(|_, l| !past(l.last, TOGETHER));
        self.episodes.retain(|a| !past(a.episode.last, OVER));
    }

    pub(super) fn episodes(&self) -> Vec<Episode> {
        self.episodes.iter().map(|a| a.episode.clone()).collect()
    }

    /// Each episode, with the devices it has affected.
    pub(super) fn affected(&self) -> impl Iterator<Item = (&Episode, impl Iterator<Item = &DeviceKey>)> {
        self.episodes.iter().map(|a| (&a.episode, a.who.iter()))
    }

    pub(super) fn is_calm(&self) -> bool {
        self.episodes.is_empty()
    }
}

/// How many of the vehicles that are heard make an episode.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a fleet")]
fn share(heard: usize) -> usize {
    (heard as f64 * SHARE).ceil() as usize
}

/// The middle of places that are near each other; the origin of none.
fn middle(places: impl Iterator<Item = (f64, f64)> + Clone) -> (f64, f64) {
    let n = places.clone().count().max(1) as f64;
    let (lat, lon) = places.fold((0.0, 0.0), |(a, b), (lat, lon)| (a + lat, b + lon));
    (lat / n, lon / n)
}

/// How far apart the two are that are farthest from each other, roughly: across the box around them, metres.
fn spread(near: &[&&Voice<'_>]) -> f64 {
    let bounds = super::Bounds::around(near.iter().map(|v| (v.lat, v.lon)));
    bounds.map_or(0.0, |b| haversine(b.south, b.west, b.north, b.east))
}
