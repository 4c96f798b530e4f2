//! Every word the dispatcher reads, in both languages. What concerns say comes from the engine.

use transit_model::dispatch::{DeviceState, MachineKind, Phase};
use transit_model::lang::Lang;
use transit_model::time::{UnixMs, Zone};
use transit_model::timetable::Mode;

/// A word or phrase: Ukrainian, English.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word(pub &'static str, pub &'static str);

impl Word {
    /// In one of the languages.
    #[must_use]
    pub const fn of(self, lang: Lang) -> &'static str {
        lang.pick(self.0, self.1)
    }
}

macro_rules! words {
    ($($name:ident = $uk:literal, $en:literal;)*) => {$(
        pub(crate) const $name: Word = Word($uk, $en);
    )*};
}

words! {
    OVERVIEW = "Огляд", "Overview";
    LADDER = "Лінія", "Ladder";
    VEHICLE = "Машина", "Vehicle";
    DEVICES = "Трекери", "Trackers";
    MACHINERY = "Спецтехніка", "Machinery";

    CONNECTING = "З’єднуємося з сервером", "Connecting to the server";
    NEVER = "Немає зв’язку з сервером, пробуємо далі", "No connection to the server, still trying";
    LOST = "НЕМАЄ ЗВ’ЯЗКУ", "NO CONNECTION";
    LAST_KNOWN = "ЗАСТАРІЛЕ: показано останнє відоме", "OLD: showing the last known";

    NOW = "ТЕРМІНОВО", "NOW";
    SOON = "УВАГА", "SOON";
    NOTE = "ДО ВІДОМА", "NOTE";
    NO_CONCERNS = "Подій, що потребують уваги, немає", "Nothing needs your attention";
    NO_ROUTES = "Сьогодні маршрутів немає", "No routes today";

    ROUTE = "Маршрут", "Route";
    STATE = "Стан", "State";
    ON_LINE = "На лінії", "Running";
    EARLY = "Раніше", "Early";
    ON_TIME = "Вчасно", "On time";
    LATE = "Пізніше", "Late";
    CONCERNS = "Події", "Alerts";
    SEEN = "Бачили", "Seen";

    NOBODY = "немає машин", "no vehicles";
    SILENT_ROUTE = "немає зв’язку", "silent";
    IS_LATE = "запізнюються", "running late";
    IS_EARLY = "випереджають", "running early";
    IN_ORDER = "за графіком", "on time";
    NOT_NOW = "не ходить", "not running";

    GHOST_NOTE = "(№) де має бути за розкладом", "(no.) where the timetable wants it";
    NOT_ON_LINE = "Не на лінії", "Not on the line";
    NO_LADDER = "У маршруту сьогодні немає зупинок", "The route has no stops today";
    NO_VEHICLES = "Машин на маршруті не видно", "No vehicles seen on the route";

    SURE = "Певність", "Certainty";
    TRIP = "Рейс", "Trip";
    NO_TRIP = "без рейсу", "no trip";
    BLOCK = "випуск", "block";
    PLACE = "Місце", "Place";
    PLANNED_PLACE = "за розкладом", "by the timetable";
    DATA = "Дані", "Data";
    AGO = "тому", "ago";
    KM_H = "км/год", "km/h";
    STOP = "Зупинка", "Stop";
    SCHEDULED = "Розклад", "Sched.";
    PREDICTED = "Прогноз", "Pred.";
    INTERVAL = "Інтервал", "Interval";
    DIFFERENCE = "Різниця", "Diff.";
    NO_STOPS_AHEAD = "Прогнозу немає", "No predictions";
    NO_VEHICLE = "Цієї машини вже немає в потоці", "This vehicle is no longer in the stream";
    NO_VEHICLE_YET = "Сьогодні жодної машини ще не бачили", "No vehicle has been seen today";

    KIND = "Вид", "Kind";
    FOR = "Вже", "For";
    STREET = "Вулиця", "Street";
    ZONE = "Зона", "Zone";
    MOVING = "їде", "moving";
    STANDING = "стоїть", "standing";
    SILENT = "мовчить", "silent";
    NOT_WORKING = "порожняк", "not at it";
    SILENT_MACHINES = "мовчать", "silent";
    STREETS = "вулиць", "streets";
    PASSED_SINCE = "пройдено з", "passed since";
    SINCE = "Пройдено з", "Passed since";
    METRES = "м", "m";
    LAST_PASSED = "Востаннє", "Last";
    BY_KIND = "Хто", "By";
    NEVER_PASSED = "ніколи", "never";
    NO_MACHINES = "Спецтехніки за добу не чули", "No machine has been heard for a day";
    NO_STREETS = "Переліку вулиць немає", "There is no list of streets";

    NO_DEVICES = "Жодного трекера ще не додано", "No tracker has been added yet";
    TRACKER = "Трекер", "Device";
    PROTOCOL = "Протокол", "Protocol";
    CLOCK = "Годинник", "Clock";
    IN_AN_HOUR = "За год", "Hour";
    LAST_REASON = "Остання причина", "Last reason";
    NOTHING_REFUSED = "За годину прийнято все", "Nothing was refused in an hour";
    REFUSED_IN_AN_HOUR = "За годину не прийнято", "Refused in an hour";

    SEARCH = "Пошук: маршрут, машина, зупинка", "Search: route, vehicle, stop";
    NOTHING_FOUND = "нічого не знайдено", "nothing found";
    HELP = "Клавіші", "Keys";
    HELP_CLOSE = "будь-яка клавіша закриває", "any key closes";
}

