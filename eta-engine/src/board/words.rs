//! Every word a board shows or says, in Ukrainian and English, with real plural forms.
//!
//! It decides nothing: which words when is the business of the other files here.

use transit_model::lang::Lang;
use transit_model::time::{UnixMs, Zone};
use transit_model::timetable::Mode;

const UNITS: [(&str, &str); 20] = [
    ("нуль", "zero"),
    ("одна", "one"),
    ("дві", "two"),
    ("три", "three"),
    ("чотири", "four"),
    ("п’ять", "five"),
    ("шість", "six"),
    ("сім", "seven"),
    ("вісім", "eight"),
    ("дев’ять", "nine"),
    ("десять", "ten"),
    ("одинадцять", "eleven"),
    ("дванадцять", "twelve"),
    ("тринадцять", "thirteen"),
    ("чотирнадцять", "fourteen"),
    ("п’ятнадцять", "fifteen"),
    ("шістнадцять", "sixteen"),
    ("сімнадцять", "seventeen"),
    ("вісімнадцять", "eighteen"),
    ("дев’ятнадцять", "nineteen"),
];

const TENS: [(&str, &str); 10] = [
    ("", ""),
    ("десять", "ten"),
    ("двадцять", "twenty"),
    ("тридцять", "thirty"),
    ("сорок", "forty"),
    ("п’ятдесят", "fifty"),
    ("шістдесят", "sixty"),
    ("сімдесят", "seventy"),
    ("вісімдесят", "eighty"),
    ("дев’яносто", "ninety"),
];

/// "о … годині": ordinals, feminine, locative.
const HOURS_UK: [&str; 24] = [
    "нульовій",
    "першій",
    "другій",
    "третій",
    "четвертій",
    "п’ятій",
    "шостій",
    "сьомій",
    "восьмій",
    "дев’ятій",
    "десятій",
    "одинадцятій",
    "дванадцятій",
    "тринадцятій",
    "чотирнадцятій",
    "п’ятнадцятій",
    "шістнадцятій",
    "сімнадцятій",
    "вісімнадцятій",
    "дев’ятнадцятій",
    "двадцятій",
    "двадцять першій",
    "двадцять другій",
    "двадцять третій",
];

/// "у …": accusative.
const WEEKDAYS: [(&str, &str); 7] = [
    ("понеділок", "Monday"),
    ("вівторок", "Tuesday"),
    ("середу", "Wednesday"),
    ("четвер", "Thursday"),
    ("п’ятницю", "Friday"),
    ("суботу", "Saturday"),
    ("неділю", "Sunday"),
];

fn nth(list: &[(&'static str, &'static str)], at: i64, lang: Lang) -> &'static str {
    let pair = usize::try_from(at).ok().and_then(|i| list.get(i));
    pair.map_or("", |(uk, en)| lang.pick(uk, en))
}

/// A number 0..=99 in words: Ukrainian feminine nominative ("двадцять одна"), English hyphenated.
/// Beyond that, digits.
#[must_use]
pub fn number(n: i64, lang: Lang) -> String {
    match n {
        0..=19 => nth(&UNITS, n, lang).to_owned(),
        20..=99 => {
            let tens = nth(&TENS, n / 10, lang);
            match n % 10 {
                0 => tens.to_owned(),
                unit => format!("{tens}{}{}", lang.pick(" ", "-"), nth(&UNITS, unit, lang)),
            }
        }
        _ => n.to_string(),
    }
}

/// The form of a Ukrainian noun after a number: one, two to four, many.
#[must_use]
pub const fn plural_uk<'a>(n: i64, one: &'a str, few: &'a str, many: &'a str) -> &'a str {
    match (n % 10, n % 100) {
        (_, 11..=14) => many,
        (1, _) => one,
        (2..=4, _) => few,
        _ => many,
    }
}

