//! The web pages as text. Pure; every word from outside is escaped here and nowhere else.

use std::fmt;

use transit_model::board::{Board, BoardRow, LabelKind, RowSource, label_at};
use transit_model::lang::Lang;
use transit_model::time::{UnixMs, Zone};

use super::assets;
use super::stops::StopItem;
use crate::accuracy::plot;

/// Text from outside, to stand in HTML text and in double-quoted attributes.
pub struct Esc<'a>(pub &'a str);

impl fmt::Display for Esc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

/// The language of the feed's names, as an attribute, for a screen reader to pronounce them by;
/// nothing where the feed does not say.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a>(pub &'a str);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " lang=\"{}\"", Esc(self.0)) }
    }
}

/// A path segment: everything but unreserved characters as percent codes.
#[must_use]
pub fn segment(id: &str) -> String {
    use fmt::Write as _;
    let mut out = String::new();
    for b in id.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

/// `?lang=en`, or nothing for the language everybody gets.
#[must_use]
pub const fn lang_suffix(lang: Lang) -> &'static str {
    lang.pick("", "?lang=en")
}

const fn other(lang: Lang) -> Lang {
    match lang {
        Lang::Uk => Lang::En,
        Lang::En => Lang::Uk,
    }
}

/// What every page is framed from.
pub(super) struct Framed<'a> {
    pub(super) lang: Lang,
    pub(super) title: &'a str,
    pub(super) head: &'a str,
    pub(super) body: &'a str,
}

pub(super) fn frame(f: &Framed<'_>) -> String {
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <link rel=\"icon\" href=\"{}\" type=\"image/svg+xml\">\n<link rel=\"stylesheet\" href=\"{}\">\n\
         <link rel=\"stylesheet\" href=\"{}\">\n{}</head>\n{}\n</html>\n",
        f.lang,
        Esc(f.title),
        assets::path("icon.svg"),
        assets::path("style.css"),
        assets::path("colours.css"),
        f.head,
        f.body
    )
}

pub(super) fn script(file: &str) -> String {
    format!("<script src=\"{}\" defer></script>\n", assets::path(file))
}

/// Without a script a page fetches itself anew.
const REFRESH: &str = "<noscript><meta http-equiv=\"refresh\" content=\"20\"></noscript>\n";

pub(super) fn bar(lang: Lang, path: &str, back: bool) -> String {
    let name = lang.pick("Зупинка", "Zupynka");
    let home = if back {
        let text = lang.pick("← Усі зупинки", "← All stops");
        format!("<a href=\"/{}\">{text}</a>", lang_suffix(lang))
    } else {
        format!("<span class=\"brand\"><svg class=\"icon\"><use href=\"#sign\"/></svg>{name}</span>")
    };
    let to = other(lang);
    let (label, code) = (to.pick("Українською", "English"), to.code());
    format!(
        "<nav class=\"bar\">{home}<a class=\"lang\" href=\"{path}{}\" hreflang=\"{code}\" lang=\"{code}\">{label}</a></nav>",
        lang_suffix(to)
    )
}

pub(super) fn icon(id: &str, class: &str) -> String {
    format!("<svg class=\"icon {class}\" aria-hidden=\"true\"><use href=\"#{id}\"/></svg>")
}

const SIGNS: &str = "<svg class=\"icon sig\"><use class=\"s-live\" href=\"#s-live\"/><use class=\"s-underway\" href=\"#s-underway\"/>\
                     <use class=\"s-timetable\" href=\"#s-timetable\"/><use class=\"s-cancelled\" href=\"#s-cancelled\"/></svg>";

const LINK_SIGN: &str = "<svg class=\"icon\" aria-hidden=\"true\"><use class=\"s-live\" href=\"#s-live\"/>\
                         <use class=\"s-cancelled\" href=\"#s-cancelled\"/></svg>";