/// `n` and the noun after it.
#[must_use]
fn counted(lang: Lang, n: usize, uk: [&str; 3], en: [&str; 2]) -> String {
    let noun = match lang {
        Lang::Uk => uk_form(n, uk),
        Lang::En => en.get(usize::from(n != 1)).copied().unwrap_or_default(),
    };
    format!("{n} {noun}")
}

/// The form of a Ukrainian noun after a number: 1 машина, 2 машини, 5 машин, 11 машин, 21 машина.
fn uk_form(n: usize, [one, few, many]: [&str; 3]) -> &str {
    match (n % 10, n % 100) {
        (1, tens) if tens != 11 => one,
        (2..=4, tens) if !(12..=14).contains(&tens) => few,
        _ => many,
    }
}

/// "63 машини".
#[must_use]
pub fn vehicles(lang: Lang, n: usize) -> String {
    counted(lang, n, ["машина", "машини", "машин"], ["vehicle", "vehicles"])
}

/// "63 трекери".
#[must_use]
pub fn devices(lang: Lang, n: usize) -> String {
    counted(lang, n, ["трекер", "трекери", "трекерів"], ["tracker", "trackers"])
}

/// How a tracker is.
#[must_use]
pub const fn device_state(lang: Lang, state: DeviceState) -> &'static str {
    match state {
        DeviceState::Disagrees => lang.pick("суперечать", "disagree"),
        DeviceState::Refused => lang.pick("не прийнято", "refused"),
        DeviceState::ClockOff => lang.pick("годинник?", "clock?"),
        DeviceState::Changed => lang.pick("змінився", "changed"),
        DeviceState::Quarantine => lang.pick("карантин", "quarantine"),
        DeviceState::Silent => lang.pick("мовчить", "silent"),
        DeviceState::Heard => lang.pick("чути", "heard"),
        DeviceState::Gone => lang.pick("не чути", "not heard"),
    }
}

/// "5 спецмашин".
#[must_use]
pub fn machines(lang: Lang, n: usize) -> String {
    counted(lang, n, ["спецмашина", "спецмашини", "спецмашин"], ["machine", "machines"])
}

/// "ще 4 події".
#[must_use]
pub fn more_concerns(lang: Lang, n: usize) -> String {
    let more = lang.pick("ще", "another");
    format!("{more} {}", counted(lang, n, ["подія", "події", "подій"], ["alert", "alerts"]))
}

/// "бракує 2".
#[must_use]
pub fn missing(lang: Lang, n: u32) -> String {
    format!("{} {n}", lang.pick("бракує", "missing"))
}

/// How long ago, briefly: "12 с", "3 хв", "2 год", "4 дн".
#[must_use]
pub fn age(lang: Lang, seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..=99 => format!("{s} {}", lang.pick("с", "s")),
        s @ 100..=5_999 => format!("{} {}", s / 60, lang.pick("хв", "min")),
        s @ 6_000..=172_799 => format!("{} {}", s / 3_600, lang.pick("год", "h")),
        s => format!("{} {}", s / 86_400, lang.pick("дн", "d")),
    }
}

