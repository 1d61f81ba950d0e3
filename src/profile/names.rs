//! Turns addresses into functions, and folds the frames that nobody asked about.

use std::collections::HashMap;

use cpp_demangle::{DemangleOptions, Symbol};

use super::{Dump, Function, Kind, Location, Mapping, NamedStack, Profile, Stack};

/// What was looked up, by the address of the call: a stack holds where a call returns to, which may be the next
/// function already.
#[derive(Debug, Default)]
pub struct Lookup {
    /// As the linker has them.
    pub native: HashMap<u64, String>,
    /// As V8 has them.
    pub generated: HashMap<u64, String>,
}

/// Where the call was from which `address` is the return.
pub fn call_site(address: u64) -> u64 {
    address.saturating_sub(1)
}

/// The mapping that `address` is in.
pub fn mapping_of(mappings: &[Mapping], address: u64) -> Option<usize> {
    mappings.iter().position(|mapping| (mapping.start..mapping.end).contains(&address))
}

/// jemalloc cuts stacks here (opt.prof_bt_max).
const DEEPEST: usize = 128;

/// What an address is to a reader of the profile.
struct Frame {
    location: usize,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The backtrace itself: heapgap's hook and the unwinder.
    Backtrace,
    /// The allocator, and what only hands on to it.
    Allocation,
    /// How V8 gets from one function to the next.
    Plumbing,
    Code,
}

/// Names the stacks of `dump`.
pub fn name(dump: Dump, found: &Lookup) -> Profile {
    let Dump { sample_bytes, stacks, mappings } = dump;
    let mut naming = Naming { mappings: &mappings, found, locations: Vec::new(), known: HashMap::new() };
    let mut sums: HashMap<Vec<usize>, (i64, i64)> = HashMap::new();
    for stack in &stacks {
        let sum = sums.entry(naming.frames(stack)).or_default();
        sum.0 += stack.objects;
        sum.1 += stack.bytes;
    }
    let locations = naming.locations;
    let mut stacks: Vec<_> = sums
        .into_iter()
        .map(|(locations, (objects, bytes))| NamedStack { locations, objects, bytes })
        .collect();
    stacks
        .sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.locations.cmp(&other.locations)));
    Profile { sample_bytes, stacks, locations, mappings }
}

struct Naming<'a> {
    mappings: &'a [Mapping],
    found: &'a Lookup,
    locations: Vec<Location>,
    known: HashMap<u64, (usize, Role)>,
}

impl Naming<'_> {
    /// The locations of a stack that are worth showing.
    fn frames(&mut self, stack: &Stack) -> Vec<usize> {
        let frames: Vec<_> = stack.addresses.iter().map(|&address| self.frame(address)).collect();
        let mut locations = self.folded(&frames);
        if stack.addresses.len() >= DEEPEST {
            locations.push(self.cut());
        }
        locations
    }

    fn folded(&self, frames: &[Frame]) -> Vec<usize> {
        let asked = frames.iter().skip_while(|frame| frame.role == Role::Backtrace);
        let asked = asked.skip_while(|frame| frame.role == Role::Allocation);
        let mut locations: Vec<_> =
            asked.filter(|frame| frame.role != Role::Plumbing).map(|frame| frame.location).collect();
        // Functions without a name are one to the reader, however many they are.
        locations.dedup_by(|one, other| self.is_same_unknown(*one, *other));
        match (locations.is_empty(), frames.last()) {
            // All of it is plumbing: memory that the allocator took for itself, say.
            (true, Some(last)) => vec![last.location],
            _ => locations,
        }
    }

    fn is_same_unknown(&self, one: usize, other: usize) -> bool {
        let [one, other] = [one, other].map(|index| &self.locations[index].function);
        one.kind == Kind::Unknown && one == other
    }

    fn frame(&mut self, address: u64) -> Frame {
        if let Some(&(location, role)) = self.known.get(&address) {
            return Frame { location, role };
        }
        let mapping = mapping_of(self.mappings, call_site(address));
        let (function, role) = self.function(call_site(address), mapping);
        let location = self.add(address, Location { address, mapping, function }, role);
        Frame { location, role }
    }

    fn add(&mut self, address: u64, location: Location, role: Role) -> usize {
        self.locations.push(location);
        self.known.insert(address, (self.locations.len() - 1, role));
        self.locations.len() - 1
    }

    /// Stands for what is missing of a stack that was cut.
    fn cut(&mut self) -> usize {
        if let Some(&(location, _)) = self.known.get(&0) {
            return location;
        }
        let function = unknown("[cut: the stack was deeper]");
        self.add(0, Location { address: 0, mapping: None, function }, Role::Code)
    }

    fn function(&self, address: u64, mapping: Option<usize>) -> (Function, Role) {
        let path =
            mapping.and_then(|index| self.mappings.get(index)).and_then(|mapping| mapping.path.as_deref());
        if let Some(name) = self.found.native.get(&address) {
            return native(name, path.unwrap_or_default());
        }
        if let Some(name) = self.found.generated.get(&address) {
            return generated(name);
        }
        match (path, mapping) {
            (Some(path), _) => (unnamed_native(path), role_of_file(path)),
            (None, Some(_)) => (unknown("[compiled JavaScript]"), Role::Code),
            (None, None) => (unknown("[unknown]"), Role::Code),
        }
    }
}

