use transit_model::fix::Source;

use super::super::{AttrKey, AttrValue, Record};
use super::{DeviceEvent, Events, Said};

fn of(source: Source, attributes: Vec<(AttrKey, AttrValue)>) -> Said {
    Said::of(source, &Record { attributes, ..Record::default() })
}

fn named(name: &'static str, value: AttrValue) -> Said {
    of(Source::Gt06, vec![(AttrKey::Name(name), value)])
}

fn input(source: Source, id: u16, value: u64) -> Said {
    of(source, vec![(AttrKey::Io(id), AttrValue::Int(value))])
}

#[test]
fn an_event_has_one_name_words_in_two_languages_and_a_bit_of_its_own() {
    let mut all = Events::NONE;
    for e in DeviceEvent::ALL {
        assert_eq!(DeviceEvent::named(e.name()), Some(*e));
        assert!(!all.contains(*e), "{e} shares its bit");
        all.insert(*e);
        let (uk, en) = e.words();
        assert!(uk.chars().any(|c| ('а'..='я').contains(&c)) && en.is_ascii(), "{e}");
    }
    assert_eq!(all.iter().collect::<Vec<_>>(), DeviceEvent::ALL);
    assert_eq!(DeviceEvent::named("full_moon"), None);
}

#[test]
fn an_odometer_of_nothing_is_none() {
    for (metres, known) in [
        (0.0, None),
        (-3.0, None),
        (f64::NAN, None),
        (1e10, None),
        (0.6, None),
        (1.4, Some(1)),
        (42e6, Some(42_000_000)),
    ] {
        assert_eq!(named("odometer", AttrValue::Float(metres)).odometer_m, known, "{metres}");
    }
}

#[test]
fn volts_say_whether_the_vehicle_feeds_the_device() {
    for (volts, fed) in [(0.0, Some(false)), (4.1, Some(false)), (6.0, None), (12.6, Some(true)), (27.9, Some(true))] {
        assert_eq!(named("power", AttrValue::Float(volts)).powered, fed, "{volts}");
    }
    // The device's own word wins over the volts of a wire that is left open.
    let both = [("external_power", AttrValue::Bool(true)), ("power", AttrValue::Float(0.3))];
    let said = of(Source::Tk103, both.map(|(n, v)| (AttrKey::Name(n), v)).to_vec());
    assert_eq!(said.powered, Some(true));
}

#[test]
fn numbered_inputs_mean_something_in_their_own_protocol_only() {
    use DeviceEvent::{Accident, Jamming, Panic, PowerCut, Tow};
    let t = Source::Teltonika;
    assert_eq!(input(t, 16, 123_456).odometer_m, Some(123_456));
    assert_eq!([1, 0, 7].map(|v| input(t, 239, v).ignition), [Some(true), Some(false), None]);
    assert_eq!([0, 27_952].map(|mv| input(Source::Bitrek, 66, mv).powered), [Some(false), Some(true)]);
    for (id, event) in [(236, Panic), (246, Tow), (247, Accident), (249, Jamming), (252, PowerCut)] {
        assert_eq!(input(t, id, 1).raised, Events::from_iter([event]));
        assert!(input(t, id, 0).is_silent());
    }
    assert_eq!(input(Source::Ruptela, 252, 1), Said::default());
}

#[test]
fn osmand_and_wialon_call_things_by_names_of_their_own() {
    let own =
        |source, name: &str, value: &str| of(source, vec![(AttrKey::Own(name.into()), AttrValue::Text(value.into()))]);
    assert_eq!(own(Source::Osmand, "odometer", "1234.6").odometer_m, Some(1235));
    assert_eq!(own(Source::Osmand, "ignition", "true").ignition, Some(true));
    assert_eq!(own(Source::Osmand, "alarm", "sos").raised, Events::from_iter([DeviceEvent::Panic]));
    assert_eq!(own(Source::Wialon, "pwr_ext", "27.4").powered, Some(true));
    assert_eq!(own(Source::Wialon, "ignition", "true"), Said::default(), "a name anybody may give to anything");
}

#[test]
fn what_is_about_driving_is_no_event_of_the_device() {
    for word in ["overspeed", "harsh_braking", "geofence_exit", "fatigue", "temperature"] {
        assert!(named("alarm", AttrValue::Text(word.into())).is_silent(), "{word}");
    }
}
