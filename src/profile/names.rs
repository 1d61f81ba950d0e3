//! Turns addresses into functions, and folds the frames that nobody asked about.

use std::collections::HashMap;

use cpp_demangle::{DemangleOptions, Symbol};

use super::{ADDRESS, Dump, Function, Kind, Location, Mapping, NamedStack, Profile, Stack};
use crate::sources::source_map::{Origin, Place, percent_decoded};

/// What was looked up, by the address of the call: a stack holds where a call returns to, which may be the next
/// function already.
#[derive(Debug, Default)]
pub struct Lookup {
    /// As the linker has them.
    pub native: HashMap<u64, String>,
    /// As V8 has them.
    pub generated: HashMap<u64, String>,
    /// What those were generated from, where a source map knows.
    pub origins: HashMap<u64, Origin>,
}

/// Where the call was from which `address` is the return.
pub fn call_site(address: u64) -> u64 {
    address.saturating_sub(1)
}

/// The mapping that `address` is in.
pub fn mapping_of(mappings: &[Mapping], address: u64) -> Option<usize> {
    mappings.iter().position(|mapping| (mapping.start..mapping.end).contains(&(address & ADDRESS)))
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
        locations.dedup_by(|one, other| self.is_same_unnamed(*one, *other));
        match (locations.is_empty(), frames.last()) {
            // All of it is plumbing: memory that the allocator took for itself, say.
            (true, Some(last)) => vec![last.location],
            _ => locations,
        }
    }

    fn is_same_unnamed(&self, one: usize, other: usize) -> bool {
        let [one, other] = [one, other].map(|index| &self.locations[index].function);
        one.system_name.is_empty() && one == other
    }

    fn frame(&mut self, address: u64) -> Frame {
        if let Some(&(location, role)) = self.known.get(&address) {
            return Frame { location, role };
        }
        let mapping = mapping_of(self.mappings, call_site(address));
        let (function, role) = self.function(call_site(address), mapping);
        // Readers look an address up as it stands.
        let shown = Location { address: call_site(address) & ADDRESS, mapping, function };
        let location = self.add(address, shown, role);
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
            let (function, role) = generated(name);
            return match self.found.origins.get(&address) {
                Some(origin) => (original(function, origin), role),
                None => (function, role),
            };
        }
        match (path, mapping) {
            (Some(path), _) => (unnamed_native(path), role_of_file(path)),
            (None, Some(_)) => (unknown("[generated code]"), Role::Code),
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
    let role = if is_allocation(&demangled) { Role::Allocation } else { role_of_file(path) };
    (Function { name: demangled, system_name: name.to_owned(), ..Function::default() }, role)
}

/// Without parameters: a frame of a graph has little room, and `system_name` has them.
fn demangle(name: &str) -> String {
    if let Ok(demangled) = rustc_demangle::try_demangle(name) {
        return format!("{demangled:#}");
    }
    // Else a C function called `f` would be the type float.
    let symbol = name.starts_with("_Z").then(|| Symbol::new(name).ok()).flatten();
    let short = DemangleOptions::new().no_params().no_return_type();
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
        // From Node.js 24 on.
        Some(("RegExp.> src" | "RegExp.< src", rest)) => {
            (named(&format!("RegExp:{}", pattern(rest))), Role::Code)
        }
        Some((_, text)) => {
            let function =
                script_function(text).map_or_else(|| named(without_compiler(text)), Script::function);
            (Function { system_name: name.to_owned(), ..function }, Role::Code)
        }
        None => (named(name), Role::Code),
    }
}

/// `/pattern/flags` is ` src: 'pattern' flags: 'flags'` for V8.
fn pattern(text: &str) -> &str {
    let text = text.trim_start().strip_prefix('\'').unwrap_or(text);
    text.rsplit_once("' flags: '").map_or(text, |(pattern, _)| pattern)
}

/// WebAssembly is `<name>-<index>-<compiler>` (CodeEventLogger in V8's src/logging/log.cc).
fn without_compiler(text: &str) -> &str {
    let parts = text.rsplit_once('-').and_then(|(rest, compiler)| Some((rest.rsplit_once('-')?, compiler)));
    match parts {
        Some(((name, index), "liftoff" | "turbofan")) if index.parse::<u32>().is_ok() => name,
        _ => text,
    }
}

/// A function of a script, as V8 has it.
struct Script<'a> {
    name: &'a str,
    file: &'a str,
    line: u32,
    column: u32,
}

