//! What a cell says: the figures by name, rounded as they are published, as JSON and as a table.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::bins::{HORIZONS, MBTA};
use super::measure::{Cell, Measures, Who};
use super::tally::Tally;

/// A figure of one predictor.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// `mae_0-3`.
    pub name: String,
    /// Rounded; nothing where nothing was measured.
    pub value: Option<f64>,
    decimals: usize,
}

/// A value rounded to so many decimals, halves away from what a double cannot hold.
#[must_use]
pub fn rounded(value: f64, decimals: usize) -> f64 {
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

impl Figure {
    /// How many decimals it is published with.
    #[must_use]
    pub const fn decimals(&self) -> usize {
        self.decimals
    }
}

fn figure(name: impl Into<String>, value: Option<f64>, decimals: usize) -> Figure {
    Figure { name: name.into(), value: value.map(|v| rounded(v, decimals)), decimals }
}

fn percent(share: Option<f64>) -> Option<f64> {
    share.map(|s| s * 100.0)
}

/// Every figure of a predictor, in the order of the table. Errors are seconds (actual − predicted), shares per cent.
#[must_use]
pub fn of(m: &Measures) -> Vec<Figure> {
    let all = m.all();
    let mut out: Vec<Figure> =
        HORIZONS.iter().zip(&m.errors).map(|(s, e)| figure(format!("mae_{}", s.name), e.mae(), 1)).collect();
    out.extend([
        figure("mae_all", all.mae(), 1),
        figure("median", all.quantile(0.5), 1),
        figure("p90", all.quantile(0.9), 1),
        figure("bias", all.bias(), 1),
        figure("over_600s_pct", percent(all.beyond()), 2),
    ]);
    out.extend(MBTA.iter().zip(m.mbta).map(|(w, s)| figure(format!("mbta_{}", w.span.name), percent(s.share()), 1)));
    out.push(figure("eta_benchmark", percent(m.eta_benchmark()), 1));
    out.push(figure("n", Some(all.n as f64), 0));
    out
}

fn value_of(m: &Measures, name: &str) -> Option<f64> {
    of(m).into_iter().find(|f| f.name == name)?.value
}

/// The figures by which predictors are compared.
const COMPARED: [&str; 5] = ["mae_0-3", "mae_3-6", "mae_6-12", "mae_12-30", "mae_all"];

/// The baseline with the least mean absolute error; nothing where the days before are not known.
#[must_use]
pub fn best_baseline(cell: &Cell) -> Option<Who> {
    cell.of(Who::Link)?;
    let error = |w: Who| cell.of(w).and_then(|m| value_of(m, "mae_all")).unwrap_or(f64::INFINITY);
    [Who::Sched, Who::Link, Who::Kalman].into_iter().min_by(|a, b| error(*a).total_cmp(&error(*b)))
}

/// Our error over another's, by their published figures; below 1 is better than they.
#[must_use]
pub fn ratio(cell: &Cell, to: Who, name: &str) -> Option<f64> {
    let (ours, theirs) = (value_of(cell.of(Who::Ours)?, name)?, value_of(cell.of(to)?, name)?);
    (theirs > 0.0).then(|| rounded(ours / theirs, 3))
}

fn number(f: &Figure) -> Value {
    match f.value {
        Some(v) if f.decimals == 0 => json!(v as u64),
        Some(v) => json!(v),
        None => Value::Null,
    }
}

/// What is measured beside the predictors, by name.
#[must_use]
pub fn beside(cell: &Cell) -> Vec<Figure> {
    let intervals = cell.intervals();
    vec![
        figure("interval_cover", intervals.cover.share(), 3),
        figure("interval_width_s", intervals.width(), 1),
        figure("count_up_pct", percent(cell.count_up.share()), 2),
        figure("wobble_s", cell.wobble(), 1),
        figure("coverage", cell.coverage.share(), 4),
    ]
}

/// Everything as one object: `ours`, `sched`, … with their figures, and what is measured beside them.
#[must_use]
pub fn json(cell: &Cell) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("predictions", json!(cell.unproven.of));
    put("no_truth", json!(cell.unproven.good));
    put("after_the_fact", json!(cell.after_the_fact));
    put("pairs_without_baseline", json!(cell.without_baseline));
    for (who, m) in cell.present() {
        put(who.name(), of(m).iter().map(|f| (f.name.clone(), number(f))).collect::<Map<_, _>>().into());
    }
    if let Some(best) = best_baseline(cell) {
        put("best_baseline", json!(best.name()));
        let ratios: Map<_, _> =
            COMPARED.iter().map(|name| ((*name).to_owned(), json!(ratio(cell, best, name)))).collect();
        put("ratio_to_best", ratios.into());
    }
    put("ratio_to_sched", json!(ratio(cell, Who::Sched, "mae_all")));
    for f in beside(cell) {
        put(&f.name, number(&f));
    }
    let by_horizon = HORIZONS.iter().zip(cell.interval).map(|(s, i)| {
        let cover = figure("cover", i.cover.share(), 3);
        (s.name.to_owned(), json!({"cover": number(&cover), "width_s": number(&figure("width", i.width(), 1))}))
    });
    put("interval_by_horizon", by_horizon.collect::<Map<_, _>>().into());
    out
}

