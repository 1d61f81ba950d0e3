//! Which devices file systems of a type have, from `/proc/self/mountinfo` (proc(5)).

use std::path::Path;

use super::Absent;
use super::file::read_text;

const MOUNTS: &str = "proc/self/mountinfo";
const OTHER: &str = "proc/<pid>/mountinfo";

/// Major and minor numbers. `root` stands for `/`.
pub fn devices(root: &Path, filesystem: &str) -> Result<Vec<(u32, u32)>, Absent> {
    Ok(parse(&read_text(&root.join(MOUNTS), MOUNTS)?, filesystem))
}

/// As another process has them mounted.
pub fn devices_of_other(root: &Path, pid: u32, filesystem: &str) -> Result<Vec<(u32, u32)>, Absent> {
    Ok(parse(&read_text(&root.join(format!("proc/{pid}/mountinfo")), OTHER)?, filesystem))
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`
fn parse(text: &str, filesystem: &str) -> Vec<(u32, u32)> {
    let device = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let (major, minor) = before.split(' ').nth(2)?.split_once(':')?;
        (after.split(' ').next() == Some(filesystem)).then_some((major.parse().ok()?, minor.parse().ok()?))
    };
    text.lines().filter_map(device).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn devices_of_a_type() {
        let text = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                    23 22 0:27 / /dev/shm rw,nosuid shared:4 - tmpfs tmpfs rw\n\
                    24 22 0:28 / /run rw - tmpfs tmpfs rw\n\
                    25 22 0:29 / /a\\040-\\040tmpfs rw - devtmpfs udev rw\n";
        assert_eq!(parse(text, "tmpfs"), [(0, 27), (0, 28)]);
        assert_eq!(parse(text, "ext4"), [(8, 1)]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), device in "[0-9:]{0,14}") {
            parse(&text, "tmpfs");
            parse(&format!("1 2 {device} / / rw - tmpfs"), "tmpfs");
        }
    }
}
