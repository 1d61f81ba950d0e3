//! Finds the directories of a process's cgroup: `/proc/self/cgroup` says which group, and
//! `/proc/self/mountinfo` says where its hierarchy is mounted (cgroups(7), proc(5)).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use crate::sources::Absent;
use crate::sources::file::read_text;

/// Another process's groups are looked for here too: the kernel writes the paths of its
/// `/proc/<pid>/cgroup` as the reader's namespace sees them (cgroup_namespaces(7)).
const MOUNTS: &str = "proc/self/mountinfo";

/// The version of a cgroup hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy per controller.
    V1,
    /// The unified hierarchy.
    V2,
}

/// What a group limits, as the kernel divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    Memory,
    Cpu,
    Cpuset,
}

impl Controller {
    fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::Cpuset => "cpuset",
        }
    }

    /// A file of each group that has this controller. The root of a version 2 hierarchy limits neither
    /// memory nor CPU time, and has no such file.
    fn limit_file(self, version: Version) -> &'static str {
        match (self, version) {
            (Controller::Memory, Version::V1) => "memory.limit_in_bytes",
            (Controller::Memory, Version::V2) => "memory.max",
            (Controller::Cpu, Version::V1) => "cpu.cfs_quota_us",
            (Controller::Cpu, Version::V2) => "cpu.max",
            (Controller::Cpuset, Version::V1) => "cpuset.cpus",
            (Controller::Cpuset, Version::V2) => "cpuset.cpus.effective",
        }
    }

    /// `/proc/self/cgroup` names no group.
    fn no_group(self) -> Absent {
        Absent::Because(match self {
            Controller::Memory => "the process is in no memory cgroup",
            Controller::Cpu => "the process is in no cpu cgroup",
            Controller::Cpuset => "the process is in no cpuset cgroup",
        })
    }

    fn not_shown(self) -> Absent {
        Absent::Because(match self {
            Controller::Memory => "the process's group is not mounted here, or does not account memory",
            Controller::Cpu => "the process's group is not mounted here, or does not limit CPU time",
            Controller::Cpuset => "the process's group is not mounted here, or has no cpuset",
        })
    }
}

/// Where the process's groups are.
#[derive(Debug, PartialEq, Eq)]
pub struct Location {
    pub version: Version,
    /// The groups that have the controller, the process's own first, then outwards.
    pub levels: Vec<Level>,
}

/// One group.
#[derive(Debug, PartialEq, Eq)]
pub struct Level {
    pub directory: PathBuf,
    /// Below the mount, with a leading slash.
    pub path: String,
}

/// `root` stands for `/`; `membership` is the text of `/proc/<pid>/cgroup`.
pub fn locate(root: &Path, membership: &str, pid: u32, controller: Controller) -> Result<Location, Absent> {
    let (version, path) = parse_membership(membership, controller).ok_or(controller.no_group())?;
    let mounts = parse_mounts(&read_text(&root.join(MOUNTS), MOUNTS)?, version, controller);
    let limit = controller.limit_file(version);
    let shown = mounts.iter().filter_map(|mount| {
        let below = below_mount(mount, path)?;
        let point = mount.point_under(root);
        point.join(&below).is_dir().then(|| levels(&point, &below, limit))
    });
    let roots = mounts.iter().filter_map(|mount| {
        let point = mount.point_under(root);
        lists(&point, pid).then(|| levels(&point, Path::new(""), limit))
    });
    let levels = shown.chain(roots).find(|levels| !levels.is_empty()).ok_or(controller.not_shown())?;
    Ok(Location { version, levels })
}

/// A container may see its own group as the root of a mount under a path that it cannot see: then the
/// group at that root lists the process.
fn lists(group: &Path, pid: u32) -> bool {
    let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    processes.lines().any(|line| line.parse() == Ok(pid))
}

/// Lines of `hierarchy-ID:controllers:path`. A controller that is bound to a version 1 hierarchy is not
/// in the unified one (hybrid systems have both), so version 1 decides.
fn parse_membership(text: &str, controller: Controller) -> Option<(Version, &str)> {
    let mut unified = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next(), parts.next());
        let (Some(controllers), Some(path)) = (controllers, path) else { continue };
        // The kernel marks a group that was removed under the process.
        let path = path.trim_end_matches(" (deleted)");
        if controllers.split(',').any(|name| name == controller.name()) {
            return Some((Version::V1, path));
        }
        if id == "0" && controllers.is_empty() {
            unified = Some((Version::V2, path));
        }
    }
    unified
}

/// A mounted hierarchy: the group that is its root, and where it is mounted.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    root: String,
    point: PathBuf,
}

impl Mount {
    fn point_under(&self, root: &Path) -> PathBuf {
        root.join(self.point.strip_prefix("/").unwrap_or(&self.point))
    }
}