fn shown(f: &Figure) -> String {
    f.value.map_or_else(|| "-".to_owned(), |v| format!("{v:.*}", f.decimals))
}

/// The table for a terminal.
#[must_use]
pub fn table(cell: &Cell) -> String {
    let mut out = format!(
        "samples {}  without an observed arrival {}  made >30 s after the fact {}  without a baseline {}\n",
        cell.unproven.of, cell.unproven.good, cell.after_the_fact, cell.without_baseline
    );
    let columns: Vec<(Who, Vec<Figure>)> = cell.present().map(|(w, m)| (w, of(m))).collect();
    // Writing to a String cannot fail.
    let _ = write!(out, "{:15}", "");
    for (who, _) in &columns {
        let _ = write!(out, "{:>11}", who.name());
    }
    out.push('\n');
    for (n, first) in columns.first().map_or(&[][..], |(_, f)| f).iter().enumerate() {
        let _ = write!(out, "{:15}", first.name);
        for (_, figures) in &columns {
            let _ = write!(out, "{:>11}", figures.get(n).map(shown).unwrap_or_default());
        }
        out.push('\n');
    }
    if let Some(best) = best_baseline(cell) {
        let _ = write!(out, "{:18}{}\n{:18}", "best_baseline", best.name(), "ratio_to_best");
        for name in COMPARED {
            let _ = write!(out, "{name} {}  ", ratio(cell, best, name).map_or("-".to_owned(), |r| format!("{r:.3}")));
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    if let Some(r) = ratio(cell, Who::Sched, "mae_all") {
        let _ = writeln!(out, "{:18}{r:.3}", "ratio_to_sched");
    }
    for f in beside(cell) {
        let _ = writeln!(out, "{:18}{}", f.name, shown(&f));
    }
    out
}

/// How parts of a tally are told apart in a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// By route, the largest error first.
    Route,
    /// By hour of day.
    Hour,
    /// By stop, the largest error first.
    Stop,
}

/// A part of a tally with its name, as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// `route_id`, hour or `stop_id`.
    pub id: String,
    /// Pairs.
    pub n: u64,
    /// Mean absolute error of ours and of the timetable, seconds.
    pub mae: (f64, f64),
    /// Ours: bias, seconds.
    pub bias: f64,
    /// Ours: p90, seconds.
    pub p90: f64,
    /// Coverage, 0..=1.
    pub coverage: Option<f64>,
}

impl Line {
    /// A part that has been judged; nothing for one that has not.
    #[must_use]
    pub fn of(id: &str, cell: &Cell) -> Option<Self> {
        let (ours, sched) = (cell.of(Who::Ours)?.all(), cell.of(Who::Sched)?.all());
        Some(Self {
            id: id.to_owned(),
            n: ours.n,
            mae: (rounded(ours.mae()?, 1), rounded(sched.mae()?, 1)),
            bias: rounded(ours.bias()?, 1),
            p90: rounded(ours.quantile(0.9)?, 1),
            coverage: cell.coverage.share().map(|c| rounded(c, 4)),
        })
    }

    /// As JSON, for lists.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "id": self.id, "n": self.n, "mae_all": self.mae.0, "sched_mae_all": self.mae.1,
            "bias": self.bias, "p90": self.p90, "coverage": self.coverage,
        })
    }
}

/// The parts of a tally. Routes and stops come with the largest error first; those that few pairs speak of
/// (`least`) are left out, and no more than `most` are given.
#[must_use]
pub fn lines(tally: &Tally, by: By, least: u64, most: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = match by {
        By::Route => tally.routes().iter().filter_map(|(id, c)| Line::of(id, c)).collect(),
        By::Hour => tally.hours().iter().filter_map(|(h, c)| Line::of(&format!("{h:02}"), c)).collect(),
        By::Stop => tally.stops().iter().filter_map(|(id, c)| Line::of(id, c)).collect(),
    };
    lines.retain(|l| l.n >= least);
    if by != By::Hour {
        lines.sort_by(|a, b| b.mae.0.total_cmp(&a.mae.0).then_with(|| a.id.cmp(&b.id)));
    }
    lines.truncate(most);
    lines
}

/// The parts of a tally as a table for a terminal.
#[must_use]
pub fn parts_table(lines: &[Line], head: &str) -> String {
    let wide = lines.iter().map(|l| l.id.chars().count()).max().unwrap_or(0).max(head.len()).min(40);
    let mut out =
        format!("{head:wide$}{:>10}{:>9}{:>9}{:>9}{:>9}{:>10}\n", "n", "mae", "sched", "bias", "p90", "coverage");
    for l in lines {
        let coverage = l.coverage.map_or_else(|| "-".to_owned(), |c| format!("{c:.3}"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{:wide$}{:>10}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{coverage:>10}",
            l.id, l.n, l.mae.0, l.mae.1, l.bias, l.p90
        );
    }
    out
}
