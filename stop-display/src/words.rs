//! The few words a board says of itself. Everything it says of departures comes from the engine.

use transit_model::lang::Lang;

/// Not connected yet, nothing to show.
#[must_use]
pub fn connecting(lang: Lang) -> &'static str {
    lang.pick("З’єднуємося з сервером", "Connecting to the server")
}

/// No connection, and there never was one.
#[must_use]
pub fn never(lang: Lang) -> &'static str {
    lang.pick("Немає зв’язку з сервером", "No connection to the server")
}

/// The connection went at `since`; what is shown still holds.
#[must_use]
pub fn lost_holding(lang: Lang, since: &str) -> String {
    match lang {
        Lang::Uk => format!("Немає зв’язку з {since}, показано останні відомості"),
        Lang::En => format!("No connection since {since}, showing the last known"),
    }
}

/// The connection went at `since`; nothing is shown any more.
#[must_use]
pub fn lost(lang: Lang, since: &str) -> String {
    match lang {
        Lang::Uk => format!("Немає зв’язку з {since}"),
        Lang::En => format!("No connection since {since}"),
    }
}

/// Heads of the columns: route, destination, platform, time.
#[must_use]
pub fn heads(lang: Lang) -> [&'static str; 4] {
    match lang {
        Lang::Uk => ["Маршрут", "Напрямок", "Пл.", "Час"],
        Lang::En => ["Route", "Destination", "Pl.", "Time"],
    }
}

/// A platform, after the name of the stop.
#[must_use]
pub fn platform(lang: Lang, platform: &str) -> String {
    match lang {
        Lang::Uk => format!("платформа {platform}"),
        Lang::En => format!("platform {platform}"),
    }
}

/// Which page of how many.
#[must_use]
pub fn page(page: usize, of: usize) -> String {
    format!("{page}/{of}")
}
