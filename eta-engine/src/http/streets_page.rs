//! The page «Коли прибирали мою вулицю?» as text. Pure; it works without a script, which only adds
//! "near me".

use transit_model::dispatch::MachineKind;
use transit_model::lang::Lang;
use transit_model::time::{UnixMs, Zone};

use super::assets;
use super::html::{Esc, Framed, bar, frame, icon, script, segment};
use crate::machinery::streets::Street;
use crate::machinery::view::StreetNow;

/// A street on the page.
pub struct Row<'a> {
    /// Which.
    pub street: &'a Street,
    /// How it stands.
    pub now: &'a StreetNow,
    /// From where the search was made, metres.
    pub distance: Option<f32>,
}

/// What the page shows.
pub struct Shown<'a> {
    /// In which language.
    pub lang: Lang,
    /// What was asked for, if anything.
    pub q: &'a str,
    /// Where, if that was asked.
    pub near: Option<&'a str>,
    /// What was found.
    pub rows: &'a [Row<'a>],
    /// Where the list goes on.
    pub next: Option<&'a str>,
    /// There are streets at all.
    pub any: bool,
    /// Somebody has decided that nothing is told of it now.
    pub withheld: bool,
    /// The city's zone of time.
    pub zone: &'a Zone,
    /// When the shift began.
    pub shift: UnixMs,
    /// What time it is.
    pub now: UnixMs,
}

/// A kind of machine, in a sentence.
#[must_use]
pub const fn machine(lang: Lang, kind: MachineKind) -> &'static str {
    match kind {
        MachineKind::Plough => lang.pick("снігоочисна машина", "snow plough"),
        MachineKind::Sweeper => lang.pick("підмітальна машина", "sweeper"),
        MachineKind::Tanker => lang.pick("поливальна машина", "watering machine"),
        MachineKind::Tipper => lang.pick("самоскид", "tipper lorry"),
        MachineKind::Other => lang.pick("спецмашина", "municipal machine"),
    }
}

/// "сьогодні о 07:14", "вчора о 22:10", "20.11.2026 о 06:30".
#[must_use]
pub fn when(lang: Lang, zone: &Zone, t: UnixMs, now: UnixMs) -> String {
    let (day, today) = (zone.date(t), zone.date(now));
    let day = match today.days() - day.days() {
        0 => lang.pick("сьогодні", "today").to_owned(),
        1 => lang.pick("вчора", "yesterday").to_owned(),
        _ => day.date().strftime("%d.%m.%Y").to_string(),
    };
    format!("{day} {} {}", lang.pick("о", "at"), zone.hhmm(t))
}

