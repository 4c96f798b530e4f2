//! Names as people type them: in any case, with or without apostrophes, in Ukrainian or Latin letters.
//! Pure; what is searched by them is for whoever holds the names.

/// A name to be looked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Name {
    folded: Vec<Box<str>>,
    latin: Vec<Box<str>>,
}

impl Name {
    /// A name's words, folded.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let folded = fold(name);
        let latin = folded.iter().map(|w| to_latin(w)).collect();
        Self { folded, latin }
    }

    /// How well folded words fit: 1 the name begins with them, 2 words of it do, 3 somewhere inside;
    /// `None` when one does not fit at all, or there are no words.
    #[must_use]
    pub fn rank(&self, words: &[Box<str>]) -> Option<u8> {
        let first = words.first()?;
        let begins = |w: &str| self.any_word(w, |have, w| have.starts_with(w));
        let inside = |w: &str| self.any_word(w, |have, w| have.contains(w));
        if words.iter().all(|w| begins(w)) {
            let leads = |of: &[Box<str>], w: &str| of.first().is_some_and(|have| have.starts_with(w));
            let name_leads = leads(&self.folded, first) || leads(&self.latin, &to_latin(first));
            return Some(if name_leads { 1 } else { 2 });
        }
        words.iter().all(|w| inside(w)).then_some(3)
    }

    fn any_word(&self, w: &str, fits: impl Fn(&str, &str) -> bool) -> bool {
        let latin = to_latin(w);
        self.folded.iter().any(|have| fits(have, w)) || self.latin.iter().any(|have| fits(have, &latin))
    }
}

/// Words in lower case, without the marks that people leave out: every kind of apostrophe, quotes.
#[must_use]
pub fn fold(text: &str) -> Vec<Box<str>> {
    let is_dropped = |c: &char| matches!(c, '\'' | '’' | 'ʼ' | '`' | '´' | '"' | '«' | '»' | '“' | '”');
    let kept: String =
        text.to_lowercase().chars().filter(|c| !is_dropped(c)).map(|c| if c == 'ґ' { 'г' } else { c }).collect();
    kept.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(Into::into).collect()
}

/// Ukrainian in Latin letters (Cabinet of Ministers resolution 55 of 2010, without the rule for
/// the beginning of a word, which people do not follow), so that "vokzal" finds "Вокзал".
fn to_latin(word: &str) -> Box<str> {
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        match c {
            'а' => out.push('a'),
            'б' => out.push('b'),
            'в' => out.push('v'),
            'г' => out.push('h'),
            'д' => out.push('d'),
            'е' | 'э' => out.push('e'),
            'є' => out.push_str("ie"),
            'ж' => out.push_str("zh"),
            'з' => out.push('z'),
            'и' | 'ы' => out.push('y'),
            'і' | 'ї' | 'й' => out.push('i'),
            'к' => out.push('k'),
            'л' => out.push('l'),
            'м' => out.push('m'),
            'н' => out.push('n'),
            'о' => out.push('o'),
            'п' => out.push('p'),
            'р' => out.push('r'),
            'с' => out.push('s'),
            'т' => out.push('t'),
            'у' => out.push('u'),
            'ф' => out.push('f'),
            'х' => out.push_str("kh"),
            'ц' => out.push_str("ts"),
            'ч' => out.push_str("ch"),
            'ш' => out.push_str("sh"),
            'щ' => out.push_str("shch"),
            'ю' => out.push_str("iu"),
            'я' => out.push_str("ia"),
            'ь' | 'ъ' => {}
            other => out.push(other),
        }
    }
    out.into()
}
