//! Ukrainian in Latin letters, for ids and file names.
//!
//! After the table of the Cabinet of Ministers' resolution 55 of 27 January 2010.

/// `Нове Місто` becomes `nove-misto`: small Latin letters, digits, single hyphens.
pub(crate) fn slug(name: &str) -> String {
    let latin = romanise(&name.to_lowercase());
    let words: Vec<&str> = latin.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    words.join("-")
}

/// Small letters only; what is neither Ukrainian nor a separator stays as it is.
fn romanise(text: &str) -> String {
    let mut latin = String::new();
    let mut before = ' ';
    for c in text.chars() {
        let first = !before.is_alphabetic() && !is_apostrophe(before);
        match c {
            'г' if before == 'з' => latin.push_str("gh"),
            'є' => latin.push_str(if first { "ye" } else { "ie" }),
            'ї' => latin.push_str(if first { "yi" } else { "i" }),
            'й' => latin.push(if first { 'y' } else { 'i' }),
            'ю' => latin.push_str(if first { "yu" } else { "iu" }),
            'я' => latin.push_str(if first { "ya" } else { "ia" }),
            'ь' => {}
            c if is_apostrophe(c) => {}
            c => match letter(c) {
                Some(letters) => latin.push_str(letters),
                None => latin.push(c),
            },
        }
        before = c;
    }
    latin
}

const fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | 'ʼ')
}

const fn letter(c: char) -> Option<&'static str> {
    Some(match c {
        'а' => "a",
        'б' => "b",
        'в' => "v",
        'г' => "h",
        'ґ' => "g",
        'д' => "d",
        'е' => "e",
        'ж' => "zh",
        'з' => "z",
        'и' => "y",
        'і' => "i",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' => "u",
        'ф' => "f",
        'х' => "kh",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_resolution_come_out_right() {
        for (uk, latin) in [
            ("Алушта", "alushta"),
            ("Згурський", "zghurskyi"),
            ("Єнакієве", "yenakiieve"),
            ("Їжакевич", "yizhakevych"),
            ("Йосипівка", "yosypivka"),
            ("Стрий", "stryi"),
            ("Кадиївка", "kadyivka"),
            ("Костянтин", "kostiantyn"),
            ("Знам'янка", "znamianka"),
            ("Щербухи", "shcherbukhy"),
            ("Юрій", "yurii"),
            ("Ялта", "yalta"),
            ("Ґалаґан", "galagan"),
            ("Біла Церква", "bila-tserkva"),
            (" Нове — Місто 2 ", "nove-misto-2"),
        ] {
            assert_eq!(slug(uk), latin);
        }
    }
}