/// Where the function that V8 calls `name` is in which file; `None` for those that are in none.
pub fn place_of(name: &str) -> Option<(String, Place)> {
    let script = script_function(name.split_once(':')?.1)?;
    let file = path_of(script.file);
    // Accessors and private methods have a name that is not the one in the script.
    let is_in_script = !script.name.contains(' ') && !script.name.starts_with('#');
    let units = if is_in_script { script.name.encode_utf16().count() } else { 0 };
    let place = Place {
        line: script.line.checked_sub(1)?,
        column: script.column.checked_sub(1)?,
        name: u32::try_from(units).ok()?,
    };
    file.starts_with('/').then_some((file, place))
}

fn script_function(text: &str) -> Option<Script<'_>> {
    let (rest, column) = without_tier(text).rsplit_once(':')?;
    let (rest, line) = rest.rsplit_once(':')?;
    let (name, file) = name_and_script(rest);
    Some(Script { name, file, line: line.parse().ok()?, column: column.parse().ok()? })
}

impl Script<'_> {
    fn function(self) -> Function {
        let name = if self.name.is_empty() { "(anonymous)" } else { self.name };
        Function {
            name: name.to_owned(),
            file: (!self.file.is_empty()).then(|| path_of(self.file)),
            line: Some(self.line),
            kind: Kind::JavaScript,
            ..Function::default()
        }
    }
}

fn original(function: Function, origin: &Origin) -> Function {
    Function {
        name: origin.name.clone().unwrap_or(function.name),
        file: Some(origin.file.clone()),
        line: Some(origin.line),
        ..function
    }
}

