//! The lines of the demo city: where they run and how often.

/// Trolleybus or bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// GTFS `route_type` 11.
    Trolleybus,
    /// GTFS `route_type` 3.
    Bus,
}

/// Minutes between departures.
pub(crate) struct Headways {
    /// Weekdays 06:30-09:30 and 15:30-19:00.
    pub(crate) peak: u16,
    /// The rest of a weekday.
    pub(crate) day: u16,
    /// Saturdays and Sundays.
    pub(crate) weekend: u16,
}

/// One line.
pub(crate) struct Line {
    /// `route_id`.
    pub(crate) id: &'static str,
    /// `route_short_name`.
    pub(crate) name: &'static str,
    /// What runs on it.
    pub(crate) kind: Kind,
    /// `route_color`.
    pub(crate) colour: &'static str,
    /// The junctions it passes, there; back it runs the other way. A line that ends where it
    /// began is a loop and has one direction.
    pub(crate) way: &'static [&'static str],
    /// What its far ends are called: of the last junction, and of the first.
    pub(crate) headsigns: (&'static str, &'static str),
    /// How often.
    pub(crate) headways: Headways,
}

impl Line {
    /// Whether it ends where it began.
    pub(crate) fn is_loop(&self) -> bool {
        self.way.first() == self.way.last()
    }
}

/// Every line.
pub(crate) const LINES: &[Line] = &[
    Line {
        id: "trol-1",
        name: "1",
        kind: Kind::Trolleybus,
        colour: "0057B7",
        way: &["station", "crossing", "west-bank", "park", "soborna", "market", "school", "khimik", "lisnyi"],
        headsigns: ("Мікрорайон Лісний", "Залізничний вокзал"),
        headways: Headways { peak: 10, day: 14, weekend: 18 },
    },
    Line {
        id: "trol-2",
        name: "2",
        kind: Kind::Trolleybus,
        colour: "1B7F3B",
        way: &["station", "crossing", "west-bank", "park", "soborna", "hospital", "resort"],
        headsigns: ("Курорт", "Залізничний вокзал"),
        headways: Headways { peak: 12, day: 16, weekend: 16 },
    },
    Line {
        id: "trol-3",
        name: "3",
        kind: Kind::Trolleybus,
        colour: "7A3E9D",
        way: &["lisnyi", "khimik", "school", "market", "soborna", "university", "batiuka", "ceramics"],
        headsigns: ("Керамічний комбінат", "Мікрорайон Лісний"),
        headways: Headways { peak: 14, day: 18, weekend: 24 },
    },
    Line {
        id: "bus-4",
        name: "4",
        kind: Kind::Bus,
        colour: "C8102E",
        way: &["cherevkivka", "batiuka", "university", "soborna", "karachun", "andriivka"],
        headsigns: ("Андріївська", "Черевківка"),
        headways: Headways { peak: 12, day: 18, weekend: 24 },
    },
    Line {
        id: "bus-5",
        name: "5",
        kind: Kind::Bus,
        colour: "D97706",
        way: &[
            "semenivka",
            "soda-works",
            "khimik",
            "school",
            "market",
            "soborna",
            "university",
            "batiuka",
            "cherevkivka",
        ],
        headsigns: ("Черевківка", "Семенівка"),
        headways: Headways { peak: 14, day: 20, weekend: 28 },
    },
    // A loop through the centre, clockwise.
    Line {
        id: "bus-6",
        name: "6",
        kind: Kind::Bus,
        colour: "0E7490",
        way: &["soborna", "university", "batiuka", "hospital", "school", "market", "soborna"],
        headsigns: ("Кільцевий через лікарню", "Кільцевий через лікарню"),
        headways: Headways { peak: 12, day: 16, weekend: 20 },
    },
    // Turns off to the lake and comes back along the same street.
    Line {
        id: "bus-7",
        name: "7",
        kind: Kind::Bus,
        colour: "4B5563",
        way: &[
            "bus-station",
            "karachun",
            "soborna",
            "hospital",
            "resort",
            "ripne",
            "beach",
            "ripne",
            "resort",
            "ceramics",
        ],
        headsigns: ("Керамічний комбінат через озера", "Автовокзал"),
        headways: Headways { peak: 18, day: 22, weekend: 20 },
    },
    // Crosses its own way on Soborna square.
    Line {
        id: "bus-8",
        name: "8",
        kind: Kind::Bus,
        colour: "92400E",
        way: &[
            "machine-works",
            "west-side",
            "west-bank",
            "park",
            "soborna",
            "market",
            "bus-station",
            "karachun",
            "soborna",
            "university",
            "batiuka",
            "cherevkivka",
        ],
        headsigns: ("Черевківка через автовокзал", "Машинобудівний завод"),
        headways: Headways { peak: 16, day: 22, weekend: 30 },
    },
];
