//! Ways along the streets: where a machine may be on them, and how it may have come from there to here.
//! Pure; looks only at what is near.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use transit_model::plane::{Xy, angle_between};

use super::grid::REACH;
use super::streets::{Streets, Ways};

/// How far a fix lies from the middle of the street it was made on: GPS and the half of the street, metres.
const OFF: f32 = 8.0;
/// How far a course over ground is from the street's, degrees.
const ASKEW: f32 = 25.0;
/// A course farther from the street's than this is another street's, degrees.
const ACROSS: f32 = 65.0;
/// So many places are weighed for one fix.
const MOST: usize = 8;
/// A machine may seem to go back by so much, metres: GPS.
const BACK: f32 = 15.0;
/// What turning round on a street costs, as if it were so many metres.
const TURN: f32 = 30.0;
/// How far beyond the last place seen it may have turned, metres.
const BEYOND: f32 = 40.0;
/// Of what its speed says, so much was driven by a machine that turned round.
const SLOWED: f32 = 0.85;
/// So many junctions are looked at for one way.
const JUNCTIONS: usize = 160;

/// A place on the streets where a machine may be, and which way it goes there.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Candidate {
    /// Which piece.
    pub piece: u32,
    /// Metres along it.
    pub along: f32,
    /// From the start of its line to its end.
    pub forward: bool,
    /// How ill it fits: half a square of deviations.
    pub cost: f32,
}

/// A stretch of a piece that was driven, from one distance along it to another; backwards where the
/// first is the greater.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Leg {
    /// Which piece.
    pub piece: u32,
    /// Metres along it at its start.
    pub from: f32,
    /// Metres along it at its end.
    pub to: f32,
}

impl Leg {
    /// Its length, metres.
    #[must_use]
    pub fn metres(&self) -> f32 {
        (self.to - self.from).abs()
    }
}

/// The places a fix may have been made at, those that fit best first. `heading`: degrees, when known.
#[must_use]
pub fn candidates(streets: &Streets, at: Xy, heading: Option<f32>) -> SmallVec<[Candidate; MOST]> {
    // Stretches come by line and along it: neighbours of one line are one passage, and its nearest point stands for it.
    let mut found: SmallVec<[(u32, f32, f32, f32); 12]> = SmallVec::new();
    for s in streets.grid().near(at) {
        let Some(piece) = streets.pieces().get(s.line as usize) else { continue };
        let Some(p) = piece.line.project_between(at, s.from, s.to).filter(|p| p.off <= REACH) else { continue };
        match found.last_mut() {
            Some((line, along, off, to)) if *line == s.line && s.from <= *to => {
                *to = s.to;
                if p.off < *off {
                    (*along, *off) = (p.along, p.off);
                }
            }
            _ => found.push((s.line, p.along, p.off, s.to)),
        }
    }
    let mut all: SmallVec<[Candidate; MOST]> = SmallVec::new();
    for (piece, along, off, _) in found {
        let Some(p) = streets.pieces().get(piece as usize) else { continue };
        let street = p.line.heading_at(along).unwrap_or(0.0);
        for forward in [true, false] {
            if !forward && p.ways == Ways::Forward {
                continue;
            }
            let course = if forward { street } else { street + 180.0 };
            let askew = heading.map_or(0.0, |h| angle_between(h, course));
            if askew <= ACROSS {
                let cost = (off / OFF).powi(2) / 2.0 + (askew / ASKEW).powi(2) / 2.0;
                all.push(Candidate { piece, along, forward, cost });
            }
        }
    }
    all.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(a.piece.cmp(&b.piece)).then(b.forward.cmp(&a.forward)));
    all.truncate(MOST);
    all
}

/// Everywhere one can come to from a place within so many metres.
pub struct Ahead<'a> {
    streets: &'a Streets,
    from: Candidate,
    reached: FxHashMap<u32, Reached>,
}

#[derive(Clone, Copy)]
struct Reached {
    metres: f32,
    before: Option<u32>,
    by: Leg,
}

