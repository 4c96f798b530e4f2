//! Accuracy as people read it: one page with tables and plots, the same for the running server and for a
//! finished replay. Pure text; no script, nothing from elsewhere.

use std::fmt::Write as _;

use transit_model::lang::Lang;
use transit_model::timetable::Timetable;

use super::bins::HORIZONS;
use super::figures::{self, By, Line};
use super::measure::{Cell, Errors, Measures, Who};
use super::plot::{self, DEFS, Titles};
use super::tally::Tally;
use super::words::{self, dashed, number};
use crate::http::assets;
use crate::http::html::{Esc, Names};

/// By what predictions were judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JudgedBy {
    /// A truth that did not come from the predictor.
    Truth,
    /// The engine's own stop events.
    OwnEvents,
}

/// What a page shows.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The measures.
    pub tally: &'a Tally,
    /// Names of routes and stops.
    pub timetable: &'a Timetable,
    /// Whose city it is.
    pub city: &'a str,
    /// Of which days, as people read it.
    pub days: &'a str,
    /// By what it was judged.
    pub by: JudgedBy,
    /// How many routes and stops are listed.
    pub listed: usize,
}

/// Parts that fewer pairs speak of are not listed.
const LEAST: u64 = 30;

impl View<'_> {
    fn cell(&self) -> &Cell {
        self.tally.all()
    }

    fn errors(&self, who: Who) -> Option<Errors> {
        self.cell().of(who).map(Measures::all)
    }

    fn route(&self, id: &str) -> String {
        let t = self.timetable;
        t.route_by_id(id).map_or_else(|| id.to_owned(), |r| t.routes.at(r).short_name.to_string())
    }

    fn stop(&self, id: &str) -> String {
        let t = self.timetable;
        t.stop_by_id(id).map_or_else(|| id.to_owned(), |s| t.stops.at(s).name.to_string())
    }
}

fn shown(value: Option<f64>, decimals: usize, l: Lang) -> String {
    value.map_or_else(|| "—".to_owned(), |v| number(v, decimals, l))
}

/// The whole page but its frame.
#[must_use]
pub fn body(v: &View<'_>, l: Lang) -> String {
    let mut out = format!(
        "<h1>{}</h1>\n<p class=\"meta\"><span{}>{}</span><span>{}</span></p>\n",
        l.pick("Наскільки точні прогнози", "How accurate predictions are"),
        Names(&v.timetable.info.lang),
        Esc(v.city),
        Esc(v.days)
    );
    if v.errors(Who::Ours).is_none_or(|e| e.n == 0) {
        out.push_str(&format!(
            "<p class=\"notice big\">{}</p>\n",
            l.pick(
                "Ще нема про що судити: жоден прогноз не справдився.",
                "Nothing to judge by yet: no prediction has come true."
            )
        ));
        out.push_str(&explained(v, l));
        return out;
    }
    out.push_str(&tiles(v, l));
    out.push_str(&legend(l));
    out.push_str(&by_horizon(v, l));
    out.push_str(&by_hour(v, l));
    out.push_str(&distribution(v, l));
    out.push_str(&all_figures(v, l));
    out.push_str(&parts(v, By::Route, l));
    out.push_str(&parts(v, By::Stop, l));
    out.push_str(&explained(v, l));
    out
}