/// Lines of `id parent major:minor root point options [optional…] - type source super-options`.
fn parse_mounts(text: &str, version: Version, controller: Controller) -> Vec<Mount> {
    let mount = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let mut right = right.split(' ');
        let (root, point) = (unescape(left.next()?), unescape(left.next()?));
        let (kind, options) = (right.next()?, right.nth(1).unwrap_or(""));
        let matches = match version {
            Version::V1 => kind == "cgroup" && options.split(',').any(|option| option == controller.name()),
            Version::V2 => kind == "cgroup2",
        };
        let root = String::from_utf8_lossy(&root).into_owned();
        matches.then(|| Mount { root, point: PathBuf::from(OsString::from_vec(point)) })
    };
    text.lines().filter_map(mount).collect()
}

/// Space, tab, newline and backslash are written as three octal digits (proc(5), mountinfo).
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| first == b'\\').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        bytes.push(octal.unwrap_or(first));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    bytes
}

/// The group `below` a mount point, and those around it, as far as they have the file `limit`.
fn levels(point: &Path, below: &Path, limit: &str) -> Vec<Level> {
    below
        .ancestors()
        .map(|group| Level { directory: point.join(group), path: format!("/{}", group.display()) })
        .filter(|level| level.directory.join(limit).exists())
        .collect()
}

/// The group's path below the mount point. `None` when the mount does not show it: in a container that
/// has its host's paths but not its host's hierarchy, or where a cgroup namespace writes `/..` for what
/// is outside of it (cgroup_namespaces(7)).
fn below_mount(mount: &Mount, path: &str) -> Option<PathBuf> {
    let below = Path::new(path).strip_prefix(&mount.root).ok()?;
    let plain = |part| matches!(part, Component::Normal(_) | Component::RootDir);
    let visible = below.components().all(plain) && Path::new(&mount.root).components().all(plain);
    visible.then(|| below.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn version_1_decides_on_hybrid_systems() {
        let hybrid = "4:memory:/service\n1:name=systemd:/service\n0::/service\n";
        let memory = |text| parse_membership(text, Controller::Memory);
        assert_eq!(memory(hybrid), Some((Version::V1, "/service")));
        assert_eq!(memory("9:cpu,memory:/a:b\n"), Some((Version::V1, "/a:b")));
        assert_eq!(memory("0::/x (deleted)\n"), Some((Version::V2, "/x")));
        assert_eq!(memory("3:cpu:/x\n"), None);
        assert_eq!(memory("garbage\n0::/\n"), Some((Version::V2, "/")));
    }

    #[test]
    fn each_controller_has_its_own_group() {
        let text = "5:cpuset:/sets\n4:cpu,cpuacct:/time\n3:memory:/bytes\n0::/unified\n";
        let of = |controller| parse_membership(text, controller).map(|(_, path)| path);
        assert_eq!(of(Controller::Memory), Some("/bytes"));
        assert_eq!(of(Controller::Cpu), Some("/time"));
        assert_eq!(of(Controller::Cpuset), Some("/sets"));
        let mounts = "32 31 0:29 / /cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                      33 31 0:30 / /sets rw - cgroup cgroup rw,cpuset\n";
        let points = |controller| {
            let mounts = parse_mounts(mounts, Version::V1, controller);
            mounts.into_iter().map(|mount| mount.point).collect::<Vec<_>>()
        };
        assert_eq!(points(Controller::Cpu), [PathBuf::from("/cpu")]);
        assert_eq!(points(Controller::Cpuset), [PathBuf::from("/sets")]);
        assert!(points(Controller::Memory).is_empty());
    }

    #[test]
    fn escaped_mount_points() {
        assert_eq!(unescape(r"/a\040b\134c"), br"/a b\c");
        assert_eq!(unescape(r"/a\04"), br"/a\04");
        assert_eq!(unescape(r"/\999x"), br"/\999x");
    }

    #[test]
    fn paths_below_the_mount() {
        let mount = |root: &str| Mount { root: root.into(), point: "/sys/fs/cgroup".into() };
        let below = |root, path| below_mount(&mount(root), path);
        assert_eq!(below("/", "/a/b"), Some("a/b".into()));
        assert_eq!(below("/docker/1", "/docker/1"), Some("".into()));
        assert_eq!(below("/docker/1", "/docker/1/inner"), Some("inner".into()));
        assert_eq!(below("/docker/1", "/docker/12"), None);
        assert_eq!(below("/", "/../../elsewhere"), None);
        assert_eq!(below("/../..", "/"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), path in any::<String>()) {
            parse_membership(&text, Controller::Cpu);
            for version in [Version::V1, Version::V2] {
                for mount in parse_mounts(&text, version, Controller::Memory) {
                    below_mount(&mount, &path);
                }
            }
        }

        #[test]
        fn no_mount_line_panics(
            root in "(/|[a-z./\\\\0-9]{0,12})", point in "[a-z./\\\\0-9 ]{0,20}", kind in "cgroup2?",
        ) {
            let line = format!("31 23 0:28 {root} {point} rw - {kind} cgroup rw,memory");
            for mount in parse_mounts(&line, Version::V1, Controller::Memory) {
                below_mount(&mount, &root);
            }
        }
    }
}
