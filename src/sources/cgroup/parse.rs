//! The formats of a memory cgroup's files.

use super::Version;
use crate::sources::file::values;
use crate::sources::{Absent, Figure};

/// Version 1 writes "no limit" as the largest multiple of the page size below 2^63; nothing that
/// can be bought comes near.
const UNLIMITED: u64 = 1 << 62;

/// A file of one number, or "max".
pub fn number(text: &str, name: &'static str) -> Figure {
    let text = text.trim_end_matches('\n');
    if text == "max" {
        return Err(Absent::Unlimited(name));
    }
    finite(text.parse().map_err(|_| Absent::Malformed(name))?, name)
}

fn finite(bytes: u64, name: &'static str) -> Figure {
    if bytes < UNLIMITED { Ok(bytes) } else { Err(Absent::Unlimited(name)) }
}

/// The value of `key` in a file of `key value` lines.
pub fn line(text: &str, key: &'static str, name: &'static str) -> Figure {
    let [value] = values(text, b' ', [key]);
    decimal(value, key, name)
}

fn decimal(value: Option<&str>, key: &'static str, name: &'static str) -> Figure {
    value.ok_or(Absent::NoLine(name, key))?.parse().map_err(|_| Absent::Malformed(name))
}

/// What is taken from `memory.stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What the kernel drops before it kills: page cache, and in version 2 reclaimable slab. Shared
    /// memory is in neither: the kernel keeps it with anonymous memory, as only swap could take it.
    pub reclaimable: Figure,
    /// Version 1's limit over the group and all groups around it.
    pub hierarchical_limit: Figure,
}

impl Stat {
    /// The file could not be read.
    pub fn absent(reason: Absent) -> Self {
        Self { reclaimable: Err(reason), hierarchical_limit: Err(reason) }
    }
}

const STAT: &str = "memory.stat";

/// Reads `memory.stat`.
pub fn stat(text: &str, version: Version) -> Stat {
    const LIMIT: &str = "hierarchical_memory_limit";
    // Version 1's plain lines leave out the groups inside this one; its `total_` lines do not, like
    // memory.usage_in_bytes, which they are compared with.
    const V1: [&str; 3] = ["total_active_file", "total_inactive_file", LIMIT];
    const V2: [&str; 3] = ["active_file", "inactive_file", "slab_reclaimable"];
    let names = if version == Version::V1 { V1 } else { V2 };
    let found = values(text, b' ', names);
    let number = |index: usize| decimal(found[index], names[index], STAT);
    let sum = |count: usize| {
        (0..count).try_fold(0u64, |sum, index| sum.checked_add(number(index)?).ok_or(Absent::Malformed(STAT)))
    };
    match version {
        Version::V1 => Stat {
            reclaimable: sum(2),
            hierarchical_limit: number(2).and_then(|limit| finite(limit, "memory.limit_in_bytes")),
        },
        Version::V2 => Stat {
            reclaimable: sum(3),
            hierarchical_limit: Err(Absent::Because("only cgroup v1 has hierarchical_memory_limit")),
        },
    }
}

/// Pressure stall information: the share of time, in percent over the last 10, 60 and 300 seconds,
/// in which some or all tasks waited for memory, and the total wait (accounting/psi.rst).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pressure {
    /// At least one task waited.
    pub some: Stall,
    /// All tasks waited at once.
    pub full: Stall,
}

/// One line of a pressure file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stall {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total_us: u64,
}

const PRESSURE: &str = "memory.pressure";

pub fn pressure(text: &str) -> Result<Pressure, Absent> {
    let stall = |kind| text.lines().find_map(|line| parse_stall(line.strip_prefix(kind)?));
    match (stall("some "), stall("full ")) {
        (Some(some), Some(full)) => Ok(Pressure { some, full }),
        _ => Err(Absent::Malformed(PRESSURE)),
    }
}

/// `avg10=0.00 avg60=0.00 avg300=0.00 total=0`
fn parse_stall(fields: &str) -> Option<Stall> {
    let field =
        |name| fields.split_ascii_whitespace().find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    let share = |name| field(name)?.parse().ok().filter(|share: &f64| share.is_finite());
    Some(Stall {
        avg10: share("avg10")?,
        avg60: share("avg60")?,
        avg300: share("avg300")?,
        total_us: field("total")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        assert_eq!(number("536870912\n", "memory.max"), Ok(536_870_912));
        assert_eq!(number("max\n", "memory.max"), Err(Absent::Unlimited("memory.max")));
        for unlimited in ["9223372036854771712\n", "9223372036854710272\n"] {
            assert_eq!(number(unlimited, "limit"), Err(Absent::Unlimited("limit")));
        }
        for bad in ["", "\n", "-1\n", "1 2\n", "0x10\n", "99999999999999999999\n"] {
            assert_eq!(number(bad, "memory.max"), Err(Absent::Malformed("memory.max")), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_not_taken_for_one_that_starts_like_it() {
        let events = "low 0\nhigh 3\nmax 17\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(line(events, "oom_kill", "memory.events"), Ok(1));
        assert_eq!(line(events, "oom", "memory.events"), Ok(2));
        let old = "oom_kill_disable 0\nunder_oom 0\n";
        let missing = Err(Absent::NoLine("memory.oom_control", "oom_kill"));
        assert_eq!(line(old, "oom_kill", "memory.oom_control"), missing);
    }

    #[test]
    fn pressures() {
        let text = "some avg10=1.50 avg60=0.25 avg300=0.05 total=123456\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=42\n";
        let some = Stall { avg10: 1.5, avg60: 0.25, avg300: 0.05, total_us: 123_456 };
        let full = Stall { avg10: 0.0, avg60: 0.0, avg300: 0.0, total_us: 42 };
        assert_eq!(pressure(text), Ok(Pressure { some, full }));
        assert_eq!(pressure("some avg10=nan"), Err(Absent::Malformed(PRESSURE)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = number(&text, "f");
            let _ = line(&text, "oom_kill", "f");
            let _ = pressure(&text);
            for version in [Version::V1, Version::V2] {
                let _ = stat(&text, version);
            }
        }

        #[test]
        fn no_sum_overflows(a in any::<u64>(), b in any::<u64>(), c in any::<u64>()) {
            let text = format!("active_file {a}\ninactive_file {b}\nslab_reclaimable {c}\n");
            let sum = a.checked_add(b).and_then(|sum| sum.checked_add(c));
            prop_assert_eq!(stat(&text, Version::V2).reclaimable.ok(), sum);
        }
    }
}