/// "через двадцять одну хвилину", "in twenty-one minutes"; 0 is "зараз", "now".
#[must_use]
pub fn minutes_speech(n: i64, lang: Lang) -> String {
    match (lang, n) {
        (_, 0) => lang.pick("зараз", "now").to_owned(),
        (Lang::Uk, _) => {
            // Accusative: of the feminine numerals only "одна" differs from the nominative.
            let words = number(n, lang);
            let words = words.strip_suffix("одна").map_or(words.clone(), |head| format!("{head}одну"));
            format!("через {words} {}", plural_uk(n, "хвилину", "хвилини", "хвилин"))
        }
        (Lang::En, _) => format!("in {} {}", number(n, lang), if n == 1 { "minute" } else { "minutes" }),
    }
}

/// "7 хв", "7 min"; 0 is "зараз", "now".
#[must_use]
pub fn minutes_text(n: i64, lang: Lang) -> String {
    match n {
        0 => lang.pick("зараз", "now").to_owned(),
        _ => format!("{n} {}", lang.pick("хв", "min")),
    }
}

/// "приблизно через сім хвилин", "in about seven minutes".
#[must_use]
pub fn about_speech(n: i64, lang: Lang) -> String {
    let exact = minutes_speech(n, lang);
    match lang {
        Lang::Uk => format!("приблизно {exact}"),
        Lang::En => exact.strip_prefix("in ").map_or(format!("about {exact}"), |rest| format!("in about {rest}")),
    }
}

/// A wall clock in words, with its preposition: "о чотирнадцятій годині п’ять хвилин", "at fourteen oh five".
#[must_use]
pub fn clock_speech(t: UnixMs, zone: &Zone, lang: Lang) -> String {
    let wall = zone.zoned(t);
    let (h, m) = (i64::from(wall.hour()), i64::from(wall.minute()));
    match (lang, h, m) {
        (_, 0, 0) => lang.pick("опівночі", "at midnight").to_owned(),
        (Lang::Uk, ..) => {
            let hour = usize::try_from(h).ok().and_then(|h| HOURS_UK.get(h)).copied().unwrap_or_default();
            let at = if h == 11 { "об" } else { "о" };
            match m {
                0 => format!("{at} {hour} годині"),
                _ => {
                    let noun = plural_uk(m, "хвилина", "хвилини", "хвилин");
                    format!("{at} {hour} годині {} {noun}", number(m, lang))
                }
            }
        }
        (Lang::En, _, 0) => format!("at {} o’clock", number(h, lang)),
        (Lang::En, _, 1..=9) => format!("at {} oh {}", number(h, lang), number(m, lang)),
        (Lang::En, ..) => format!("at {} {}", number(h, lang), number(m, lang)),
    }
}

/// A phrase to read and the same to hear.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Phrase {
    /// To read.
    pub text: String,
    /// To hear.
    pub speech: String,
}

impl Phrase {
    fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), speech: text.to_owned() }
    }
}

/// A moment seen from `now`: "о 05:20", and with the day of the week where it is another day.
#[must_use]
pub fn moment(t: UnixMs, now: UnixMs, zone: &Zone, lang: Lang) -> Phrase {
    let date = zone.date(t);
    let clock = format!("{} {}", lang.pick("о", "at"), zone.hhmm(t));
    let spoken = clock_speech(t, zone, lang);
    if date == zone.date(now) {
        return Phrase { text: clock, speech: spoken };
    }
    let day = format!("{} {}", lang.pick("у", "on"), nth(&WEEKDAYS, i64::from(date.weekday()), lang));
    Phrase { text: format!("{day} {clock}"), speech: format!("{day} {spoken}") }
}

fn with_moment(head: &str, link: &str, at: Option<Phrase>) -> Phrase {
    match at {
        None => Phrase::plain(head),
        Some(at) => {
            Phrase { text: format!("{head}. {link} {}", at.text), speech: format!("{head}. {link} {}", at.speech) }
        }
    }
}

/// Nothing more today.
#[must_use]
pub fn service_ended(starts: Option<Phrase>, lang: Lang) -> Phrase {
    with_moment(lang.pick("Рух завершено", "Service has ended"), lang.pick("Почнеться", "Starts again"), starts)
}

