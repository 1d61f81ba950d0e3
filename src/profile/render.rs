//! From jemalloc's text to what somebody looks at.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use super::resolve::{Generated, Resolved, resolve};
use crate::diagnosis::words;

use super::{Dump, Profile, dump, flamegraph, growth, pprof, stacks};

/// What a profile is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Pprof,
    Flamegraph,
    /// JSON, for the leak check.
    Stacks,
}

/// What is to be written, of what.
#[derive(Debug)]
pub struct Request {
    pub format: Format,
    /// jemalloc's texts: the one to show, and one from before that it is compared with.
    pub text: Vec<u8>,
    pub before: Option<Vec<u8>>,
    pub code: Generated,
    /// What the process is called.
    pub title: String,
    pub time: SystemTime,
    /// How long after `before` it was.
    pub duration: Option<Duration>,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum Error {
    Dump(dump::Error),
    Growth(growth::Incomparable),
    Write(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dump(error) => write!(f, "{error}"),
            Self::Growth(error) => write!(f, "{error}"),
            Self::Write(error) => write!(f, "the profile could not be written: {error}"),
        }
    }
}

/// For who looks at a picture: it has no room for notes.
const HOW_TO_NAME: &str = " (JavaScript without names: start it with heapgap run --profile)";

/// Reads, subtracts, names and writes. Takes as long as it takes: on a thread of its own.
pub fn render(request: Request) -> Result<Vec<u8>, Error> {
    let mut dump = parse(&request.text)?;
    drop(request.text);
    if let Some(before) = &request.before {
        dump = growth::between(&parse(before)?, dump).map_err(Error::Growth)?;
    }
    let Resolved { profile, lacks_javascript, notes } = resolve(dump, &request.code);
    let written = match request.format {
        Format::Pprof => pprof::encode(&profile, request.time, request.duration, &notes),
        Format::Flamegraph => {
            let hint = if lacks_javascript { HOW_TO_NAME } else { "" };
            let title = format!("{}{hint}", request.title);
            flamegraph::draw(&profile, &title, &subtitle(&profile, request.duration))
        }
        Format::Stacks => stacks::encode(&profile, &notes).map_err(io::Error::from),
    };
    written.map_err(Error::Write)
}

fn parse(text: &[u8]) -> Result<Dump, Error> {
    // File names are bytes, and need not be text: those are shown as well as they can be.
    dump::parse(&String::from_utf8_lossy(text)).map_err(Error::Dump)
}

/// `12 MB in 45 objects, estimated from a sample every 512 KB`
fn subtitle(profile: &Profile, duration: Option<Duration>) -> String {
    let shown = profile.stacks.iter().filter(|stack| stack.bytes > 0);
    let (objects, bytes) =
        shown.fold((0_i64, 0_i64), |(objects, bytes), stack| (objects + stack.objects, bytes + stack.bytes));
    let what = match duration {
        Some(duration) => format!("grown in {:.0} s: ", duration.as_secs_f64()),
        None => "live: ".to_owned(),
    };
    let every = profile.sample_bytes / 1024;
    format!(
        "{what}{} in {objects} objects, estimated from a sample every {every} KB",
        words::bytes(bytes as f64)
    )
}
