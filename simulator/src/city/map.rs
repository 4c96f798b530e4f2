//! The ground plan of the demo city: junctions, streets, stops on them, water.
//!
//! Modelled on Sloviansk: where the centre, the station, the resort with its salt lakes and the
//! works lie, and what they are called. Lines and distances are drawn by hand for this project and
//! are not a survey. Metres east and north of Soborna square.

use crate::streets::Place;

/// Where metres are counted from: Soborna square, degrees.
pub(crate) const ORIGIN: (f64, f64) = (48.8534, 37.6057);

/// A point of the plan, metres.
pub(crate) type Point = (f32, f32);

/// A place where streets meet or end.
pub(crate) struct Junction {
    /// Its name in this plan.
    pub(crate) key: &'static str,
    /// Where.
    pub(crate) at: Point,
}

/// A street between two junctions.
pub(crate) struct Street {
    /// From this junction.
    pub(crate) from: &'static str,
    /// To this one.
    pub(crate) to: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// Where it bends.
    pub(crate) bends: &'static [Point],
    /// The stops along it.
    pub(crate) places: &'static [Place<'static>],
}

/// Water, for whoever draws the city.
pub(crate) struct Water {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its middle line (a river) or its shore (a lake, closed).
    pub(crate) line: &'static [Point],
}

const fn junction(key: &'static str, x: f32, y: f32) -> Junction {
    Junction { key, at: (x, y) }
}

