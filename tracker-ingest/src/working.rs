//! By which of its tracker's inputs a machine tells that it works: plough down, pump on.
//!
//! An input is an attribute as `zupynka decode` prints it (`io9`, `ignition`), or one bit of it
//! (`inputs.1` = the first), with `!` before it where it is turned round.

use transit_model::dispatch::{MachineKind, VehicleKind};

use crate::codec::{AttrValue, Record};

/// One input.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Input {
    attribute: String,
    /// Which bit, from 0; `None` = whether the value is not zero.
    bit: Option<u32>,
    inverted: bool,
}

impl Input {
    fn named(text: &str) -> Self {
        let (inverted, rest) = text.trim().strip_prefix('!').map_or((false, text.trim()), |rest| (true, rest));
        let split = rest.rsplit_once('.').and_then(|(name, n)| {
            let n = n.parse::<u32>().ok().filter(|n| (1..=64).contains(n))?;
            Some((name, n - 1))
        });
        let (attribute, bit) = split.map_or((rest, None), |(name, n)| (name, Some(n)));
        Self { attribute: attribute.to_owned(), bit, inverted }
    }

    fn read(&self, record: &Record) -> Option<bool> {
        let (_, value) = record.attributes.iter().find(|(k, _)| k.to_string() == self.attribute)?;
        let on = match (value, self.bit) {
            (AttrValue::Int(v), Some(bit)) => v >> bit & 1 == 1,
            (AttrValue::Int(v), None) => *v != 0,
            (AttrValue::Bool(v), None | Some(0)) => *v,
            (AttrValue::Float(v), None) => *v != 0.0,
            (AttrValue::Text(v), None) => !matches!(&**v, "" | "0" | "false" | "off" | "no"),
            _ => return None,
        };
        Some(on != self.inverted)
    }
}

/// The inputs of each kind of machine.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WorkingInputs([Option<Input>; MachineKind::ALL.len()]);

impl WorkingInputs {
    /// These inputs, by kind.
    pub fn new<'a>(inputs: impl IntoIterator<Item = (MachineKind, &'a str)>) -> Self {
        let mut all = Self::default();
        for (kind, text) in inputs {
            if let Some(slot) = all.0.get_mut(kind.at()) {
                *slot = Some(Input::named(text));
            }
        }
        all
    }

    /// Whether a vehicle's record says that it works; `None` where it says nothing of it.
    #[must_use]
    pub fn read(&self, kind: VehicleKind, record: &Record) -> Option<bool> {
        self.0.get(kind.machine()?.at())?.as_ref()?.read(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::AttrKey;

    fn says(input: &str, kind: VehicleKind, key: AttrKey, value: AttrValue) -> Option<bool> {
        let record = Record { attributes: vec![(key, value)], ..Record::default() };
        WorkingInputs::new([(MachineKind::Plough, input)]).read(kind, &record)
    }

    #[test]
    fn an_input_is_read_as_the_city_says() {
        use VehicleKind::{Plough, Sweeper, Transit};
        let inputs = || AttrKey::Name("inputs");
        assert_eq!(says("io9", Plough, AttrKey::Io(9), AttrValue::Int(1)), Some(true));
        assert_eq!(says("!io9", Plough, AttrKey::Io(9), AttrValue::Int(1)), Some(false));
        assert_eq!(says("inputs.2", Plough, inputs(), AttrValue::Int(0b10)), Some(true));
        assert_eq!(says("inputs.1", Plough, inputs(), AttrValue::Int(0b10)), Some(false));
        assert_eq!(says("pto", Plough, AttrKey::Own("pto".into()), AttrValue::Text("off".into())), Some(false));
        assert_eq!(says("io9", Plough, AttrKey::Io(8), AttrValue::Int(1)), None, "another input");
        assert_eq!(says("io9", Sweeper, AttrKey::Io(9), AttrValue::Int(1)), None, "another kind");
        assert_eq!(says("io9", Transit, AttrKey::Io(9), AttrValue::Int(1)), None);
    }
}