fn tiles(v: &View<'_>, l: Lang) -> String {
    let (ours, sched) = (v.errors(Who::Ours), v.errors(Who::Sched));
    let cell = v.cell();
    let s = l.pick("с", "s");
    let beside = |value: Option<f64>| format!("{} {} {s}", words::who(Who::Sched, l), shown(value, 0, l));
    let percent = |share: Option<f64>, decimals| shown(share.map(|x| x * 100.0), decimals, l) + " %";
    let of = |e: &Option<Errors>, what: fn(&Errors) -> Option<f64>| e.as_ref().and_then(what);
    let p90: fn(&Errors) -> Option<f64> = |e| e.quantile(0.9);
    let all = [
        (
            l.pick("Середня похибка", "Mean error"),
            shown(of(&ours, Errors::mae), 0, l) + " " + s,
            beside(of(&sched, Errors::mae)),
        ),
        (
            l.pick("Дев’ять із десяти в межах", "Nine in ten within"),
            shown(of(&ours, p90), 0, l) + " " + s,
            beside(of(&sched, p90)),
        ),
        (
            l.pick("Прогноз є", "There is a prediction"),
            percent(cell.coverage.share(), 1),
            l.pick("хвилин перед прибуттям", "of minutes before arrivals").to_owned(),
        ),
        (
            l.pick("Між p10 і p90", "Between p10 and p90"),
            percent(cell.intervals().cover.share(), 0),
            l.pick("обіцяно 80 %", "80 % is promised").to_owned(),
        ),
    ];
    let tile = |(name, value, more): &(&str, String, String)| {
        format!("<li><span class=\"name\">{name}</span><strong>{value}</strong><span class=\"more\">{more}</span></li>")
    };
    format!("<ul class=\"tiles\">{}</ul>\n", all.iter().map(tile).collect::<String>())
}

fn legend(l: Lang) -> String {
    format!(
        "<p class=\"key\"><span><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\"><line class=\"line ours\" x1=\"0\" x2=\"26\" y1=\"6\" y2=\"6\"/>\
         <circle class=\"dot ours\" cx=\"13\" cy=\"6\" r=\"4\"/></svg>{}</span><span><svg viewBox=\"0 0 26 12\" aria-hidden=\"true\">\
         <line class=\"line sched\" x1=\"0\" x2=\"26\" y1=\"6\" y2=\"6\"/><rect class=\"dot sched\" x=\"9.5\" y=\"2.5\" width=\"7\" height=\"7\"/></svg>{}</span></p>\n",
        words::who(Who::Ours, l),
        l.pick("розклад, зсунутий на поточне запізнення", "timetable, shifted by the delay of the moment")
    )
}

fn by_horizon(v: &View<'_>, l: Lang) -> String {
    let cell = v.cell();
    let bin = |who: Who, n: usize| cell.of(who).and_then(|m| m.errors.get(n));
    let names: Vec<String> = HORIZONS.iter().map(|s| dashed(s.name)).collect();
    let groups: Vec<(&str, [Option<f64>; 2])> = names
        .iter()
        .enumerate()
        .map(|(n, name)| (name.as_str(), [Who::Ours, Who::Sched].map(|w| bin(w, n).and_then(Errors::mae))))
        .collect();
    let axis = l.pick("хвилин до прибуття", "minutes to the arrival");
    let heading = l.pick("Середня похибка за часом до прибуття", "Mean error by time to arrival");
    let mut rows = String::new();
    for (n, name) in names.iter().enumerate() {
        let share = |who: Who| cell.of(who).and_then(|m| m.mbta.get(n)).and_then(|s| s.share()).map(|s| s * 100.0);
        let interval = cell.interval.get(n).copied().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\" class=\"short\">{name}\u{a0}{}</th><td>{}</td><td>{}</td><td>{}</td><td>{} / {}</td><td>{}</td></tr>",
            l.pick("хв", "min"),
            shown(bin(Who::Ours, n).and_then(Errors::mae), 0, l),
            shown(bin(Who::Sched, n).and_then(Errors::mae), 0, l),
            shown(bin(Who::Ours, n).and_then(|e| e.quantile(0.9)), 0, l),
            shown(share(Who::Ours), 0, l),
            shown(share(Who::Sched), 0, l),
            shown(interval.cover.share().map(|s| s * 100.0), 0, l)
        );
    }
    let head = [
        l.pick("до прибуття", "ahead"),
        l.pick("похибка, с", "error, s"),
        l.pick("розклад, с", "timetable, s"),
        l.pick("9 з 10, с", "9 in 10, s"),
        l.pick("точних, % / розклад", "right, % / timetable"),
        l.pick("p10–p90, %", "p10–p90, %"),
    ];
    format!(
        "<h2>{heading}</h2>\n{}{}",
        plot::bars(Titles { says: heading, unit: l.pick("с", "s"), axis }, &groups),
        table(&head, &rows)
    )
}

