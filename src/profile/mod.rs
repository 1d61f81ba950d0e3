//! Heap profiles: which stacks hold the memory that jemalloc has sampled.
//!
//! `dump` reads what jemalloc writes, `growth` subtracts one dump from another, `names` turns addresses into
//! functions and folds what nobody asked about, `pprof`, `flamegraph` and `stacks` write it down: all of them pure.
//! `resolve` asks `sources/` what files call the addresses; `render` puts it all together.

pub mod dump;
pub mod flamegraph;
pub mod growth;
pub mod names;
pub mod pprof;
pub mod render;
pub mod resolve;
pub mod stacks;

/// A user's address has so many bits, here; what is above is a signature (Arm, pointer authentication), or the version of
/// generated code (`control::profiler`).
pub const ADDRESS_BITS: u32 = 48;

/// The bits of an address that say where it is.
pub const ADDRESS: u64 = (1 << ADDRESS_BITS) - 1;

/// What jemalloc had sampled at one moment, in addresses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dump {
    /// The mean number of bytes between two samples.
    pub sample_bytes: u64,
    pub stacks: Vec<Stack>,
    /// What was executable at that moment.
    pub mappings: Vec<Mapping>,
}

/// What one stack has allocated that is still live; estimated from the samples. Negative in a difference,
/// where more was freed than allocated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stack {
    /// Return addresses, the innermost first; those in generated code with its version.
    pub addresses: Vec<u64>,
    pub objects: i64,
    pub bytes: i64,
}

/// A part of the address space that holds code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    pub start: u64,
    pub end: u64,
    /// Where in the file it starts.
    pub offset: u64,
    /// `None` where the kernel names no file: code that was generated at run time.
    pub path: Option<String>,
    pub build_id: Option<String>,
}

/// A dump whose addresses have names, without the frames that say nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    pub sample_bytes: u64,
    pub stacks: Vec<NamedStack>,
    pub locations: Vec<Location>,
    pub mappings: Vec<Mapping>,
}

/// As [`Stack`], in locations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedStack {
    /// Indices into [`Profile::locations`], the innermost first.
    pub locations: Vec<usize>,
    pub objects: i64,
    pub bytes: i64,
}

/// One address of code, without a version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Location {
    pub address: u64,
    /// An index into [`Profile::mappings`].
    pub mapping: Option<usize>,
    pub function: Function,
}

/// A function, as a person would know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// Demangled; for code without a name, what can be said of it, in brackets.
    pub name: String,
    /// As the file, or V8, has it; empty where there is none.
    pub system_name: String,
    /// Its source file: JavaScript only.
    pub file: Option<String>,
    /// Where the function starts in its file, from 1.
    pub line: Option<u32>,
    pub kind: Kind,
}

/// Whose code it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Compiled ahead: Node.js, V8, libraries, addons.
    #[default]
    Native,
    /// Of a script or a WebAssembly module, Node.js's own included.
    JavaScript,
    /// Nobody knows its name.
    Unknown,
}