/// Nothing calls here today at all.
#[must_use]
pub fn no_service_today(next: Option<Phrase>, lang: Lang) -> Phrase {
    with_moment(lang.pick("Сьогодні рейсів немає", "No service today"), lang.pick("Наступний", "Next departure"), next)
}

/// Nothing within the board's horizon.
#[must_use]
pub fn nothing_soon(next: Option<Phrase>, lang: Lang) -> Phrase {
    let head = lang.pick("Найближчим часом рейсів немає", "No departures soon");
    with_moment(head, lang.pick("Наступний", "Next departure"), next)
}

/// The engine has nothing it may call true.
#[must_use]
pub fn no_data(lang: Lang) -> Phrase {
    Phrase::plain(lang.pick("Немає даних", "No data"))
}

/// The stop is closed.
#[must_use]
pub fn stop_closed(lang: Lang) -> Phrase {
    Phrase::plain(lang.pick("Зупинку закрито", "Stop closed"))
}

/// Every vehicle of the board is silent.
#[must_use]
pub fn no_live_since(since: &Phrase, lang: Lang) -> Phrase {
    let head = lang.pick("Лише розклад. Останній зв’язок", "Timetable only. Last live data");
    Phrase { text: format!("{head} {}", since.text), speech: format!("{head} {}", since.speech) }
}

/// Some clock times of the board are calculated, for satellite signals are jammed or spoofed.
#[must_use]
pub fn calculated_since(since: &Phrase, lang: Lang) -> Phrase {
    let head = lang.pick("Час із ≈ — за розрахунком", "Times with ≈ are calculated");
    let spoken = lang.pick("Частина часу — за розрахунком", "Some times are calculated");
    let link = lang.pick("Останній супутниковий сигнал", "Last satellite signal");
    Phrase { text: format!("{head}. {link} {}", since.text), speech: format!("{spoken}. {link} {}", since.speech) }
}

/// The public is not told when vehicles come: all rows of the board, or those of these routes.
#[must_use]
pub fn restricted(routes: &[&str], lang: Lang) -> Phrase {
    let head = lang.pick("Дані про рух тимчасово обмежено", "Live data is restricted for now");
    match routes {
        [] => Phrase::plain(&format!("{head}. {}", lang.pick("Лише розклад", "Timetable only"))),
        _ => Phrase::plain(&format!("{head}: {}", routes.join(", "))),
    }
}

/// No vehicle has ever been heard.
#[must_use]
pub fn never_live(lang: Lang) -> Phrase {
    Phrase::plain(lang.pick("Лише розклад", "Timetable only"))
}

/// Some vehicles of the board are silent: route and since when, each.
#[must_use]
pub fn some_silent(silent: &[(&str, Phrase)], lang: Lang) -> Phrase {
    let join = |of: fn(&Phrase) -> &str| {
        let parts: Vec<_> = silent.iter().map(|(route, at)| format!("{route} {}", of(at))).collect();
        format!("{}: {}", lang.pick("Останній зв’язок", "Last contact"), parts.join(", "))
    };
    Phrase { text: join(|p| &p.text), speech: join(|p| &p.speech) }
}

/// "тролейбус".
#[must_use]
pub const fn mode(mode: Mode, lang: Lang) -> &'static str {
    match mode {
        Mode::Bus => lang.pick("автобус", "bus"),
        Mode::Trolleybus => lang.pick("тролейбус", "trolleybus"),
        Mode::Tram => lang.pick("трамвай", "tram"),
        Mode::Metro => lang.pick("метро", "metro"),
        Mode::Rail => lang.pick("поїзд", "train"),
        Mode::Ferry => lang.pick("пором", "ferry"),
        Mode::Cable => lang.pick("канатна дорога", "cable car"),
    }
}

