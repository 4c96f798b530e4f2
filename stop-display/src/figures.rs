//! Figures three lines tall, of half blocks, so that minutes are read from across the street.

/// A figure's shape: five rows of three dots, the top row in the highest bits.
const fn shape(c: char) -> Option<u16> {
    Some(match c {
        '0' => 0b111_101_101_101_111,
        '1' => 0b010_110_010_010_111,
        '2' => 0b111_001_111_100_111,
        '3' => 0b111_001_111_001_111,
        '4' => 0b101_101_111_001_001,
        '5' => 0b111_100_111_001_111,
        '6' => 0b111_100_111_101_111,
        '7' => 0b111_001_001_001_001,
        '8' => 0b111_101_111_101_111,
        '9' => 0b111_101_111_001_111,
        ':' => 0b000_010_000_010_000,
        '~' => 0b000_110_011_000_000,
        _ => return None,
    })
}

const fn dot(shape: u16, row: u16, column: u16) -> bool {
    row < 5 && shape >> (14 - row * 3 - column) & 1 == 1
}

/// The text with its leading figures tall, in three lines of the same width; what follows them
/// stands on the middle line. A text without leading figures stands there whole.
#[must_use]
pub(crate) fn tall(text: &str) -> [String; 3] {
    let figures = text.chars().take_while(|c| shape(*c).is_some()).count();
    let rest: String = text.chars().skip(figures).collect();
    let lead: Vec<u16> = text.chars().map_while(shape).collect();
    let mut lines = [0u16, 2, 4].map(|row| {
        let figure = |shape: &u16| -> String {
            let cell = |column| match (dot(*shape, row, column), dot(*shape, row + 1, column)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            };
            (0..3).map(cell).collect()
        };
        lead.iter().map(figure).collect::<Vec<_>>().join(" ")
    });
    let blank = " ".repeat(transit_model::cells::width(&rest));
    let [top, middle, bottom] = &mut lines;
    top.push_str(&blank);
    middle.push_str(&rest);
    bottom.push_str(&blank);
    lines
}

#[cfg(test)]
mod tests {
    use transit_model::cells::width;

    use super::*;

    #[test]
    fn minutes_and_clock_times_are_tall_and_words_are_not() {
        insta::assert_snapshot!(["12 хв", "03:45", "~6789 min", "зараз"].map(|t| tall(t).join("\n")).join("\n"));
        for text in ["12 хв", "03:45", "зараз", "", "~4 хв"] {
            let [a, b, c] = tall(text);
            assert!(width(&a) == width(&b) && width(&b) == width(&c), "{text}");
        }
    }
}