/// A departure at a moment, as the page's script paints it too; nothing when it is gone.
fn row(r: &BoardRow, lang: Lang, zone: &Zone, names: Names<'_>, now: UnixMs) -> Option<String> {
    let label = label_at(&r.labels, now).filter(|l| !l.text.is_empty())?;
    let kind = kind_name(label.kind);
    let differs =
        matches!(label.kind, LabelKind::Live | LabelKind::Marked | LabelKind::Estimated | LabelKind::Cancelled);
    let scheduled = match label.kind {
        _ if differs => format!("{} {}", lang.pick("за розкладом", "scheduled"), zone.hhmm(r.scheduled)),
        LabelKind::Underway => lang.pick("у дорозі", "on its way").to_owned(),
        _ => String::new(),
    };
    let is_now =
        matches!(label.kind, LabelKind::Live | LabelKind::Marked) && !label.text.contains(|c: char| c.is_ascii_digit());
    let platform = match r.platform.as_str() {
        "" => String::new(),
        p => format!("{} {p}", lang.pick("платформа", "platform")),
    };
    let access = if r.wheelchair == Some(true) { "" } else { " hidden" };
    let access_said = if access.is_empty() { format!(" {}.", wheelchair_word(lang)) } else { String::new() };
    let sentence = format!("{}{access_said}", r.sentence(now).unwrap_or_default());
    debug_assert!(r.source != RowSource::Cancelled || label.kind == LabelKind::Cancelled);
    Some(row_html(&RowHtml {
        class: format!("row kind-{kind}{}", if is_now { " now" } else { "" }),
        badge: assets::colour_class(r.route.colour.as_deref(), r.route.text_colour.as_deref()),
        mode: mode_id(r),
        name: &r.route.name,
        destination: &r.destination,
        names,
        mode_name: &r.route.mode_name,
        platform: &platform,
        scheduled: &scheduled,
        access,
        text: &label.text,
        sentence: &sentence,
    }))
}

fn mode_id(r: &BoardRow) -> String {
    serde_json::to_value(r.route.mode).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

const fn kind_name(kind: LabelKind) -> &'static str {
    match kind {
        LabelKind::Live => "live",
        LabelKind::Marked => "marked",
        LabelKind::Underway => "underway",
        LabelKind::Timetable => "timetable",
        LabelKind::Estimated => "estimated",
        LabelKind::Cancelled => "cancelled",
        LabelKind::Gone => "gone",
        LabelKind::Words => "words",
    }
}

const fn wheelchair_word(lang: Lang) -> &'static str {
    lang.pick("Доступно для крісла колісного", "Wheelchair accessible")
}

struct RowHtml<'a> {
    class: String,
    badge: String,
    mode: String,
    name: &'a str,
    destination: &'a str,
    names: Names<'a>,
    mode_name: &'a str,
    platform: &'a str,
    scheduled: &'a str,
    access: &'a str,
    text: &'a str,
    sentence: &'a str,
}

/// What is seen is hidden from a screen reader, which gets the whole sentence instead.
fn row_html(r: &RowHtml<'_>) -> String {
    format!(
        "<li class=\"{}\"><span class=\"badge {}\" aria-hidden=\"true\"><svg class=\"icon\"><use class=\"mode-use\" href=\"#m-{}\"/></svg>\
         <span class=\"num\">{}</span></span><span class=\"where\" aria-hidden=\"true\"><span class=\"dest\"{}>{}</span>\
         <span class=\"more\"><span class=\"mode-name\">{}</span><span class=\"platform\">{}</span><span class=\"sched\">{}</span>\
         <svg class=\"icon access\"{}><use href=\"#wheelchair\"/></svg></span></span>\
         <span class=\"when\" aria-hidden=\"true\">{SIGNS}<span class=\"text\">{}</span></span><span class=\"sr\">{}</span></li>\n",
        r.class,
        r.badge,
        r.mode,
        Esc(r.name),
        r.names,
        Esc(r.destination),
        Esc(r.mode_name),
        Esc(r.platform),
        Esc(r.scheduled),
        r.access,
        Esc(r.text),
        Esc(r.sentence)
    )
}

/// So many rows stand in the page itself; the script adds the others.
const FIRST_ROWS: usize = 12;

/// What both kinds of board page have: the attributes for the script, the parts it fills.
struct BoardParts {
    attributes: String,
    rows: String,
    notice: String,
    template: String,
    empty: bool,
}