fn table(head: &[&str], rows: &str) -> String {
    let head: String = head.iter().map(|h| format!("<th scope=\"col\">{h}</th>")).collect();
    format!(
        "<div class=\"wide\"><table class=\"figures\">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

fn by_hour(v: &View<'_>, l: Lang) -> String {
    let lines = figures::lines(v.tally, By::Hour, LEAST, 24);
    if lines.len() < 2 {
        return String::new();
    }
    let hour = |line: &Line| line.id.parse::<f64>().unwrap_or(0.0);
    let ours: Vec<_> = lines.iter().map(|x| (hour(x), x.mae.0)).collect();
    let sched: Vec<_> = lines.iter().map(|x| (hour(x), x.mae.1)).collect();
    let every = if lines.len() > 12 { 3 } else { 1 };
    let marks: Vec<_> = lines.iter().step_by(every).map(|x| (hour(x), x.id.clone())).collect();
    let heading = l.pick("Середня похибка за годиною доби", "Mean error by hour of day");
    let titles = Titles { says: heading, unit: l.pick("с", "s"), axis: l.pick("година", "hour") };
    format!("<h2>{heading}</h2>\n{}", plot::lines(titles, &marks, [&ours, &sched], None))
}

fn distribution(v: &View<'_>, l: Lang) -> String {
    let share = |who: Who| -> Vec<(f64, f64)> {
        let Some(errors) = v.errors(who) else { return Vec::new() };
        (0..=30u32).filter_map(|n| Some((f64::from(n * 10), errors.within(u64::from(n) * 10)? * 100.0))).collect()
    };
    let marks: Vec<_> = (0..=5u32).map(|n| (f64::from(n * 60), format!("{n}"))).collect();
    let heading =
        l.pick("Яка частка прогнозів помиляється не більш як на…", "What share of predictions is wrong by at most…");
    let titles = Titles { says: heading, unit: "%", axis: l.pick("хвилин", "minutes") };
    format!("<h2>{heading}</h2>\n{}", plot::lines(titles, &marks, [&share(Who::Ours), &share(Who::Sched)], Some(100.0)))
}

fn all_figures(v: &View<'_>, l: Lang) -> String {
    let cell = v.cell();
    let columns: Vec<(Who, Vec<figures::Figure>)> = cell.present().map(|(w, m)| (w, figures::of(m))).collect();
    let mut rows = String::new();
    for (n, first) in columns.first().map_or(&[][..], |(_, f)| f).iter().enumerate() {
        let _ = write!(rows, "<tr><th scope=\"row\">{}</th>", words::figure(&first.name, l));
        for (_, figures) in &columns {
            let f = figures.get(n);
            let _ = write!(rows, "<td>{}</td>", f.map_or_else(String::new, |f| shown(f.value, f.decimals(), l)));
        }
        rows.push_str("</tr>\n");
    }
    for f in figures::beside(cell) {
        let empty = "<td></td>".repeat(columns.len().saturating_sub(1));
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\">{}</th><td>{}</td>{empty}</tr>",
            words::figure(&f.name, l),
            shown(f.value, f.decimals(), l)
        );
    }
    let never = [
        (l.pick("Прогнозів узято (один на хвилину)", "Predictions sampled (one a minute)"), cell.unproven.of),
        (l.pick("… з них не справдилися", "… of these never came true"), cell.unproven.good),
        (l.pick("… з них без слова розкладу", "… of these without the timetable’s word"), cell.without_baseline),
    ];
    for (name, n) in never {
        let empty = "<td></td>".repeat(columns.len().saturating_sub(1));
        let _ = writeln!(rows, "<tr><th scope=\"row\">{name}</th><td>{}</td>{empty}</tr>", number(n as f64, 0, l));
    }
    let mut head = vec![""];
    head.extend(columns.iter().map(|(w, _)| words::who(*w, l)));
    format!("<h2>{}</h2>\n{}", l.pick("Усі показники", "All figures"), table(&head, &rows))
}

fn parts(v: &View<'_>, by: By, l: Lang) -> String {
    let lines = figures::lines(v.tally, by, LEAST, v.listed);
    if lines.is_empty() {
        return String::new();
    }
    let (heading, what) = match by {
        By::Stop => {
            (l.pick("Зупинки з найбільшою похибкою", "Stops with the largest error"), l.pick("зупинка", "stop"))
        }
        By::Route | By::Hour => {
            (l.pick("Маршрути, найгірші спочатку", "Routes, the worst first"), l.pick("маршрут", "route"))
        }
    };
    let mut rows = String::new();
    for line in &lines {
        let name = if by == By::Stop { v.stop(&line.id) } else { v.route(&line.id) };
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\"{}>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            Names(&v.timetable.info.lang),
            Esc(&name),
            number(line.mae.0, 0, l),
            number(line.mae.1, 0, l),
            number(line.bias, 0, l),
            shown(line.coverage.map(|c| c * 100.0), 0, l),
            number(line.n as f64, 0, l)
        );
    }
    let head = [
        what,
        l.pick("похибка, с", "error, s"),
        l.pick("розклад, с", "timetable, s"),
        l.pick("зсув, с", "bias, s"),
        l.pick("покриття, %", "coverage, %"),
        l.pick("пар", "pairs"),
    ];
    format!("<h2>{heading}</h2>\n{}", table(&head, &rows))
}