fn unknown(name: &str) -> Function {
    Function { name: name.to_owned(), kind: Kind::Unknown, ..Function::default() }
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn unnamed_native(path: &str) -> Function {
    Function { name: format!("[{}]", base_name(path)), ..Function::default() }
}

/// By the file's name, as distributions and heapgap's packages have them.
fn role_of_file(path: &str) -> Role {
    let name = base_name(path);
    if name.starts_with("heapgap.") && name.ends_with(".node") || name.starts_with("libgcc_s.so") {
        Role::Backtrace
    } else if name.starts_with("libjemalloc") {
        Role::Allocation
    } else {
        Role::Code
    }
}

fn native(name: &str, path: &str) -> (Function, Role) {
    if let Some(builtin) = name.strip_prefix("Builtins_") {
        return v8_builtin(builtin, name);
    }
    let demangled = demangle(name);
    let role = match role_of_file(path) {
        Role::Code if is_allocation(&demangled) => Role::Allocation,
        role => role,
    };
    (Function { name: demangled, system_name: name.to_owned(), ..Function::default() }, role)
}

/// Without parameters: a frame of a graph has little room, and `system_name` has them.
fn demangle(name: &str) -> String {
    if let Ok(demangled) = rustc_demangle::try_demangle(name) {
        return format!("{demangled:#}");
    }
    let short = DemangleOptions::new().no_params().no_return_type();
    let symbol = Symbol::new(name).ok();
    symbol.and_then(|symbol| symbol.demangle_with_options(&short).ok()).unwrap_or_else(|| name.to_owned())
}

/// Those of C and POSIX, C++ and Rust, of a jemalloc that is linked in, and Node.js's, which only check for failure.
fn is_allocation(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "aligned_alloc",
        "calloc",
        "malloc",
        "mallocx",
        "memalign",
        "posix_memalign",
        "pvalloc",
        "rallocx",
        "realloc",
        "reallocarray",
        "strdup",
        "strndup",
        "uv__malloc",
        "uv__calloc",
        "uv__realloc",
        "valloc",
    ];
    const PREFIXES: &[&str] = &[
        "je_",
        "prof_backtrace",
        "prof_tctx_create",
        "imalloc",
        "operator new",
        "std::allocator",
        "std::__new_allocator",
        "__gnu_cxx::new_allocator",
        "__rust_alloc",
        "__rust_realloc",
        "__rdl_",
        "alloc::alloc::",
        "alloc::raw_vec::",
        "node::Malloc",
        "node::Calloc",
        "node::Realloc",
        "node::UncheckedMalloc",
        "node::UncheckedCalloc",
        "node::UncheckedRealloc",
        "node::NodeArrayBufferAllocator::",
        "v8::internal::Malloced",
        "v8::internal::AllocWithRetry",
        "v8::base::Malloc",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Parts of V8 that generated code calls, or that call it (V8's src/builtins/builtins-definitions.h).
fn v8_builtin(builtin: &str, system_name: &str) -> (Function, Role) {
    const PLUMBING: &[&str] = &[
        "ArgumentsAdaptor",
        "BaselineOutOfLinePrologue",
        "BaselineOrInterpreter",
        "CEntry",
        "Call_",
        "CallApi",
        "CallBoundFunction",
        "CallFunction",
        "CallProxy",
        "CallVarargs",
        "CallWith",
        "Construct",
        "HandleApi",
        "InterpreterEnter",
        "InterpreterOnStackReplacement",
        "InterpreterPushArgs",
        "JSBuiltinsConstructStub",
        "JSConstruct",
        "JSEntry",
        "JSRunMicrotasksEntry",
        "JSToWasm",
        "WasmToJs",
    ];
    // Each function that is interpreted returns to here, where it has no copy of its own
    // (--interpreted-frames-native-stack).
    if builtin.starts_with("InterpreterEntryTrampoline") {
        return (unknown("[interpreted JavaScript]"), Role::Code);
    }
    let is_plumbing =
        builtin.ends_with("Handler") || PLUMBING.iter().any(|prefix| builtin.starts_with(prefix));
    let function = Function {
        name: builtin.to_owned(),
        system_name: system_name.to_owned(),
        kind: Kind::JavaScript,
        ..Function::default()
    };
    (function, if is_plumbing { Role::Plumbing } else { Role::Code })
}

/// Code by V8's name for it: `<tag>:<name>`, and for scripts `<tag>:<tier><name> <script>:<line>:<column>` (V8's
/// src/logging/log.cc).
fn generated(name: &str) -> (Function, Role) {
    let named = |shown: &str| Function {
        name: shown.to_owned(),
        system_name: name.to_owned(),
        kind: Kind::JavaScript,
        ..Function::default()
    };
    match name.split_once(':') {
        Some(("Builtin", builtin)) => v8_builtin(builtin, name),
        Some(("BytecodeHandler" | "Stub", rest)) => (named(rest), Role::Plumbing),
        Some(("RegExp", _)) => (named(name), Role::Code),
        Some((_, rest)) => (Function { system_name: name.to_owned(), ..script_function(rest) }, Role::Code),
        None => (named(name), Role::Code),
    }
}

fn script_function(text: &str) -> Function {
    let text = without_tier(text);
    let (text, line) = match position(text) {
        Some((rest, line)) => (rest, Some(line)),
        None => (text, None),
    };
    let (name, script) = name_and_script(text);
    let file = (!script.is_empty()).then(|| path_of(script));
    let name = if name.is_empty() { "(anonymous)" } else { name };
    Function { name: name.to_owned(), file, line, kind: Kind::JavaScript, ..Function::default() }
}

/// V8 marks what has compiled a function: `~` the interpreter, `^` the baseline compiler, `+` Maglev, `*` TurboFan; `o` before
/// that for code that a loop goes on in, `'` behind it for code of one closure (CodeKindToMarker in V8's src/objects/code-kind.cc).
fn without_tier(text: &str) -> &str {
    const TIERS: [char; 4] = ['~', '^', '+', '*'];
    let rest = text.strip_prefix('o').filter(|rest| rest.starts_with(TIERS)).unwrap_or(text);
    let rest = rest.strip_prefix(TIERS).unwrap_or(rest);
    rest.strip_prefix('\'').unwrap_or(rest)
}

/// Splits `…:<line>:<column>`.
fn position(text: &str) -> Option<(&str, u32)> {
    let (rest, column) = text.rsplit_once(':')?;
    let (rest, line) = rest.rsplit_once(':')?;
    column.parse::<u32>().ok()?;
    Some((rest, line.parse().ok()?))
}

/// Only accessors' names have a space; a script's path can have many.
fn name_and_script(text: &str) -> (&str, &str) {
    let accessor = ["get ", "set "].into_iter().find(|prefix| text.starts_with(prefix)).map_or(0, str::len);
    match text[accessor..].split_once(' ') {
        Some((name, script)) => (&text[..accessor + name.len()], script),
        None => (text, ""),
    }
}

/// The path that a file's URL stands for; other names stay.
fn path_of(script: &str) -> String {
    let Some(encoded) = script.strip_prefix("file://") else { return script.to_owned() };
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, others)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| others.get(..2)).flatten();
        let value = escaped.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(value.unwrap_or(byte));
        rest = if value.is_some() { &others[2..] } else { others };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| encoded.to_owned())
}
