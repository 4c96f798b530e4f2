//! The bins that predictions are judged in, one definition a constant.
//!
//! Two different clocks are meant by "how far ahead": the *lead*, which is what was promised
//! (predicted − made), and the *time to arrival*, which is what came (actual − made). Horizons and the
//! benchmark go by the time to arrival, the MBTA bins by the lead.

/// How many bins each of the three has.
pub const BINS: usize = 4;
/// Beyond this time to arrival nothing is judged, seconds.
pub const HORIZON: i64 = 1800;
/// An error beyond this is one that people tell each other about, seconds.
pub const BEYOND: i64 = 600;

/// A span of time ahead, with its name in minutes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// `3-6`.
    pub name: &'static str,
    /// Seconds.
    from: i64,
    /// Seconds.
    to: i64,
}

/// A span, and the errors (actual − predicted, seconds) that are right in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// The span.
    pub span: Span,
    least: i64,
    most: i64,
}

const fn span(name: &'static str, from: i64, to: i64) -> Span {
    Span { name, from, to }
}

const fn window(name: &'static str, from: i64, to: i64, least: i64, most: i64) -> Window {
    Window { span: span(name, from, to), least, most }
}

/// The horizons errors are given for, by time to arrival; the first is open at 0, each is closed at its end.
pub const HORIZONS: [Span; BINS] =
    [span("0-3", 0, 180), span("3-6", 180, 360), span("6-12", 360, 720), span("12-30", 720, HORIZON)];

/// The MBTA's bins (mbta/prediction_analyzer), by lead, closed at their beginning; the window is open
/// at both ends. The first takes leads down to −30 s: a prediction whose time has just passed.
pub const MBTA: [Window; BINS] = [
    window("0-3", -30, 180, -60, 60),
    window("3-6", 180, 360, -90, 120),
    window("6-12", 360, 720, -150, 210),
    window("12-30", 720, HORIZON, -240, 360),
];

/// The ETA Accuracy Benchmark's bins (TransitApp), by time to arrival, closed at their end; the window is
/// closed at both ends. The benchmark is the mean of the four shares.
pub const BENCHMARK: [Window; BINS] = [
    window("0-3", 0, 180, -30, 90),
    window("3-6", 180, 360, -60, 150),
    window("6-10", 360, 600, -60, 210),
    window("10-15", 600, 900, -90, 270),
];

const fn ms(seconds: i64) -> i64 {
    seconds * 1000
}

/// The horizon of a time to arrival (ms); nothing outside 0 (not included) to 30 minutes.
#[must_use]
pub fn horizon(to_arrival: i64) -> Option<usize> {
    HORIZONS.iter().position(|s| ms(s.from) < to_arrival && to_arrival <= ms(s.to))
}

/// The MBTA bin of a lead (ms), and whether an error (ms) is right in it.
#[must_use]
pub fn mbta(lead: i64, error: i64) -> Option<(usize, bool)> {
    let bin = MBTA.iter().position(|w| ms(w.span.from) <= lead && lead < ms(w.span.to))?;
    MBTA.get(bin).map(|w| (bin, ms(w.least) < error && error < ms(w.most)))
}

/// The benchmark's bin of a time to arrival (ms), and whether an error (ms) is right in it.
#[must_use]
pub fn benchmark(to_arrival: i64, error: i64) -> Option<(usize, bool)> {
    let bin = BENCHMARK.iter().position(|w| ms(w.span.from) < to_arrival && to_arrival <= ms(w.span.to))?;
    BENCHMARK.get(bin).map(|w| (bin, ms(w.least) <= error && error <= ms(w.most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_bins_belong_where_the_definitions_say() {
        for (to_arrival, bin) in
            [(0, None), (1, Some(0)), (180_000, Some(0)), (180_001, Some(1)), (1_800_000, Some(3)), (1_800_001, None)]
        {
            assert_eq!(horizon(to_arrival), bin, "{to_arrival}");
        }
        for (lead, error, is) in [
            (-30_001, 0, None),
            (-30_000, 0, Some((0, true))),
            (0, 60_000, Some((0, false))),
            (0, 59_999, Some((0, true))),
            (0, -60_000, Some((0, false))),
            (180_000, 60_000, Some((1, true))),
            (1_799_999, 359_999, Some((3, true))),
            (1_800_000, 0, None),
        ] {
            assert_eq!(mbta(lead, error), is, "{lead} {error}");
        }
        for (to_arrival, error, is) in [
            (180_000, 90_000, Some((0, true))),
            (180_000, 90_001, Some((0, false))),
            (180_001, -60_000, Some((1, true))),
            (900_000, -90_001, Some((3, false))),
            (900_001, 0, None),
        ] {
            assert_eq!(benchmark(to_arrival, error), is, "{to_arrival} {error}");
        }
    }
}