/// Against the timetable, briefly: "+4 хв", "−2 хв", "вчасно" within a minute.
#[must_use]
pub fn delay(lang: Lang, seconds: i64) -> String {
    let minutes = seconds.abs() / 60;
    match (minutes, seconds > 0) {
        (0, _) => lang.pick("вчасно", "on time").to_owned(),
        (m, true) => format!("+{m} {}", lang.pick("хв", "min")),
        (m, false) => format!("−{m} {}", lang.pick("хв", "min")),
    }
}

/// Against the timetable, in full: "запізнення 4 хв".
#[must_use]
pub fn delay_in_full(lang: Lang, seconds: i64) -> String {
    let minutes = seconds.abs() / 60;
    match (minutes, seconds > 0) {
        (0, _) => lang.pick("за графіком", "on time").to_owned(),
        (m, true) => format!("{} {m} {}", lang.pick("запізнення", "late by"), lang.pick("хв", "min")),
        (m, false) => format!("{} {m} {}", lang.pick("випередження", "early by"), lang.pick("хв", "min")),
    }
}

/// What a vehicle is doing.
#[must_use]
pub const fn phase(lang: Lang, phase: Phase) -> &'static str {
    match phase {
        Phase::AtBase => lang.pick("у депо", "at base"),
        Phase::Deadhead => lang.pick("нульовий пробіг", "deadhead"),
        Phase::Layover => lang.pick("відстій", "layover"),
        Phase::InProgress => lang.pick("на рейсі", "in progress"),
        Phase::OffRoute => lang.pick("поза маршрутом", "off route"),
        Phase::Unknown => lang.pick("невідомо", "unknown"),
    }
}

/// A mode.
#[must_use]
pub const fn mode(lang: Lang, mode: Mode) -> &'static str {
    match mode {
        Mode::Bus => lang.pick("автобус", "bus"),
        Mode::Trolleybus => lang.pick("тролейбус", "trolleybus"),
        Mode::Tram => lang.pick("трамвай", "tram"),
        Mode::Metro => lang.pick("метро", "metro"),
        Mode::Rail => lang.pick("поїзд", "train"),
        Mode::Ferry => lang.pick("пором", "ferry"),
        Mode::Cable => lang.pick("канатна", "cable car"),
    }
}

/// A kind of municipal machine.
#[must_use]
pub const fn machine(lang: Lang, kind: MachineKind) -> &'static str {
    match kind {
        MachineKind::Plough => lang.pick("снігоочисник", "plough"),
        MachineKind::Sweeper => lang.pick("підмітальна", "sweeper"),
        MachineKind::Tanker => lang.pick("поливальна", "tanker"),
        MachineKind::Tipper => lang.pick("самоскид", "tipper"),
        MachineKind::Other => lang.pick("спецмашина", "municipal machine"),
    }
}

/// `HH:MM:SS` on the wall of the city.
#[must_use]
pub fn hhmmss(zone: &Zone, t: UnixMs) -> String {
    zone.zoned(t).strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ukrainian_nouns_follow_their_numbers() {
        for (n, wanted) in [
            (0, "0 машин"),
            (1, "1 машина"),
            (2, "2 машини"),
            (4, "4 машини"),
            (5, "5 машин"),
            (11, "11 машин"),
            (12, "12 машин"),
            (14, "14 машин"),
            (21, "21 машина"),
            (22, "22 машини"),
            (111, "111 машин"),
            (121, "121 машина"),
        ] {
            assert_eq!(vehicles(Lang::Uk, n), wanted);
        }
        assert_eq!((vehicles(Lang::En, 1), vehicles(Lang::En, 0)), ("1 vehicle".into(), "0 vehicles".into()));
        assert_eq!(more_concerns(Lang::Uk, 3), "ще 3 події");
    }

    #[test]
    fn ages_and_delays_are_brief_and_signed() {
        for (s, wanted) in [(-3, "0 с"), (12, "12 с"), (99, "99 с"), (100, "1 хв"), (5999, "99 хв"), (7200, "2 год")]
        {
            assert_eq!(age(Lang::Uk, s), wanted);
        }
        assert_eq!(age(Lang::Uk, 200_000), "2 дн");
        for (s, wanted) in [(0, "вчасно"), (59, "вчасно"), (-59, "вчасно"), (60, "+1 хв"), (-130, "−2 хв")]
        {
            assert_eq!(delay(Lang::Uk, s), wanted);
        }
        assert_eq!(delay_in_full(Lang::Uk, 250), "запізнення 4 хв");
        assert_eq!(delay_in_full(Lang::En, -250), "early by 4 min");
    }
}