/// V8 marks what has compiled a function: `~` the interpreter, `^` the baseline compiler, `+` Maglev, `*` TurboFan; `o` before
/// that for code that a loop goes on in, `'` behind it for code of one closure (CodeKindToMarker in V8's src/objects/code-kind.cc).
fn without_tier(text: &str) -> &str {
    const TIERS: [char; 4] = ['~', '^', '+', '*'];
    let rest = text.strip_prefix('o').filter(|rest| rest.starts_with(TIERS)).unwrap_or(text);
    let rest = rest.strip_prefix(TIERS).unwrap_or(rest);
    rest.strip_prefix('\'').unwrap_or(rest)
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
    script.strip_prefix("file://").map_or_else(|| script.to_owned(), percent_decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NODE: u64 = 0x40_0000;
    const JEMALLOC: u64 = 0x7f00_0000_0000;
    const ADDON: u64 = 0x7f10_0000_0000;
    const JIT: u64 = 0x7f20_0000_0000;

    fn mapping(start: u64, path: Option<&str>) -> Mapping {
        let path = path.map(str::to_owned);
        Mapping { start, end: start + 0x10_0000, offset: 0, path, build_id: None }
    }

    fn mappings() -> Vec<Mapping> {
        vec![
            mapping(NODE, Some("/usr/bin/node")),
            mapping(JEMALLOC, Some("/usr/lib/libjemalloc.so.2")),
            mapping(ADDON, Some("/app/node_modules/heapgap/heapgap.linux-x64-gnu.node")),
            mapping(JIT, None),
        ]
    }

    /// Names the stacks, each of which holds 10 bytes in one object: addresses, and what is known of some.
    fn named(stacks: &[&[u64]], known: &[(u64, &str)]) -> Profile {
        let stacks =
            stacks.iter().map(|addresses| Stack { addresses: addresses.to_vec(), objects: 1, bytes: 10 });
        let (generated, native): (Vec<_>, Vec<_>) = known.iter().partition(|(address, _)| *address >= JIT);
        let lookup = |pairs: Vec<&(u64, &str)>| {
            pairs.into_iter().map(|&(address, name)| (call_site(address), name.to_owned())).collect()
        };
        let found = Lookup { native: lookup(native), generated: lookup(generated), ..Lookup::default() };
        name(Dump { sample_bytes: 1024, stacks: stacks.collect(), mappings: mappings() }, &found)
    }

    fn names_of(profile: &Profile, stack: usize) -> Vec<&str> {
        let locations = &profile.stacks[stack].locations;
        locations.iter().map(|&index| profile.locations[index].function.name.as_str()).collect()
    }

    #[test]
    fn the_backtrace_and_the_allocator_are_folded_away() {
        let profile = named(
            &[&[ADDON + 9, JEMALLOC + 9, JEMALLOC + 99, NODE + 9, NODE + 19, JIT + 9, JIT + 99]],
            &[
                (NODE + 9, "_Znwm"),
                (NODE + 19, "_ZN4node6Buffer3NewEPN2v87IsolateEPcm"),
                (JIT + 9, "JS:^make /app/a.js:3:5"),
                (JIT + 99, "JS:~main file:///app/b%20c.mjs:10:2"),
            ],
        );
        assert_eq!(names_of(&profile, 0), ["node::Buffer::New", "make", "main"]);
        let main = &profile.locations[profile.stacks[0].locations[2]];
        assert_eq!(main.mapping, Some(3));
        assert_eq!(
            main.function,
            Function {
                name: "main".into(),
                system_name: "JS:~main file:///app/b%20c.mjs:10:2".into(),
                file: Some("/app/b c.mjs".into()),
                line: Some(10),
                kind: Kind::JavaScript,
            }
        );
    }

    #[test]
    fn what_heapgap_itself_allocates_is_its_own() {
        let profile = named(
            &[&[ADDON + 9, JEMALLOC + 9, ADDON + 19, ADDON + 29, NODE + 9]],
            &[(ADDON + 19, "__rust_alloc"), (ADDON + 29, "_ZN7heapgap4read17h0123456789abcdefE")],
        );
        assert_eq!(names_of(&profile, 0), ["heapgap::read", "[node]"]);
    }

    #[test]
    fn how_v8_gets_from_one_function_to_the_next_is_folded_away() {
        let profile = named(
            &[&[NODE + 9, NODE + 19, NODE + 29, JIT + 9, JIT + 19, NODE + 39]],
            &[
                (NODE + 9, "_ZN2v88internal12BackingStore8AllocateEv"),
                (NODE + 19, "Builtins_CEntry_Return1_ArgvOnStack_BuiltinExit"),
                (NODE + 29, "Builtins_ArrayMap"),
                (JIT + 9, "BytecodeHandler:CallProperty"),
                (JIT + 19, "JS:+'x /a.js:1:1"),
                (NODE + 39, "Builtins_JSEntryTrampoline"),
            ],
        );
        assert_eq!(names_of(&profile, 0), ["v8::internal::BackingStore::Allocate", "ArrayMap", "x"]);
    }

    #[test]
    fn functions_without_a_name_are_said_to_be_such() {
        let interpreted = "Builtins_InterpreterEntryTrampoline";
        let profile = named(
            &[&[NODE + 9, NODE + 19, JIT + 9, JIT + 19, NODE + 29, 77]],
            &[(NODE + 9, interpreted), (NODE + 19, interpreted)],
        );
        let shown = ["[interpreted JavaScript]", "[generated code]", "[node]", "[unknown]"];
        assert_eq!(names_of(&profile, 0), shown);
        let kinds: Vec<_> =
            profile.stacks[0].locations.iter().map(|&index| profile.locations[index].function.kind).collect();
        assert_eq!(kinds, [Kind::Unknown, Kind::Unknown, Kind::Native, Kind::Unknown]);
    }

    #[test]
    fn a_stack_is_never_empty() {
        let profile = named(&[&[ADDON + 9, JEMALLOC + 9, JEMALLOC + 19]], &[(JEMALLOC + 19, "malloc")]);
        assert_eq!(names_of(&profile, 0), ["malloc"]);
    }

    #[test]
    fn stacks_that_are_the_same_to_a_reader_are_one() {
        let profile =
            named(&[&[JEMALLOC + 9, NODE + 9], &[JEMALLOC + 19, NODE + 9], &[JEMALLOC + 9, NODE + 19]], &[]);
        let sums: Vec<_> = profile.stacks.iter().map(|stack| (stack.objects, stack.bytes)).collect();
        assert_eq!(sums, [(2, 20), (1, 10)]);
    }

    #[test]
    fn a_stack_that_jemalloc_has_cut_says_so() {
        let deep = vec![NODE + 9; DEEPEST];
        let profile = named(&[&deep, &deep[1..]], &[(NODE + 9, "f")]);
        let ends: Vec<_> = (0..2).map(|stack| names_of(&profile, stack).last().copied()).collect();
        assert!(ends.contains(&Some("[cut: the stack was deeper]")) && ends.contains(&Some("f")), "{ends:?}");
    }

    #[test]
    fn v8_s_names_are_taken_apart() {
        let cases = [
            ("JS:^get size file:///a%20b.mjs:1:42", "get size", Some("/a b.mjs"), Some(1)),
            ("JS:o+ file:///a.mjs:1:1", "(anonymous)", Some("/a.mjs"), Some(1)),
            ("JS:*own /a b/c d.js:12:3", "own", Some("/a b/c d.js"), Some(12)),
            ("JS:~oh :1:16", "oh", None, Some(1)),
            (
                "JS:^createUnsafeBuffer node:internal/buffer:1056:28",
                "createUnsafeBuffer",
                Some("node:internal/buffer"),
                Some(1056),
            ),
            ("Script:~ /x.js:1:1", "(anonymous)", Some("/x.js"), Some(1)),
            ("Eval:~f evalmachine.<anonymous>:2:1", "f", Some("evalmachine.<anonymous>"), Some(2)),
            ("JS:wasm-function[0]-0-liftoff", "wasm-function[0]", None, None),
            ("JS:Vec<T, A>::push-12-turbofan", "Vec<T, A>::push", None, None),
            ("RegExp:a;b", "RegExp:a;b", None, None),
            ("RegExp.> src: '(a+)+b;c:d ' flags: ''", "RegExp:(a+)+b;c:d ", None, None),
            ("JS:*'#own file:///a.mjs:3:163", "#own", Some("/a.mjs"), Some(3)),
        ];
        for (text, name, file, line) in cases {
            let (function, _) = generated(text);
            assert_eq!((function.name.as_str(), function.file.as_deref(), function.line), (name, file, line));
            assert_eq!((function.kind, function.system_name.as_str()), (Kind::JavaScript, text));
        }
    }

    #[test]
    fn what_was_generated_is_shown_as_it_was_written() {
        let place = Place { line: 0, column: 9, name: 1 };
        assert_eq!(place_of("JS:*'a file:///app/x%20y.mjs:1:10"), Some(("/app/x y.mjs".to_owned(), place)));
        let unnamed = Place { name: 0, ..place };
        assert_eq!(place_of("JS:^get a /app/x.js:1:10"), Some(("/app/x.js".to_owned(), unnamed)));
        for nowhere in
            ["JS:~a node:buffer:1:10", "JS:~a evalmachine.<anonymous>:1:1", "JS:~a :1:1", "RegExp:a", "a"]
        {
            assert_eq!(place_of(nowhere), None, "{nowhere}");
        }
        let (function, _) = generated("JS:*a /app/x.js:1:10");
        let origin = Origin { file: "/src/x.ts".into(), line: 7, name: None };
        let shown = original(function.clone(), &origin);
        assert_eq!(shown, Function { file: Some("/src/x.ts".into()), line: Some(7), ..function });
        let renamed = original(shown, &Origin { name: Some("makeThumbnail".into()), ..origin });
        assert_eq!(
            (renamed.name.as_str(), renamed.system_name.as_str()),
            ("makeThumbnail", "JS:*a /app/x.js:1:10")
        );
    }

    #[test]
    fn names_are_demangled() {
        for (mangled, name) in [
            (
                "_ZN4node6Buffer12_GLOBAL__N_123CreateUnsafeArrayBufferERKN2v820FunctionCallbackInfoINS2_5ValueEEE",
                "node::Buffer::(anonymous namespace)::CreateUnsafeArrayBuffer",
            ),
            ("_RNvC7heapgap4read", "heapgap::read"),
            ("uv_run", "uv_run"),
            ("f", "f"),
            ("_ZNot mangled", "_ZNot mangled"),
        ] {
            assert_eq!(demangle(mangled), name);
        }
    }

    proptest! {
        #[test]
        fn any_name_and_any_stack_are_survived(
            text in "(?s).{0,60}",
            stacks in prop::collection::vec(prop::collection::vec(any::<u64>(), 0..6), 0..5),
        ) {
            let known: Vec<_> = stacks.iter().flatten().map(|&address| (address, text.as_str())).collect();
            let stacks: Vec<_> = stacks.iter().map(Vec::as_slice).collect();
            let profile = named(&stacks, &known);
            let bytes: i64 = profile.stacks.iter().map(|stack| stack.bytes).sum();
            prop_assert_eq!(bytes, 10 * stacks.len() as i64, "nothing is lost");
            let _ = (generated(&text), native(&text, &text), path_of(&text));
        }
    }
}
