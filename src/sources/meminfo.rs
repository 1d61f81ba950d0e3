//! The machine's memory, from `/proc/meminfo` (proc(5)).

use std::path::Path;
use std::sync::OnceLock;

use super::file::{KernelFile, values};
use super::process::parse_value;
use super::{Absent, Figure};

const MEMINFO: &str = "proc/meminfo";

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meminfo {
    /// `MemTotal`.
    pub total: Figure,
    /// `MemAvailable`: what can be had without swapping.
    pub available: Figure,
}

/// Reads it anew.
pub fn read() -> Result<Meminfo, Absent> {
    static FILE: OnceLock<KernelFile> = OnceLock::new();
    FILE.get_or_init(|| KernelFile::new(Path::new("/"), MEMINFO)).read(|text| Ok(parse(text)))
}

fn parse(text: &str) -> Meminfo {
    const NAMES: [&str; 2] = ["MemTotal", "MemAvailable"];
    let values = values(text, b':', NAMES);
    let figure = |index: usize| {
        let value = values[index].ok_or(Absent::NoLine(MEMINFO, NAMES[index]))?;
        parse_value(value).ok_or(Absent::Malformed(MEMINFO))
    };
    Meminfo { total: figure(0), available: figure(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_kernel_s_text() {
        let text = "MemTotal:       24630160 kB\nMemFree:        20312344 kB\nMemAvailable:   23124032 kB\n";
        let meminfo = Meminfo { total: Ok(24_630_160 * 1024), available: Ok(23_124_032 * 1024) };
        assert_eq!(parse(text), meminfo);
    }

    #[test]
    fn kernels_before_3_14_do_not_say_what_is_available() {
        let meminfo = parse("MemTotal: 1 kB\nMemFree: 1 kB\n");
        assert_eq!(meminfo.available, Err(Absent::NoLine(MEMINFO, "MemAvailable")));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            parse(&text);
        }
    }
}
