//! What figures are called, Ukrainian and English.

use transit_model::lang::Lang;

use super::measure::Who;

/// A predictor's name.
#[must_use]
pub const fn who(who: Who, l: Lang) -> &'static str {
    match who {
        Who::Ours => l.pick("прогноз", "predictions"),
        Who::Sched => l.pick("розклад", "timetable"),
        Who::Link => l.pick("медіани перегонів", "link medians"),
        Who::Kalman => l.pick("фільтр Калмана", "Kalman filter"),
    }
}

/// What a figure of a predictor is, and its unit; figures are named as in `figures`.
#[must_use]
pub fn figure(name: &str, l: Lang) -> String {
    let minutes = l.pick("хв", "min");
    if let Some(span) = name.strip_prefix("mae_") {
        let mean = l.pick("Середня похибка", "Mean error");
        return if span == "all" {
            l.pick("Середня похибка загалом, с", "Mean error, all, s").to_owned()
        } else {
            format!("{mean}, {} {minutes}, {}", dashed(span), l.pick("с", "s"))
        };
    }
    if let Some(span) = name.strip_prefix("mbta_") {
        return format!("{}, {} {minutes}, %", l.pick("Точних за мірою MBTA", "Right by MBTA’s bins"), dashed(span));
    }
    match name {
        "median" => l.pick("Половина похибок менша за, с", "Half of errors below, s"),
        "p90" => l.pick("Дев’ять із десяти менші за, с", "Nine in ten below, s"),
        "bias" => l.pick("Зсув (+ приїздить пізніше), с", "Bias (+ comes later than told), s"),
        "over_600s_pct" => l.pick("Понад десять хвилин, %", "Beyond ten minutes, %"),
        "eta_benchmark" => "ETA Accuracy Benchmark, %",
        "n" => l.pick("Пар «прогноз — прибуття»", "Pairs of prediction and arrival"),
        "interval_cover" => {
            l.pick("Прибуттів між p10 і p90 (обіцяно 0,80)", "Arrivals between p10 and p90 (0.80 is promised)")
        }
        "interval_width_s" => l.pick("Від p10 до p90 у середньому, с", "From p10 to p90 on average, s"),
        "count_up_pct" => l.pick("Хвилина на табло зростала, %", "The minute shown rose, %"),
        "wobble_s" => l.pick("Прогноз за хвилину змінюється на, с", "A prediction changes in a minute by, s"),
        "coverage" => l.pick("Покриття: хвилин, коли прогноз був", "Coverage: minutes with a prediction"),
        other => other,
    }
    .to_owned()
}

/// A span with a dash as it is printed.
#[must_use]
pub fn dashed(span: &str) -> String {
    span.replace('-', "–")
}

/// A number as people of the language write it.
#[must_use]
pub fn number(value: f64, decimals: usize, l: Lang) -> String {
    let mut text = format!("{value:.decimals$}").replace('-', "−");
    if decimals == 0 && value >= 10_000.0 {
        for at in (1..text.len()).rev().filter(|at| (text.len() - at).is_multiple_of(3)).collect::<Vec<_>>() {
            text.insert_str(at, l.pick("\u{a0}", ","));
        }
    }
    match l {
        Lang::Uk => text.replace('.', ","),
        Lang::En => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_their_readers_do() {
        for (value, decimals, uk, en) in [
            (1_259_716.0, 0, "1\u{a0}259\u{a0}716", "1,259,716"),
            (10_000.0, 0, "10\u{a0}000", "10,000"),
            (9999.0, 0, "9999", "9999"),
            (-2.4, 1, "−2,4", "−2.4"),
        ] {
            assert_eq!(
                (number(value, decimals, Lang::Uk).as_str(), number(value, decimals, Lang::En).as_str()),
                (uk, en)
            );
        }
    }
}
