//! What the whole fleet's receivers do at once: electronic warfare is no traffic.
//!
//! *Spoofing*: many vehicles jump to one place within minutes. *Jamming*: many vehicles of one area lose
//! their fix within minutes, and most of those that are there. Both are told from single receivers that fail
//! by number, place and time together; the constants below say how many, how near and how soon, and why.
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
        let episode = Episode { kind: Warfare::Spoofing, since, last: now, lat, lon, radius_m: 0.0, vehicles };
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
        let episode = Episode { kind: Warfare::Jamming, since, last: now, lat, lon, radius_m, vehicles };
        self.episodes.push(Affected { episode, who });
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
