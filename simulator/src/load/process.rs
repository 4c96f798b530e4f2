//! What this process costs, as Linux tells it; nothing where it does not.

use std::fs;
use std::time::Duration;

/// Memory that is resident, bytes.
#[must_use]
pub fn rss_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    field(&status, "VmRSS:")?.parse::<u64>().ok().map(|kb| kb * 1024)
}

/// The time the calling thread has had a core.
#[must_use]
pub fn thread_cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// How many files and sockets the process may have open.
#[must_use]
pub fn descriptors() -> Option<u32> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let soft = field(&limits, "Max open files")?;
    if soft == "unlimited" { Some(u32::MAX) } else { soft.parse().ok() }
}

/// The name of the processor, for reports.
#[must_use]
pub fn processor() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find_map(|l| l.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
}

/// The first word after a name at the beginning of a line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_the_first_word_after_its_name() {
        let limits = "Limit                     Soft Limit           Hard Limit\nMax open files            1024                 4096    files\n";
        assert_eq!(field(limits, "Max open files"), Some("1024"));
        assert_eq!(field("VmRSS:\t    2048 kB\n", "VmRSS:"), Some("2048"));
        assert_eq!(field(limits, "Max cpu time"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells() {
        assert!(rss_bytes().is_some_and(|b| b > 100_000));
        assert!(descriptors().is_some_and(|n| n > 10));
        assert!(thread_cpu().is_some());
    }
}