fn parts(b: &Board, zone: &Zone, names: Names<'_>) -> BoardParts {
    let l = b.lang;
    let attributes = format!(
        "data-stop=\"{}\" data-now=\"{}\" data-speed=\"{}\" data-zone=\"{}\" data-platform=\"{}\" data-sched=\"{}\" \
         data-underway=\"{}\" data-wheelchair=\"{}\" data-linked=\"{}\" data-lost=\"{}\" data-back=\"{}\"",
        Esc(&b.stop.id),
        b.now.0,
        b.clock_speed,
        Esc(&b.zone),
        l.pick("платформа", "platform"),
        l.pick("за розкладом", "scheduled"),
        l.pick("у дорозі", "on its way"),
        wheelchair_word(l),
        l.pick("Оновлюється наживо", "Updating live"),
        l.pick("Немає зв’язку з {time}", "No connection since {time}"),
        l.pick("Зв’язок відновлено", "Connection restored"),
    );
    let rows: String = b.rows.iter().filter_map(|r| row(r, l, zone, names, b.now)).take(FIRST_ROWS).collect();
    let text = label_at(&b.notice, b.now).map_or("", |n| n.text.as_str());
    let class = if rows.is_empty() { "notice big" } else { "notice" };
    let hidden = if text.is_empty() { " hidden" } else { "" };
    let template = RowHtml {
        class: "row".to_owned(),
        badge: String::new(),
        mode: "bus".to_owned(),
        name: "",
        destination: "",
        names,
        mode_name: "",
        platform: "",
        scheduled: "",
        access: " hidden",
        text: "",
        sentence: "",
    };
    BoardParts {
        attributes,
        empty: rows.is_empty(),
        rows,
        notice: format!("<p class=\"{class}\" id=\"notice\" role=\"status\"{hidden}>{}</p>", Esc(text)),
        template: format!("<template id=\"row\">{}</template>", row_html(&template)),
    }
}

fn legend(l: Lang) -> String {
    format!(
        "<ul class=\"legend\"><li class=\"l-live\">{}{}</li><li>{}{}</li></ul>",
        icon("s-live", ""),
        l.pick("хвилини — наживо", "minutes — live"),
        icon("s-timetable", ""),
        l.pick("година — за розкладом", "clock time — timetable")
    )
}

fn stop_meta(b: &Board, towards: &[Box<str>]) -> String {
    let l = b.lang;
    let mut out = String::new();
    if !b.stop.code.is_empty() {
        out.push_str(&format!("<span class=\"pole\">№ {}</span>", Esc(&b.stop.code)));
    }
    if !b.stop.platform.is_empty() {
        out.push_str(&format!("<span>{} {}</span>", l.pick("платформа", "platform"), Esc(&b.stop.platform)));
    }
    if !towards.is_empty() {
        let names = towards.iter().map(|t| Esc(t).to_string()).collect::<Vec<_>>().join(" · ");
        out.push_str(&format!(
            "<span><span class=\"sr\">{} </span>→ {names}</span>",
            l.pick("У напрямку:", "Towards:")
        ));
    }
    if out.is_empty() { out } else { format!("<p class=\"meta\">{out}</p>") }
}

/// The page of a stop, for phones.
#[must_use]
pub fn stop_page(b: &Board, zone: &Zone, names: Names<'_>, towards: &[Box<str>]) -> String {
    let (l, p) = (b.lang, parts(b, zone, names));
    let path = format!("/stop/{}", segment(&b.stop.id));
    let body = format!(
        "<body {}{}>\n{}<div class=\"page\">\n{}\n<main>\n<div class=\"title\"><div><h1 id=\"name\"{names}>{}</h1>{}</div>\
         <button class=\"star\" id=\"star\" aria-pressed=\"false\" aria-label=\"{}\" hidden>{}</button></div>\n\
         <div class=\"link\" id=\"link\"><span class=\"state\">{}<span id=\"link-text\">{}</span></span>\
         <span class=\"clock\" id=\"clock\">{}</span></div>\n{}\n<h2 class=\"sr\">{}</h2>\n\
         <ol class=\"rows\" id=\"rows\">\n{}</ol>\n{}{}\n</main>\n\
         <p class=\"sr\" id=\"say\" aria-live=\"polite\"></p>\n<p class=\"small\"><a href=\"/board/{}{}\">{}</a></p>\n</div>\n</body>",
        p.attributes,
        if p.empty { " class=\"no-rows\"" } else { "" },
        assets::SPRITE,
        bar(l, &path, true),
        Esc(&b.stop.name),
        stop_meta(b, towards),
        l.pick("В обране", "Keep as favourite"),
        icon("star-shape", ""),
        LINK_SIGN,
        zone.hhmm(b.now),
        zone.hhmm(b.now),
        p.notice,
        l.pick("Відправлення", "Departures"),
        p.rows,
        p.template,
        legend(l),
        segment(&b.stop.id),
        lang_suffix(l),
        l.pick("Табло на весь екран", "Full-screen board"),
    );
    let head = format!("{REFRESH}{}", script("board.js"));
    let title = format!("{} — {}", b.stop.name, l.pick("Зупинка", "Zupynka"));
    frame(&Framed { lang: l, title: &title, head: &head, body: &body })
}