/// Looks ahead from a place: Dijkstra over the junctions, at most so many metres and junctions.
#[must_use]
pub fn ahead(streets: &Streets, from: Candidate, limit: f32) -> Ahead<'_> {
    let mut reached: FxHashMap<u32, Reached> = FxHashMap::default();
    let mut queue = BinaryHeap::new();
    let first = streets.pieces().get(from.piece as usize).and_then(|p| next(&p.nodes, from.along, from.forward));
    if let Some((along, node)) = first {
        let by = Leg { piece: from.piece, from: from.along, to: along };
        reached.insert(node, Reached { metres: by.metres(), before: None, by });
        queue.push(Reverse((millimetres(by.metres()), node)));
    }
    let mut looked_at = 0;
    while let Some(Reverse((at, node))) = queue.pop() {
        let Some(here) = reached.get(&node).copied().filter(|r| millimetres(r.metres) == at) else { continue };
        looked_at += 1;
        if here.metres > limit || looked_at > JUNCTIONS {
            break;
        }
        for (piece, along) in streets.junctions.get(node as usize).into_iter().flatten() {
            let Some(p) = streets.pieces().get(*piece as usize) else { continue };
            for forward in [true, false] {
                if !forward && p.ways == Ways::Forward {
                    continue;
                }
                let Some((to, other)) = beyond(&p.nodes, *along, forward) else { continue };
                let by = Leg { piece: *piece, from: *along, to };
                let metres = here.metres + by.metres();
                if metres <= limit && reached.get(&other).is_none_or(|r| metres < r.metres) {
                    reached.insert(other, Reached { metres, before: Some(node), by });
                    queue.push(Reverse((millimetres(metres), other)));
                }
            }
        }
    }
    Ahead { streets, from, reached }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few kilometres, never negative")]
fn millimetres(metres: f32) -> u32 {
    (metres * 1000.0) as u32
}

/// The junction at or after a place, in the direction of travel.
fn next(nodes: &[(f32, u32)], along: f32, forward: bool) -> Option<(f32, u32)> {
    let at = if forward {
        nodes.partition_point(|n| n.0 < along)
    } else {
        nodes.partition_point(|n| n.0 <= along).checked_sub(1)?
    };
    nodes.get(at).copied()
}

/// The junction after this one, in the direction of travel.
fn beyond(nodes: &[(f32, u32)], along: f32, forward: bool) -> Option<(f32, u32)> {
    let at = if forward {
        nodes.partition_point(|n| n.0 <= along)
    } else {
        nodes.partition_point(|n| n.0 < along).checked_sub(1)?
    };
    nodes.get(at).copied()
}

impl Ahead<'_> {
    /// Metres to another place; more than those driven where the machine turns round. `None` where it
    /// cannot be reached within the limit.
    #[must_use]
    pub fn metres(&self, to: &Candidate) -> Option<f32> {
        match self.straight(to) {
            Some(ahead) => Some(ahead),
            None if self.from.piece == to.piece && self.from.forward != to.forward => {
                let turned = (to.along - self.from.along).abs() + TURN;
                Some(self.round(to).map_or(turned, |(metres, _)| metres.min(turned)))
            }
            None => self.round(to).map(|(metres, _)| metres),
        }
    }

    /// The stretches driven on the way; none where the machine turned round: see [`Self::turned`].
    #[must_use]
    pub fn legs(&self, to: &Candidate) -> SmallVec<[Leg; 4]> {
        let mut legs: SmallVec<[Leg; 4]> = SmallVec::new();
        if self.straight(to).is_some() {
            let leg = Leg { piece: to.piece, from: self.from.along, to: to.along };
            // Back by the noise of GPS is no way back.
            if (leg.to > leg.from) == to.forward {
                legs.push(leg);
            }
            return legs;
        }
        let Some((metres, mut node)) = self.round(to) else { return legs };
        if self.metres(to).is_some_and(|least| least < metres) {
            return legs;
        }
        let entered = self.node_behind(to).map_or(to.along, |(along, _)| along);
        legs.push(Leg { piece: to.piece, from: entered, to: to.along });
        while let Some(r) = self.reached.get(&node) {
            legs.push(r.by);
            match r.before {
                Some(before) if legs.len() <= JUNCTIONS => node = before,
                _ => break,
            }
        }
        legs.reverse();
        legs
    }

    /// The stretches driven by a machine that turned round on a piece and drove so many metres in all, by its
    /// speed: out beyond both places by half of what is left, and back. Less rather than more: it slowed down to turn.
    #[must_use]
    pub fn turned(&self, to: &Candidate, driven: f32) -> SmallVec<[Leg; 4]> {
        let (from, mut legs) = (&self.from, SmallVec::new());
        let Some(piece) = self.streets.pieces().get(from.piece as usize) else { return legs };
        if from.piece != to.piece || from.forward == to.forward {
            return legs;
        }
        let left = driven.mul_add(SLOWED, -(to.along - from.along).abs());
        let beyond = (left / 2.0).clamp(0.0, BEYOND);
        let far = if from.forward { from.along.max(to.along) + beyond } else { from.along.min(to.along) - beyond };
        let far = far.clamp(0.0, piece.line.length());
        legs.push(Leg { piece: from.piece, from: from.along, to: far });
        legs.push(Leg { piece: from.piece, from: far, to: to.along });
        legs
    }

    /// Metres along the same piece in the same direction.
    fn straight(&self, to: &Candidate) -> Option<f32> {
        if self.from.piece != to.piece || self.from.forward != to.forward {
            return None;
        }
        let ahead = if to.forward { to.along - self.from.along } else { self.from.along - to.along };
        (ahead >= -BACK).then_some(ahead.max(0.0))
    }

    /// Metres over junctions, and the last of them.
    fn round(&self, to: &Candidate) -> Option<(f32, u32)> {
        let (along, node) = self.node_behind(to)?;
        Some((self.reached.get(&node)?.metres + (to.along - along).abs(), node))
    }

    fn node_behind(&self, to: &Candidate) -> Option<(f32, u32)> {
        next(&self.streets.pieces().get(to.piece as usize)?.nodes, to.along, !to.forward)
    }
}