const fn timed(share: f32, name: &'static str) -> Place<'static> {
    Place { share, name, timed: true }
}

const fn plain(share: f32, name: &'static str) -> Place<'static> {
    Place { share, name, timed: false }
}

/// Every junction.
pub(crate) const JUNCTIONS: &[Junction] = &[
    junction("soborna", 0.0, 0.0),
    junction("market", 560.0, -230.0),
    junction("park", -470.0, 70.0),
    junction("university", -180.0, 640.0),
    junction("batiuka", 120.0, 1290.0),
    junction("west-bank", -1080.0, -60.0),
    junction("crossing", -2020.0, -390.0),
    junction("station", -3080.0, -860.0),
    junction("machine-works", -2460.0, 760.0),
    junction("karachun", 180.0, -1050.0),
    junction("bus-station", 640.0, -1480.0),
    junction("andriivka", -330.0, -3020.0),
    junction("school", 1370.0, -130.0),
    junction("khimik", 2230.0, -420.0),
    junction("lisnyi", 3390.0, -760.0),
    junction("soda-works", 2480.0, -1610.0),
    junction("semenivka", 1920.0, -3010.0),
    junction("hospital", 1210.0, 980.0),
    junction("resort", 2320.0, 1560.0),
    junction("ripne", 2880.0, 1860.0),
    junction("beach", 3120.0, 2010.0),
    junction("cherevkivka", -620.0, 2560.0),
    junction("ceramics", 1080.0, 2570.0),
    // Only the machines come here.
    junction("west-side", -1560.0, 520.0),
    junction("east-side", 2120.0, 520.0),
    junction("yard", -60.0, -1900.0),
];

/// Every street.
pub(crate) const STREETS: &[Street] = &[
    Street {
        from: "station",
        to: "crossing",
        name: "вул. Вокзальна",
        bends: &[(-2900.0, -820.0), (-2640.0, -560.0), (-2310.0, -470.0)],
        places: &[timed(0.04, "Залізничний вокзал"), plain(0.45, "Вокзальна вулиця"), plain(0.86, "Залізничники")],
    },
    Street {
        from: "crossing",
        to: "west-bank",
        name: "вул. Свободи",
        bends: &[(-1760.0, -350.0), (-1500.0, -180.0)],
        places: &[plain(0.32, "Арматурний завод"), plain(0.78, "Лівий берег")],
    },
    Street {
        from: "west-bank",
        to: "park",
        name: "вул. Свободи (міст через Казенний Торець)",
        bends: &[(-860.0, 10.0)],
        places: &[plain(0.82, "Шовковичний парк")],
    },
    Street {
        from: "park",
        to: "soborna",
        name: "вул. Центральна",
        bends: &[(-250.0, 60.0)],
        places: &[timed(0.84, "Соборна площа")],
    },
    Street {
        from: "soborna",
        to: "market",
        name: "вул. Торська",
        bends: &[(300.0, -90.0)],
        places: &[timed(0.13, "Соборна площа"), timed(0.9, "Центральний ринок")],
    },
    Street {
        from: "market",
        to: "school",
        name: "вул. Торська",
        bends: &[(860.0, -270.0), (1100.0, -180.0)],
        places: &[plain(0.42, "Міська бібліотека"), plain(0.88, "Ліцей")],
    },
    Street {
        from: "school",
        to: "khimik",
        name: "вул. Ярослава Мудрого",
        bends: &[(1680.0, -130.0), (1960.0, -330.0)],
        places: &[plain(0.4, "Стадіон «Хімік»"), timed(0.86, "Мікрорайон Хімік")],
    },
    Street {
        from: "khimik",
        to: "lisnyi",
        name: "вул. Лісна",
        bends: &[(2560.0, -400.0), (2900.0, -600.0), (3190.0, -640.0)],
        places: &[plain(0.28, "Дитячий садок"), plain(0.62, "Соснова вулиця"), timed(0.96, "Мікрорайон Лісний")],
    },
    Street {
        from: "soborna",
        to: "university",
        name: "вул. Генерала Батюка",
        bends: &[(-40.0, 300.0)],
        places: &[timed(0.14, "Соборна площа"), timed(0.88, "Педагогічний університет")],
    },
    Street {
        from: "university",
        to: "batiuka",
        name: "вул. Генерала Батюка",
        bends: &[(-130.0, 900.0), (40.0, 1060.0)],
        places: &[plain(0.5, "Палац культури"), plain(0.93, "Пожежна частина")],
    },
    Street {
        from: "batiuka",
        to: "cherevkivka",
        name: "вул. Черевківська",
        bends: &[(50.0, 1620.0), (-220.0, 1850.0), (-350.0, 2260.0)],
        places: &[
            plain(0.2, "Молокозавод"),
            plain(0.46, "Зарічна вулиця"),
            plain(0.72, "Воскресенська церква"),
            timed(0.96, "Черевківка"),
        ],
    },
    Street {
        from: "batiuka",
        to: "ceramics",
        name: "вул. Керамічна",
        bends: &[(380.0, 1500.0), (600.0, 1960.0), (930.0, 2280.0)],
        places: &[plain(0.3, "Північна вулиця"), plain(0.62, "Гончарна вулиця"), timed(0.96, "Керамічний комбінат")],
    },
    Street {
        from: "soborna",
        to: "karachun",
        name: "вул. Василівська",
        bends: &[(40.0, -380.0), (160.0, -700.0)],
        places: &[timed(0.09, "Соборна площа"), plain(0.47, "Василівська вулиця"), plain(0.9, "Аптека")],
    },
    Street {
        from: "karachun",
        to: "bus-station",
        name: "вул. Банківська",
        bends: &[(360.0, -1180.0)],
        places: &[timed(0.9, "Автовокзал")],
    },
    Street {
        from: "market",
        to: "bus-station",
        name: "вул. Шевченка",
        bends: &[(610.0, -560.0), (760.0, -980.0)],
        places: &[plain(0.36, "Міський сад"), plain(0.72, "Музична школа")],
    },
    Street {
        from: "karachun",
        to: "andriivka",
        name: "вул. Карачунська",
        bends: &[(20.0, -1480.0), (-60.0, -1900.0), (-270.0, -2280.0), (-250.0, -2700.0)],
        places: &[
            plain(0.2, "Автопарк"),
            plain(0.5, "Гора Карачун"),
            plain(0.76, "Садова вулиця"),
            timed(0.97, "Андріївська"),
        ],
    },
    Street {
        from: "khimik",
        to: "soda-works",
        name: "вул. Содова",
        bends: &[(2290.0, -800.0), (2470.0, -1120.0)],
        places: &[plain(0.45, "Школа мистецтв"), timed(0.95, "Содовий завод")],
    },
    Street {
        from: "soda-works",
        to: "semenivka",
        name: "вул. Семенівська",
        bends: &[(2380.0, -1980.0), (2120.0, -2330.0), (2080.0, -2720.0)],
        places: &[plain(0.32, "Степова вулиця"), plain(0.66, "Амбулаторія"), timed(0.96, "Семенівка")],
    },
    Street {
        from: "soborna",
        to: "hospital",
        name: "вул. Університетська",
        bends: &[(330.0, 260.0), (700.0, 470.0), (1000.0, 820.0)],
        places: &[
            timed(0.08, "Соборна площа"),
            plain(0.34, "Головпошта"),
            plain(0.62, "Музей"),
            timed(0.94, "Міська лікарня"),
        ],
    },
    Street {
        from: "hospital",
        to: "resort",
        name: "вул. Курортна",
        bends: &[(1540.0, 1090.0), (1800.0, 1370.0), (2100.0, 1440.0)],
        places: &[plain(0.28, "Дитяча лікарня"), plain(0.62, "Курортна алея"), timed(0.94, "Курорт")],
    },
    Street {
        from: "resort",
        to: "ripne",
        name: "вул. Озерна",
        bends: &[(2560.0, 1600.0), (2740.0, 1790.0)],
        places: &[plain(0.5, "Санаторій")],
    },
    // The road round the beach: everybody runs it the same way.
    Street {
        from: "ripne",
        to: "beach",
        name: "вул. Озерна",
        bends: &[(2980.0, 1790.0), (3150.0, 1860.0)],
        places: &[timed(0.7, "Озеро Ріпне")],
    },
    Street {
        from: "beach",
        to: "ripne",
        name: "вул. Озерна",
        bends: &[(3080.0, 2060.0), (2930.0, 2020.0)],
        places: &[plain(0.5, "Міський пляж")],
    },
    Street {
        from: "resort",
        to: "ceramics",
        name: "вул. Солоні озера",
        bends: &[(2180.0, 1850.0), (1830.0, 1960.0), (1500.0, 2360.0)],
        places: &[plain(0.28, "Озеро Вейсове"), plain(0.6, "Грязелікарня"), timed(0.95, "Керамічний комбінат")],
    },
    Street {
        from: "school",
        to: "hospital",
        name: "вул. Поштова",
        bends: &[(1410.0, 240.0), (1290.0, 600.0)],
        places: &[plain(0.3, "Швейна фабрика"), plain(0.7, "Поліклініка")],
    },
    Street {
        from: "hospital",
        to: "batiuka",
        name: "вул. Олімпійська",
        bends: &[(880.0, 1150.0), (500.0, 1180.0)],
        places: &[plain(0.34, "Олімпійська вулиця"), plain(0.74, "Спортивна школа")],
    },
    Street {
        from: "machine-works",
        to: "west-side",
        name: "вул. Машинобудівників",
        bends: &[(-2190.0, 760.0), (-1900.0, 560.0)],
        places: &[timed(0.05, "Машинобудівний завод"), plain(0.5, "Гуртожиток"), plain(0.92, "Яблунева вулиця")],
    },
    Street {
        from: "west-side",
        to: "west-bank",
        name: "вул. Лугова",
        bends: &[(-1320.0, 400.0)],
        places: &[plain(0.5, "Лугова вулиця")],
    },
    Street {
        from: "machine-works",
        to: "crossing",
        name: "вул. Заводська",
        bends: &[(-2520.0, 380.0), (-2200.0, 40.0)],
        places: &[],
    },
    Street {
        from: "park",
        to: "university",
        name: "вул. Шовковична",
        bends: &[(-470.0, 360.0), (-380.0, 560.0)],
        places: &[],
    },
    Street {
        from: "school",
        to: "east-side",
        name: "вул. Східна",
        bends: &[(1650.0, 60.0), (1820.0, 420.0)],
        places: &[],
    },
    Street {
        from: "east-side",
        to: "resort",
        name: "вул. Паркова",
        bends: &[(2330.0, 760.0), (2280.0, 1180.0)],
        places: &[],
    },
    Street { from: "east-side", to: "khimik", name: "вул. Дачна", bends: &[(2300.0, 220.0)], places: &[] },
    Street {
        from: "bus-station",
        to: "soda-works",
        name: "вул. Промислова",
        bends: &[(1100.0, -1620.0), (1700.0, -1500.0), (2120.0, -1680.0)],
        places: &[],
    },
    Street {
        from: "bus-station", to: "yard", name: "вул. Комунальна", bends: &[(420.0, -1800.0)], places: &[]
    },
    Street {
        from: "yard", to: "karachun", name: "пров. Карачунський", bends: &[(240.0, -1560.0)], places: &[]
    },
];

/// The river and the salt lakes.
pub(crate) const WATERS: &[Water] = &[
    Water {
        name: "Казенний Торець",
        line: &[
            (-1420.0, -3500.0),
            (-1180.0, -2700.0),
            (-1260.0, -2100.0),
            (-860.0, -1500.0),
            (-940.0, -820.0),
            (-700.0, -300.0),
            (-760.0, 30.0),
            (-980.0, 560.0),
            (-860.0, 1300.0),
            (-1180.0, 1900.0),
            (-1080.0, 2600.0),
            (-1380.0, 3400.0),
        ],
    },
    Water {
        name: "Ріпне",
        line: &[
            (3120.0, 2120.0),
            (3260.0, 2060.0),
            (3460.0, 2140.0),
            (3480.0, 2330.0),
            (3280.0, 2420.0),
            (3110.0, 2300.0),
            (3120.0, 2120.0),
        ],
    },
    Water {
        name: "Сліпне",
        line: &[
            (2560.0, 2080.0),
            (2760.0, 2040.0),
            (2860.0, 2190.0),
            (2740.0, 2330.0),
            (2560.0, 2270.0),
            (2560.0, 2080.0),
        ],
    },
    Water {
        name: "Вейсове",
        line: &[
            (1960.0, 2180.0),
            (2200.0, 2110.0),
            (2370.0, 2260.0),
            (2310.0, 2520.0),
            (2050.0, 2580.0),
            (1890.0, 2400.0),
            (1960.0, 2180.0),
        ],
    },
];