/// The page of a kiosk: read from afar, touched by nobody.
#[must_use]
pub fn kiosk_page(b: &Board, zone: &Zone, names: Names<'_>, light: bool) -> String {
    let (l, p) = (b.lang, parts(b, zone, names));
    let body = format!(
        "<body class=\"kiosk{}{}\" {}>\n{}\n<header><div><h1 id=\"name\"{names}>{}</h1>{}</div>\
         <span class=\"clock\" id=\"clock\">{}</span></header>\n<ol class=\"rows\" id=\"rows\">\n{}</ol>\n{}{}\n\
         <footer>{}<div class=\"link\" id=\"link\"><span class=\"state\" id=\"link-text\"></span></div></footer>\n\
         <p class=\"sr\" id=\"say\" aria-live=\"polite\"></p>\n</body>",
        if light { " light" } else { "" },
        if p.empty { " no-rows" } else { "" },
        p.attributes,
        assets::SPRITE,
        Esc(&b.stop.name),
        stop_meta(b, &[]),
        zone.hhmm(b.now),
        p.rows,
        p.notice,
        p.template,
        legend(l),
    );
    let head = format!("{REFRESH}{}", script("board.js"));
    frame(&Framed { lang: l, title: &b.stop.name, head: &head, body: &body })
}

/// What the first page shows.
pub struct Home<'a> {
    /// In which language.
    pub lang: Lang,
    /// What was asked for, if anything.
    pub q: &'a str,
    /// What was found, or all stops.
    pub stops: &'a [StopItem],
    /// Where the list goes on.
    pub next: Option<&'a str>,
    /// Whose stops these are.
    pub city: &'a str,
}