#[cfg(test)]
mod tests {
    use transit_model::plane::{Plane, Polyline};

    use super::super::streets::Part;
    use super::*;

    /// A cross: a street to the east, one to the north from its middle, and a one-way street back west from the north.
    fn cross() -> Streets {
        let part = |name: &str, ways, points: &[(f32, f32)]| Part {
            street: Some((name.to_owned(), None, None)),
            ways,
            line: Polyline::new(points.iter().map(|(x, y)| Xy { x: *x, y: *y })),
        };
        Streets::build(
            vec![
                part("east", Ways::Either, &[(0.0, 0.0), (200.0, 0.0), (400.0, 0.0)]),
                part("north", Ways::Either, &[(200.0, 0.0), (200.0, 300.0)]),
                part("west", Ways::Forward, &[(200.0, 300.0), (0.0, 300.0)]),
            ],
            Plane::around(48.85, 37.6),
        )
    }

    fn one(s: &Streets, x: f32, y: f32, heading: f32) -> Candidate {
        candidates(s, Xy { x, y }, Some(heading))[0]
    }

    #[test]
    fn a_fix_is_on_the_street_it_heads_along() {
        let s = cross();
        let c = candidates(&s, Xy { x: 204.0, y: 12.0 }, None);
        assert_eq!(c.len(), 4, "two streets, two ways: {c:?}");
        let north = one(&s, 204.0, 12.0, 5.0);
        assert_eq!((north.piece, north.forward), (1, true));
        let west = one(&s, 204.0, 9.0, 265.0);
        assert_eq!((west.piece, west.forward), (0, false));
        assert!(candidates(&s, Xy { x: 100.0, y: 300.0 }, Some(90.0)).is_empty(), "one way is one way");
        assert!(candidates(&s, Xy { x: 100.0, y: 60.0 }, None).is_empty());
    }

    #[test]
    fn the_way_goes_round_the_corner_and_not_against_one_way() {
        let s = cross();
        let from = one(&s, 120.0, 0.0, 90.0);
        let look = ahead(&s, from, 600.0);
        let corner = one(&s, 200.0, 70.0, 0.0);
        assert!((look.metres(&corner).unwrap() - 150.0).abs() < 0.5);
        let legs = look.legs(&corner);
        assert_eq!(legs.len(), 2, "{legs:?}");
        assert_eq!((legs[0].piece, legs[0].to, legs[1].piece, legs[1].from), (0, 200.0, 1, 0.0));
        let west = one(&s, 100.0, 300.0, 270.0);
        assert!((look.metres(&west).unwrap() - 480.0).abs() < 0.5);
        assert_eq!(look.metres(&one(&s, 330.0, 0.0, 90.0)), Some(210.0));
        assert_eq!(ahead(&s, from, 100.0).metres(&west), None, "too far");
    }

    #[test]
    fn noise_is_no_way_back_and_a_turn_is_where_the_speed_says() {
        let s = cross();
        let from = one(&s, 100.0, 0.0, 90.0);
        let look = ahead(&s, from, 300.0);
        let behind = one(&s, 92.0, 0.0, 90.0);
        assert_eq!((look.metres(&behind), look.legs(&behind).len()), (Some(0.0), 0));
        let turned = one(&s, 60.0, 0.0, 270.0);
        assert_eq!((look.metres(&turned), look.legs(&turned).len()), (Some(40.0 + TURN), 0));
        // At 8 m/s for 10 s it drove 68 m, slowing down: 14 m on, and 54 m back.
        let legs = look.turned(&turned, 80.0);
        assert_eq!((legs[0].from, legs[0].to.round(), legs[1].to.round()), (100.0, 114.0, 60.0));
        assert_eq!(look.turned(&turned, 10.0)[0].to, 100.0, "no farther than it was seen");
        assert!(look.turned(&behind, 80.0).is_empty());
    }
}
