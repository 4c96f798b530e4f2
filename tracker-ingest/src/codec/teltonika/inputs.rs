//! What the numbered elements of Teltonika's FM series mean, of those that are events or the odometer (Teltonika,
//! *FMB AVL ID*). Devices of other series number some of them alike and none of these otherwise.

use super::super::event::{DeviceEvent, Said};

/// Takes in one element of a record.
pub(in super::super) fn said_by_input(id: u16, value: u64, said: &mut Said) {
    let volts = || Some(value as f64 / 1000.0);
    match id {
        16 => said.odometer(Some(value as f64)),
        66 => said.volts(volts()),
        239 => said.ignition = (value <= 1).then_some(value == 1),
        _ => {}
    }
    let raised = match id {
        236 => DeviceEvent::Panic,
        246 => DeviceEvent::Tow,
        247 => DeviceEvent::Accident,
        249 => DeviceEvent::Jamming,
        252 => DeviceEvent::PowerCut,
        _ => return,
    };
    if value > 0 {
        said.raised.insert(raised);
    }
}