/// The first page: search, nearby, list.
#[must_use]
pub fn home_page(h: &Home<'_>) -> String {
    let l = h.lang;
    let items: String = h.stops.iter().map(|s| stop_item(s, l)).collect();
    let heading = if h.q.is_empty() {
        l.pick("Усі зупинки", "All stops")
    } else {
        l.pick("Знайдено", "Results")
    };
    let next = h.next.map(|n| {
        let q = if h.q.is_empty() { String::new() } else { format!("&q={}", segment(h.q)) };
        format!("<a class=\"next\" rel=\"next\" href=\"/?lang={l}&after={n}{q}\">{}</a>", l.pick("Далі →", "More →"))
    });
    let none = if h.stops.is_empty() { l.pick("Нічого не знайдено", "Nothing found") } else { "" };
    let lang_field =
        if l == Lang::Uk { String::new() } else { format!("<input type=\"hidden\" name=\"lang\" value=\"{l}\">") };
    let words = format!(
        "data-none=\"{}\" data-found=\"{}\" data-fail=\"{}\" data-results=\"{}\" data-nearby=\"{}\" data-locating=\"{}\" \
         data-nolocation=\"{}\" data-platform=\"{}\" data-m=\"{}\" data-km=\"{}\" data-point=\"{}\"",
        l.pick("Нічого не знайдено", "Nothing found"),
        l.pick("Знайдено зупинок: {n}", "Stops found: {n}"),
        l.pick("Немає зв’язку із сервером", "The server does not answer"),
        l.pick("Знайдено", "Results"),
        l.pick("Поруч", "Nearby"),
        l.pick("Визначаємо, де ви…", "Finding where you are…"),
        l.pick("Не вдалося визначити, де ви", "Could not find where you are"),
        l.pick("платформа", "platform"),
        l.pick("м", "m"),
        l.pick("км", "km"),
        l.pick(",", "."),
    );
    let body = format!(
        "<body {words}>\n{}<div class=\"page\">\n{}\n<main>\n<h1>{}</h1>\n<p class=\"meta\">{}</p>\n\
         <form class=\"search\" role=\"search\" action=\"/\" method=\"get\"><label class=\"sr\" for=\"q\">{}</label>{lang_field}\
         <input type=\"search\" id=\"q\" name=\"q\" value=\"{}\" placeholder=\"{}\" autocomplete=\"off\" spellcheck=\"false\">\
         <button type=\"submit\">{}</button></form>\n\
         <div class=\"tools\"><button id=\"near\" type=\"button\" hidden>{}{}</button><p class=\"hint\" id=\"status\" role=\"status\">{none}</p></div>\n\
         <section id=\"kept-section\" hidden><h2>{}</h2><ul class=\"stops\" id=\"kept\"></ul></section>\n\
         <section><h2 id=\"heading\">{heading}</h2>\n<ul class=\"stops\" id=\"stops\">\n{items}</ul>\n<div id=\"more\">{}</div></section>\n\
         </main>\n<p class=\"small\"><a href=\"/accuracy{}\">{}</a> · <a href=\"/streets{}\">{}</a></p>\n</div>\n</body>",
        assets::SPRITE,
        bar(l, "/", false),
        l.pick("Коли приїде?", "When does it come?"),
        Esc(h.city),
        l.pick("Назва або номер зупинки", "Name or number of a stop"),
        Esc(h.q),
        l.pick("Назва або номер зупинки", "Stop name or number"),
        l.pick("Шукати", "Search"),
        icon("pin", ""),
        l.pick("Поруч зі мною", "Near me"),
        l.pick("Обрані", "Favourites"),
        next.unwrap_or_default(),
        lang_suffix(l),
        l.pick("Наскільки точні прогнози", "How accurate predictions are"),
        lang_suffix(l),
        l.pick("Коли прибирали мою вулицю?", "When was my street last served?"),
    );
    let title = l.pick("Зупинка — коли приїде транспорт", "Zupynka — live departures");
    frame(&Framed { lang: l, title, head: &script("home.js"), body: &body })
}

fn stop_item(s: &StopItem, l: Lang) -> String {
    let name = match s.platform.as_str() {
        "" => s.name.clone(),
        p => format!("{}, {} {p}", s.name, l.pick("платформа", "platform")),
    };
    let to = s.towards.join(" · ");
    let to = if to.is_empty() { to } else { format!("<span class=\"to\">→ {}</span>", Esc(&to)) };
    let by: String = s.routes.iter().take(12).map(|r| format!("<span>{}</span>", Esc(r))).collect();
    let by = if by.is_empty() { by } else { format!("<span class=\"by\">{by}</span>") };
    format!(
        "<li><a href=\"/stop/{}{}\"><span class=\"name\">{}</span>{to}{by}</a></li>\n",
        segment(&s.id),
        lang_suffix(l),
        Esc(&name)
    )
}

/// The page of accuracy; what it shows is written elsewhere (`accuracy::report`).
#[must_use]
pub fn accuracy_page(l: Lang, shown: &str, days: &str) -> String {
    let body = format!(
        "<body>\n{}<div class=\"page\">\n{}\n{}<main>\n{shown}{days}</main>\n</div>\n</body>",
        assets::SPRITE,
        bar(l, "/accuracy", true),
        plot::DEFS,
    );
    let head = format!("<link rel=\"stylesheet\" href=\"{}\">\n", assets::path("accuracy.css"));
    let title = l.pick("Точність прогнозів — Зупинка", "Accuracy of predictions — Zupynka");
    frame(&Framed { lang: l, title, head: &head, body: &body })
}

/// A page that says what is wrong, for people.
#[must_use]
pub fn error_page(l: Lang, title: &str, detail: &str) -> String {
    let body = format!(
        "<body>\n{}<div class=\"page\">\n{}\n<main><h1>{}</h1><p class=\"meta\">{}</p></main>\n</div>\n</body>",
        assets::SPRITE,
        bar(l, "/", true),
        Esc(title),
        Esc(detail)
    );
    frame(&Framed { lang: l, title, head: "", body: &body })
}
