//! Plots as SVG: bars and lines, small enough for a phone, without a style or script of their own. Ours and
//! the timetable differ by pattern, dash and mark, and not by colour alone; every value stands there as text.

use std::fmt::Write as _;

use crate::http::html::Esc;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 230.0;
/// Room for the labels of the axes: left, top, right, bottom.
const ROOM: (f64, f64, f64, f64) = (34.0, 26.0, 10.0, 30.0);

/// The least number that is not below `value` and has round quarters.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-9).log10().floor());
    [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0]
        .map(|f| f * power)
        .into_iter()
        .find(|v| *v >= value * 0.999_999)
        .unwrap_or(10.0 * power)
}

/// How a place on an axis is written.
fn tick(value: f64) -> String {
    if value >= 10.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// The timetable's hatching, once in each document: a pattern in a part that is not shown would not be found.
pub const DEFS: &str = "<svg class=\"sr\" aria-hidden=\"true\"><defs><pattern id=\"hatch\" width=\"5\" height=\"5\" \
                        patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect class=\"hatch\" width=\"2.4\" \
                        height=\"5\"/></pattern></defs></svg>\n";

struct Canvas {
    svg: String,
    top: f64,
}

impl Canvas {
    /// A plot whose vertical axis goes from 0 to `top`, named for those who cannot see it.
    fn new(says: &str, unit: &str, top: f64) -> Self {
        let mut svg = format!(
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH:.0} {HEIGHT:.0}\" role=\"img\" aria-label=\"{}\">\n",
            Esc(says)
        );
        let c = Self { svg: String::new(), top };
        for n in 0..=4 {
            let value = top * f64::from(n) / 4.0;
            let y = c.y(value);
            // Writing to a String cannot fail.
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"tick end\" x=\"{}\" y=\"{:.1}\">{}</text>",
                ROOM.0,
                WIDTH - ROOM.2,
                ROOM.0 - 5.0,
                y + 4.0,
                tick(value)
            );
        }
        let _ = writeln!(svg, "<text class=\"tick end\" x=\"{}\" y=\"11\">{}</text>", ROOM.0 - 5.0, Esc(unit));
        Self { svg, top }
    }

    fn y(&self, value: f64) -> f64 {
        let room = HEIGHT - ROOM.1 - ROOM.3;
        ROOM.1 + room * (1.0 - (value / self.top).clamp(0.0, 1.0))
    }

    fn label(&mut self, x: f64, text: &str) {
        let _ = writeln!(
            self.svg,
            "<text class=\"tick mid\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            HEIGHT - ROOM.3 + 15.0,
            Esc(text)
        );
    }

    fn axis(&mut self, text: &str) {
        let x = (ROOM.0 + WIDTH - ROOM.2) / 2.0;
        let _ =
            writeln!(self.svg, "<text class=\"tick mid\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>", HEIGHT - 2.0, Esc(text));
    }

    fn done(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}

/// What a plot is called: what it says to those who cannot see it, the unit of its vertical axis, and what its
/// horizontal axis is.
#[derive(Clone, Copy, Debug)]
pub struct Titles<'a> {
    /// For a screen reader.
    pub says: &'a str,
    /// Of the vertical axis.
    pub unit: &'a str,
    /// Of the horizontal axis.
    pub axis: &'a str,
}

/// Pairs of bars: ours full, the timetable hatched; the value over each.
#[must_use]
pub fn bars(titles: Titles<'_>, groups: &[(&str, [Option<f64>; 2])]) -> String {
    let highest = groups.iter().flat_map(|(_, v)| v.iter().flatten()).copied().fold(0.0, f64::max);
    let mut c = Canvas::new(titles.says, titles.unit, round_up(highest * 1.05));
    let step = (WIDTH - ROOM.0 - ROOM.2) / groups.len().max(1) as f64;
    let wide = (step * 0.36).min(40.0);
    for (n, (name, values)) in groups.iter().enumerate() {
        let middle = ROOM.0 + step * (n as f64 + 0.5);
        for ((value, class), side) in values.iter().zip(["ours", "sched"]).zip([-1.0, 0.0]) {
            let Some(value) = value else { continue };
            let fill = if class == "ours" { "" } else { " fill=\"url(#hatch)\"" };
            let (x, y) = (middle + side * (wide + 2.0) + 1.0, c.y(*value));
            let height = HEIGHT - ROOM.3 - y;
            let _ = writeln!(
                c.svg,
                "<rect class=\"bar {class}\"{fill} x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{height:.1}\"/>\
                 <text class=\"value mid\" x=\"{:.1}\" y=\"{:.1}\">{value:.0}</text>",
                x + wide / 2.0,
                y - 4.0
            );
        }
        c.label(middle, name);
    }
    c.axis(titles.axis);
    c.done()
}

/// Two lines over a horizontal axis: ours full with dots, the timetable dashed with squares. `marks` names
/// places of the axis; `top` is the end of the vertical one where it is known.
#[must_use]
pub fn lines(titles: Titles<'_>, marks: &[(f64, String)], of: [&[(f64, f64)]; 2], top: Option<f64>) -> String {
    let all = || of.iter().flat_map(|l| l.iter());
    let xs = || all().map(|p| p.0).chain(marks.iter().map(|m| m.0));
    let (left, right) = (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
    let highest = all().map(|p| p.1).fold(0.0, f64::max);
    let mut c = Canvas::new(titles.says, titles.unit, top.unwrap_or_else(|| round_up(highest * 1.05)));
    let across = WIDTH - ROOM.0 - ROOM.2 - 8.0;
    let x = |v: f64| ROOM.0 + 4.0 + across * if right > left { (v - left) / (right - left) } else { 0.5 };
    for (line, class) in of.into_iter().zip(["ours", "sched"]) {
        let path: Vec<String> = line.iter().map(|(at, v)| format!("{:.1},{:.1}", x(*at), c.y(*v))).collect();
        let _ = writeln!(c.svg, "<polyline class=\"line {class}\" points=\"{}\"/>", path.join(" "));
        for (at, v) in line.iter().filter(|_| line.len() <= 24) {
            let (x, y) = (x(*at), c.y(*v));
            let _ = match class {
                "ours" => write!(c.svg, "<circle class=\"dot ours\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.2\"/>"),
                _ => write!(
                    c.svg,
                    "<rect class=\"dot sched\" x=\"{:.1}\" y=\"{:.1}\" width=\"5\" height=\"5\"/>",
                    x - 2.5,
                    y - 2.5
                ),
            };
        }
        c.svg.push('\n');
    }
    for (at, name) in marks {
        c.label(x(*at), name);
    }
    c.axis(titles.axis);
    c.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_on_a_round_number() {
        for (value, end) in [(0.0, 1e-9), (0.7, 0.8), (1.0, 1.0), (43.0, 60.0), (113.0, 120.0), (180.0, 200.0)] {
            assert!((round_up(value) - end).abs() < 1e-6, "{value}: {}", round_up(value));
        }
    }

    #[test]
    fn a_plot_without_values_is_still_a_plot() {
        let titles = Titles { says: "a <plot>", unit: "s", axis: "h" };
        for svg in
            [bars(titles, &[]), lines(titles, &[], [&[], &[]], None), lines(titles, &[], [&[(1.0, 2.0)], &[]], None)]
        {
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("a &lt;plot&gt;"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
