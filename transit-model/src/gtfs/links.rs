//! Links shared between patterns, and the names they keep when a feed changes its ids.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::ids::{IdxVec, LinkIdx, StopIdx};
use crate::timetable::{Link, LinkKey, Stop};

/// Two ways between the same stops that differ by less are one.
const SAME_WITHIN_METRES: f32 = 30.0;
/// The same, as a share of the length.
const SAME_WITHIN_SHARE: f32 = 0.05;
/// Positions are rounded to this many steps a degree (11 m), lengths to [`LENGTH_STEP`].
const STEPS_PER_DEGREE: f64 = 1e4;
const LENGTH_STEP: f32 = 50.0;

/// The links while they are collected.
#[derive(Default)]
pub(super) struct Links {
    pub(super) items: IdxVec<LinkIdx, Link>,
    between: FxHashMap<(StopIdx, StopIdx), SmallVec<[LinkIdx; 1]>>,
}

impl Links {
    /// The link of this length between two stops: one there is, or a new one.
    pub(super) fn get(&mut self, (from, a): (StopIdx, &Stop), (to, b): (StopIdx, &Stop), length: f32) -> LinkIdx {
        let known = self.between.entry((from, to)).or_default();
        let same = known.iter().copied().find(|l| {
            let other = self.items.at(*l).length;
            (other - length).abs() <= SAME_WITHIN_METRES.max(SAME_WITHIN_SHARE * length)
        });
        same.unwrap_or_else(|| {
            let link = self.items.push(Link { from, to, length, key: key(a, b, length) });
            known.push(link);
            link
        })
    }
}

/// FNV-1a over the rounded ends and length: the same on every machine and in every version.
fn key(from: &Stop, to: &Stop, length: f32) -> LinkKey {
    #[expect(clippy::cast_possible_truncation, reason = "degrees and metres of a city fit")]
    let parts = [from.lat, from.lon, to.lat, to.lon]
        .map(|degrees| (degrees * STEPS_PER_DEGREE).round() as i64)
        .into_iter()
        .chain([(length / LENGTH_STEP).round() as i64]);
    let bytes = parts.flat_map(i64::to_le_bytes);
    LinkKey(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Idx as _;
    use crate::plane::Xy;
    use crate::timetable::StopKind;

    fn stop(id: &str, lat: f64, lon: f64) -> Stop {
        Stop {
            id: id.into(),
            code: "".into(),
            name: "".into(),
            platform: "".into(),
            kind: StopKind::Platform,
            parent: None,
            lat,
            lon,
            xy: Xy::default(),
            wheelchair: None,
        }
    }

    #[test]
    fn a_link_is_shared_by_length_and_keeps_its_name_when_ids_change() {
        let (a, b) = (stop("a", 48.85, 37.6), stop("b", 48.86, 37.61));
        let (i, j) = (StopIdx::new(0), StopIdx::new(1));
        let mut links = Links::default();
        let first = links.get((i, &a), (j, &b), 1300.0);
        assert_eq!(links.get((i, &a), (j, &b), 1340.0), first, "within 5 %");
        let detour = links.get((i, &a), (j, &b), 1900.0);
        assert_ne!(detour, first);
        assert_ne!(links.get((j, &b), (i, &a), 1300.0), first, "the way back is another link");

        let renamed = (stop("x", 48.850_01, 37.600_01), stop("y", 48.86, 37.61));
        assert_eq!(key(&renamed.0, &renamed.1, 1310.0), links.items.at(first).key);
        assert_ne!(links.items.at(detour).key, links.items.at(first).key);
        assert_eq!(key(&a, &b, 1300.0), LinkKey(6_500_785_930_594_113_892), "pinned: stored models name links by it");
    }
}