fn explained(v: &View<'_>, l: Lang) -> String {
    let by = match v.by {
        JudgedBy::OwnEvents => l.pick(
            "Судимо за власними подіями на зупинках: система порівнює те, що обіцяла, з тим, що побачила сама. \
             Незалежної правди тут немає: якщо автобус прив’язано не до того рейсу, помиляться обидва боки. Такі прогнози \
             здебільшого не справджуються, і їх пораховано окремо.",
            "Judged by the system’s own stop events: what it promised against what it saw itself. This is no independent \
             truth: where a bus is taken for another trip, both sides are wrong. Such predictions mostly never come \
             true, and are counted as that.",
        ),
        JudgedBy::Truth => l.pick(
            "Судимо за записаною правдою про прибуття, яка не походить від системи прогнозів.",
            "Judged by a record of what truly happened, which does not come from the predictor.",
        ),
    };
    let how = l.pick(
        "Похибка — це прибуття мінус прогноз; середня — за модулем. Від кожного прибуття береться один прогноз за хвилину, \
         до 30 хвилин наперед. Розклад, із яким порівнюємо, зсунуто на запізнення на останній пройденій зупинці; обидва \
         судяться за тими самими парами.",
        "An error is the arrival minus the prediction; means are of its size. Of each arrival one prediction a minute is \
         taken, up to 30 minutes ahead. The timetable it is compared with is shifted by the delay at the last stop \
         passed; both are judged by the same pairs.",
    );
    format!(
        "<h2>{}</h2>\n<p class=\"how\">{by}</p>\n<p class=\"how\">{how}</p>\n",
        l.pick("Як це рахується", "How this is measured")
    )
}

/// One file with everything in it, in both languages: for a finished replay.
#[must_use]
pub fn document(v: &View<'_>) -> String {
    let title = Lang::Uk.pick("Точність прогнозів — Зупинка", "");
    let choice = |l: Lang, checked: &str| {
        format!(
            "<input type=\"radio\" name=\"lang\" id=\"{l}\"{checked}><label for=\"{l}\" lang=\"{l}\">{}</label>",
            l.pick("Українською", "English")
        )
    };
    let part = |l: Lang| format!("<main class=\"in-{l}\" lang=\"{l}\">\n{}</main>\n", body(v, l));
    format!(
        "<!doctype html>\n<html lang=\"uk\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{}\n{}</style>\n</head>\n<body>\n<div class=\"page\">\n<div class=\"langs\">{}{}</div>\n{DEFS}{}{}</div>\n</body>\n</html>\n",
        assets::STYLE,
        assets::ACCURACY,
        choice(Lang::Uk, " checked"),
        choice(Lang::En, ""),
        part(Lang::Uk),
        part(Lang::En)
    )
}