/// "Тролейбус 2, напрямок Вокзал": the head of a row's sentence.
#[must_use]
pub fn spoken_head(of: Mode, route: &str, destination: &str, platform: &str, lang: Lang) -> String {
    let name = mode(of, lang);
    let mut letters = name.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let mut head = format!("{first}{} {route}", letters.as_str());
    if !destination.is_empty() {
        head.push_str(lang.pick(", напрямок ", " to "));
        head.push_str(destination);
    }
    if !platform.is_empty() {
        head.push_str(lang.pick(", платформа ", ", platform "));
        head.push_str(platform);
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_said_in_real_ukrainian() {
        for (n, said) in [
            (0, "зараз"),
            (1, "через одну хвилину"),
            (2, "через дві хвилини"),
            (4, "через чотири хвилини"),
            (5, "через п’ять хвилин"),
            (7, "через сім хвилин"),
            (11, "через одинадцять хвилин"),
            (12, "через дванадцять хвилин"),
            (21, "через двадцять одну хвилину"),
            (22, "через двадцять дві хвилини"),
            (30, "через тридцять хвилин"),
            (41, "через сорок одну хвилину"),
            (60, "через шістдесят хвилин"),
        ] {
            assert_eq!(minutes_speech(n, Lang::Uk), said);
        }
        assert_eq!(about_speech(21, Lang::Uk), "приблизно через двадцять одну хвилину");
        assert_eq!(minutes_text(7, Lang::Uk), "7 хв");
    }

    #[test]
    fn minutes_are_said_in_english() {
        assert_eq!(minutes_speech(1, Lang::En), "in one minute");
        assert_eq!(minutes_speech(21, Lang::En), "in twenty-one minutes");
        assert_eq!(about_speech(7, Lang::En), "in about seven minutes");
        assert_eq!(about_speech(0, Lang::En), "about now");
        assert_eq!(minutes_text(0, Lang::En), "now");
    }

    #[test]
    fn a_clock_is_said_in_words() {
        let kyiv = Zone::named("Europe/Kyiv").unwrap();
        let day = "20260506".parse().unwrap();
        for (time, uk, en) in [
            ("14:05:00", "о чотирнадцятій годині п’ять хвилин", "at fourteen oh five"),
            ("11:21:00", "об одинадцятій годині двадцять одна хвилина", "at eleven twenty-one"),
            ("09:00:00", "о дев’ятій годині", "at nine o’clock"),
            ("21:42:00", "о двадцять першій годині сорок дві хвилини", "at twenty-one forty-two"),
            ("24:00:00", "опівночі", "at midnight"),
            ("24:30:00", "о нульовій годині тридцять хвилин", "at zero thirty"),
        ] {
            let t = kyiv.at(day, time.parse().unwrap());
            assert_eq!(clock_speech(t, &kyiv, Lang::Uk), uk);
            assert_eq!(clock_speech(t, &kyiv, Lang::En), en);
        }
    }

    #[test]
    fn another_day_is_named() {
        let kyiv = Zone::named("Europe/Kyiv").unwrap();
        let at = |d: &str, t: &str| kyiv.at(d.parse().unwrap(), t.parse().unwrap());
        let now = at("20260506", "23:10:00");
        assert_eq!(moment(at("20260506", "23:40:00"), now, &kyiv, Lang::Uk).text, "о 23:40");
        assert_eq!(moment(at("20260507", "05:20:00"), now, &kyiv, Lang::Uk).text, "у четвер о 05:20");
        assert_eq!(moment(at("20260508", "05:20:00"), now, &kyiv, Lang::En).text, "on Friday at 05:20");
    }

    #[test]
    fn a_row_begins_with_what_it_is_and_where_it_goes() {
        assert_eq!(spoken_head(Mode::Trolleybus, "2", "Вокзал", "", Lang::Uk), "Тролейбус 2, напрямок Вокзал");
        assert_eq!(spoken_head(Mode::Bus, "5", "Vokzal", "3", Lang::En), "Bus 5 to Vokzal, platform 3");
        assert_eq!(spoken_head(Mode::Metro, "М1", "", "", Lang::Uk), "Метро М1");
    }
}
