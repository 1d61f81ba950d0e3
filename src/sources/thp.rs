//! Whether the kernel uses transparent huge pages (`admin-guide/mm/transhuge.rst`).

use std::path::Path;

use super::file::read_text;
use super::{Absent, Figure};

const ENABLED: &str = "sys/kernel/mm/transparent_hugepage/enabled";
const SIZE: &str = "sys/kernel/mm/transparent_hugepage/hpage_pmd_size";

/// Which memory the kernel may give huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All of it, asked for or not.
    Always,
    /// What a process asks for (madvise(2), `MADV_HUGEPAGE`).
    Madvise,
    /// None.
    Never,
}

impl Mode {
    /// What the kernel calls it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Always => "always",
            Mode::Madvise => "madvise",
            Mode::Never => "never",
        }
    }
}

/// The machine's mode. `root` stands for `/`.
pub fn mode(root: &Path) -> Result<Mode, Absent> {
    parse(&read_text(&root.join(ENABLED), ENABLED)?)
}

/// How large a huge page is, in bytes. `root` stands for `/`.
pub fn page_size(root: &Path) -> Figure {
    let text = read_text(&root.join(SIZE), SIZE)?;
    text.trim().parse().ok().filter(|&size: &u64| size.is_power_of_two()).ok_or(Absent::Malformed(SIZE))
}

/// The mode in brackets: `always [madvise] never`.
fn parse(text: &str) -> Result<Mode, Absent> {
    match text.split_once('[').and_then(|(_, rest)| rest.split_once(']')) {
        Some(("always", _)) => Ok(Mode::Always),
        Some(("madvise", _)) => Ok(Mode::Madvise),
        Some(("never", _)) => Ok(Mode::Never),
        _ => Err(Absent::Malformed(ENABLED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn modes() {
        assert_eq!(parse("[always] madvise never\n"), Ok(Mode::Always));
        assert_eq!(parse("always [madvise] never\n"), Ok(Mode::Madvise));
        assert_eq!(parse("always madvise [never]\n"), Ok(Mode::Never));
        for bad in ["", "always madvise never\n", "[inherit]", "[always", "]madvise["] {
            assert_eq!(parse(bad), Err(Absent::Malformed(ENABLED)), "{bad:?}");
        }
    }

    #[test]
    fn a_kernel_without_them() {
        assert_eq!(page_size(Path::new("/nonexistent")), Err(Absent::File(SIZE, libc::ENOENT)));
        assert_eq!(mode(Path::new("/nonexistent")), Err(Absent::File(ENABLED, libc::ENOENT)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), inside in "[a-z\\[\\]]{0,9}") {
            let _ = parse(&text);
            let _ = parse(&format!("a [{inside}] b"));
        }
    }
}
