//! Starting this very program anew in this very process, for `heapgap/preload`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ffi::{CString, OsString, c_char, c_ulong};
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::ptr;

use super::handover::{Handover, channel, environment};

/// Replaces this process by a new start of its executable, with the arguments and the environment that it was
/// started with, and `variables` added. `arguments` are given where the kernel's copy of them is spoilt;
/// `script` is what Node.js has read from standard input, to be read there again.
///
/// `has_parent` says that it has a channel to its parent.
///
/// Returns only when that fails; everything is then as it was.
pub fn reexec(
    arguments: Option<Vec<String>>,
    variables: &HashMap<String, String>,
    script: Option<&str>,
    has_parent: bool,
) -> io::Error {
    match try_reexec(arguments, variables, script, has_parent) {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

fn try_reexec(
    arguments: Option<Vec<String>>,
    variables: &HashMap<String, String>,
    script: Option<&str>,
    has_parent: bool,
) -> io::Result<Infallible> {
    if auxiliary(libc::AT_SECURE) != 0 {
        return Err(io::Error::other(
            "the executable has file capabilities, or is set-user-ID or set-group-ID, and then the \
             dynamic linker ignores LD_PRELOAD",
        ));
    }
    // The kernel has loaded no dynamic linker, where the command was one: its arguments name the program.
    if arguments.is_some() && auxiliary(libc::AT_BASE) == 0 {
        return Err(io::Error::other(
            "it was started through the dynamic linker, by arguments that are lost",
        ));
    }
    let file = CString::new(executable()?)?;
    let arguments = match arguments {
        Some(arguments) => arguments.into_iter().map(String::into_bytes).collect(),
        None => parse_cmdline(&fs::read("/proc/self/cmdline")?),
    };
    let arguments = CStrings::new(arguments)?;
    let environment = environment(variables);
    if has_parent && channel(&environment).is_none() {
        return Err(io::Error::other("what tells of the channel to its parent cannot be read"));
    }
    let _handover = Handover::new(&environment);
    let pair = |(name, value): (OsString, OsString)| [name.into_vec(), value.into_vec()].join(&b'=');
    let environment = CStrings::new(environment.into_iter().map(pair).collect())?;
    // After the handover, which takes the descriptors below a gap for inherited: this makes one more.
    let _stdin = script.map(Stdin::holding).transpose()?;
    // SAFETY: execve(2): a string and two arrays of strings that end with a null pointer, all alive.
    unsafe { libc::execve(file.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    Err(io::Error::last_os_error())
}

/// getauxval(3).
fn auxiliary(kind: c_ulong) -> c_ulong {
    // SAFETY: getauxval accepts any type; 0 where there is no such entry.
    unsafe { libc::getauxval(kind) }
}

/// The executable's path where it still names it: the kernel calls the process by the path's last part
/// (prctl(2), PR_SET_NAME), and through `/proc/self/exe` it would be called "exe".
fn executable() -> io::Result<Vec<u8>> {
    const SELF: &str = "/proc/self/exe";
    let identity = |path: &std::path::Path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    let own = identity(SELF.as_ref())?;
    let path = fs::read_link(SELF)?;
    let same = identity(&path).is_ok_and(|other| other == own);
    Ok(if same { path.into_os_string().into_vec() } else { SELF.into() })
}

/// Arguments that each end with a null byte (proc(5), /proc/pid/cmdline).
fn parse_cmdline(bytes: &[u8]) -> Vec<Vec<u8>> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    bytes.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect()
}

/// What execve(2) takes as `argv` and `envp`.
struct CStrings {
    pointers: Vec<*const c_char>,
    _strings: Vec<CString>,
}

impl CStrings {
    fn new(strings: Vec<Vec<u8>>) -> io::Result<Self> {
        let strings = strings.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { pointers, _strings: strings })
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

/// Standard input while it is replaced by a file that holds a script. Dropped, it is itself again.
struct Stdin {
    original: File,
}

impl Stdin {
    fn holding(script: &str) -> io::Result<Self> {
        // SAFETY: fcntl(2); the number it answers is ours to close, and a File does.
        let original = unsafe { owned(libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3)) }?;
        // SAFETY: memfd_create(2) takes a string, and its answer is ours to close.
        let mut file = unsafe { owned(libc::memfd_create(c"stdin".as_ptr(), libc::MFD_CLOEXEC)) }?;
        file.write_all(script.as_bytes())?;
        file.rewind()?;
        replace_stdin(&file)?;
        Ok(Self { original })
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        // Nothing is left to do where it fails.
        let _ = replace_stdin(&self.original);
    }
}

fn replace_stdin(file: &File) -> io::Result<()> {
    // SAFETY: dup2(2) on any number is safe.
    match unsafe { libc::dup2(file.as_raw_fd(), 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// # Safety
/// `descriptor` is -1 with `errno` set, or open and nobody else's.
unsafe fn owned(descriptor: RawFd) -> io::Result<File> {
    match descriptor {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: as the caller promises.
        _ => Ok(unsafe { File::from_raw_fd(descriptor) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arguments_keep_every_byte() {
        let given = parse_cmdline(b"node\0server.js\0a b\0caf\xe9\0\0");
        assert_eq!(given, [&b"node"[..], b"server.js", b"a b", b"caf\xe9", b""]);
        assert_eq!(parse_cmdline(b"node\0"), [b"node"]);
    }

    proptest! {
        #[test]
        fn what_was_given_comes_back(args in prop::collection::vec("[^\0]{0,8}", 1..6)) {
            let bytes: Vec<u8> = args.iter().flat_map(|arg| [arg.as_bytes(), &[0]].concat()).collect();
            let expected: Vec<Vec<u8>> = args.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(parse_cmdline(&bytes), expected);
        }
    }
}