/// The page.
#[must_use]
pub fn page(p: &Shown<'_>) -> String {
    let l = p.lang;
    let title = l.pick("Коли прибирали мою вулицю?", "When was my street last served?");
    let items: String = p.rows.iter().map(|r| item(p, r)).collect();
    let heading = match (p.q.is_empty(), p.near) {
        (_, Some(_)) => l.pick("Поруч", "Nearby"),
        (false, None) => l.pick("Знайдено", "Results"),
        (true, None) => l.pick("Усі вулиці", "All streets"),
    };
    let none = match (p.any, p.rows.is_empty()) {
        _ if p.withheld => l.pick("Дані тимчасово обмежено", "Restricted for now"),
        (false, _) => l.pick("У місті ще немає переліку вулиць", "The city has no list of streets yet"),
        (true, true) => l.pick("Такої вулиці не знайдено", "No such street was found"),
        (true, false) => "",
    };
    let next = p.next.map(|n| {
        let q = if p.q.is_empty() { String::new() } else { format!("&amp;q={}", segment(p.q)) };
        let near = p.near.map(|n| format!("&amp;near={}", segment(n))).unwrap_or_default();
        format!(
            "<a class=\"next\" rel=\"next\" href=\"/streets?lang={l}&amp;after={}{q}{near}\">{}</a>",
            Esc(n),
            l.pick("Далі →", "More →")
        )
    });
    let lang_field =
        if l == Lang::Uk { String::new() } else { format!("<input type=\"hidden\" name=\"lang\" value=\"{l}\">") };
    let note = match l {
        Lang::Uk => format!(
            "Частка — скільки вулиці пройшли машини від початку зміни, {}. Дані — з трекерів машин.",
            when(l, p.zone, p.shift, p.now)
        ),
        Lang::En => format!(
            "The share is how much of the street machines have passed since the shift began, {}. It comes from the machines’ trackers.",
            when(l, p.zone, p.shift, p.now)
        ),
    };
    let body = format!(
        "<body data-locating=\"{}\" data-nolocation=\"{}\">\n{}<div class=\"page\">\n{}\n<main>\n<h1>{title}</h1>\n<p class=\"meta\">{note}</p>\n\
         <form class=\"search\" role=\"search\" action=\"/streets\" method=\"get\"><label class=\"sr\" for=\"q\">{}</label>{lang_field}\
         <input type=\"search\" id=\"q\" name=\"q\" value=\"{}\" placeholder=\"{}\" autocomplete=\"off\" spellcheck=\"false\">\
         <button type=\"submit\">{}</button></form>\n\
         <div class=\"tools\"><button id=\"near\" type=\"button\" hidden>{}{}</button><p class=\"hint\" id=\"status\" role=\"status\">{none}</p></div>\n\
         <section><h2>{heading}</h2>\n<ul class=\"stops streets\">\n{items}</ul>\n{}</section>\n</main>\n</div>\n</body>",
        l.pick("Визначаємо, де ви…", "Finding where you are…"),
        l.pick("Не вдалося визначити, де ви", "Could not find where you are"),
        assets::SPRITE,
        bar(l, "/streets", true),
        l.pick("Назва вулиці", "Name of a street"),
        Esc(p.q),
        l.pick("Назва вулиці", "Street name"),
        l.pick("Шукати", "Search"),
        icon("pin", ""),
        l.pick("Поруч зі мною", "Near me"),
        next.unwrap_or_default(),
    );
    let sheet = format!("<link rel=\"stylesheet\" href=\"{}\">\n{}", assets::path("streets.css"), script("streets.js"));
    let title = format!("{title} — {}", l.pick("Зупинка", "Zupynka"));
    frame(&Framed { lang: l, title: &title, head: &sheet, body: &body })
}

fn item(p: &Shown<'_>, r: &Row<'_>) -> String {
    let l = p.lang;
    let english = r.street.name_en.as_deref().filter(|_| l == Lang::En);
    let name = english.unwrap_or(&r.street.name);
    let district =
        r.street.district.as_deref().map(|d| format!(" <span class=\"of\">{}</span>", Esc(d))).unwrap_or_default();
    let far = r.distance.map(|m| format!("<span class=\"far\">{m:.0} {}</span>", l.pick("м", "m"))).unwrap_or_default();
    let served = &r.now.served;
    let last = match served.last {
        None => l.pick("Машини тут ще не проходили", "No machine has passed here yet").to_owned(),
        Some(last) => {
            let by = served.by.map(|k| format!(" · {}", machine(l, k))).unwrap_or_default();
            format!("<strong>{}</strong>{by}", when(l, p.zone, last, p.now))
        }
    };
    // An old passage is no part of this shift; a bar at zero says so with its words.
    let percent = (r.now.share * 100.0).round();
    let since = l.pick("пройдено за зміну", "passed this shift");
    let whole = match served.whole_since.filter(|_| percent < 95.0) {
        Some(t) => format!(
            "<span class=\"to\">{} {}</span>",
            l.pick("Усю вулицю востаннє пройдено:", "All of it was last passed:"),
            when(l, p.zone, t, p.now)
        ),
        None => String::new(),
    };
    format!(
        "<li><div class=\"it\"><span class=\"name\">{}{district}</span>{far}<span class=\"to\">{last}</span>\
         <span class=\"bar-of\"><progress max=\"100\" value=\"{percent:.0}\" aria-hidden=\"true\"></progress>\
         <span>{percent:.0} % {since}</span></span>{whole}</div></li>\n",
        Esc(name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_said_as_people_say_it() {
        let kyiv = Zone::named("Europe/Kyiv").unwrap();
        let now = UnixMs::from_secs(1_795_349_100);
        let said = |ago: i64| when(Lang::Uk, &kyiv, now.plus_secs(-ago), now);
        assert_eq!(said(60), "сьогодні о 14:04");
        assert_eq!(said(15 * 3600), "вчора о 23:05");
        assert_eq!(said(3 * 86_400), "19.11.2026 о 14:05");
        assert_eq!(when(Lang::En, &kyiv, now, now), "today at 14:05");
    }
}
