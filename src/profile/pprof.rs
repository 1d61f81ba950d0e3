//! The format of pprof and what reads it: a gzipped protocol buffer.
//!
//! The messages are those of <https://github.com/google/pprof/blob/main/proto/profile.proto>, whose comments
//! say what readers expect.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use super::{Function, Kind, Location, Mapping, Profile};

/// A file that `go tool pprof`, Grafana Pyroscope, Polar Signals and others read. `duration` is how long the
/// growth took that the profile shows; `notes` are shown to its reader.
pub fn encode(
    profile: &Profile,
    time: SystemTime,
    duration: Option<Duration>,
    notes: &[String],
) -> io::Result<Vec<u8>> {
    let mut message = Builder::default().build(profile, notes);
    // Zero is what is not set (profile.proto): a clock before 1970 tells no time.
    message.time_nanos = time.duration_since(UNIX_EPOCH).map_or(0, nanos);
    message.duration_nanos = duration.map_or(0, nanos);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&message.encode_to_vec())?;
    gzip.finish()
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Collects what the messages refer to by number.
#[derive(Default)]
struct Builder<'a> {
    strings: HashMap<&'a str, i64>,
    string_table: Vec<String>,
    function_ids: HashMap<(i64, i64, i64, i64), u64>,
    functions: Vec<proto::Function>,
}

impl<'a> Builder<'a> {
    /// The names and units are those of Go's heap profiles, which readers know (runtime/pprof, `protomem.go`).
    fn build(mut self, profile: &'a Profile, notes: &'a [String]) -> proto::Profile {
        // Number 0 is for the empty string.
        self.string("");
        let sample_type =
            vec![self.value_type("inuse_objects", "count"), self.value_type("inuse_space", "bytes")];
        let period_type = Some(self.value_type("space", "bytes"));
        let mapping_ids = mapping_ids(&profile.mappings);
        let location = self.locations(profile, &mapping_ids);
        let mapping = self.mappings(profile, &mapping_ids);
        let default_sample_type = self.string("inuse_space");
        let comment = notes.iter().map(|note| self.string(note)).collect();
        proto::Profile {
            sample_type,
            sample: profile.stacks.iter().map(sample).collect(),
            mapping,
            location,
            function: self.functions,
            string_table: self.string_table,
            time_nanos: 0,
            duration_nanos: 0,
            period_type,
            period: i64::try_from(profile.sample_bytes).unwrap_or(i64::MAX),
            comment,
            default_sample_type,
        }
    }

    fn string(&mut self, text: &'a str) -> i64 {
        *self.strings.entry(text).or_insert_with(|| {
            self.string_table.push(text.to_owned());
            self.string_table.len() as i64 - 1
        })
    }

    fn value_type(&mut self, name: &'a str, unit: &'a str) -> proto::ValueType {
        proto::ValueType { r#type: self.string(name), unit: self.string(unit) }
    }

    fn mappings(&mut self, profile: &'a Profile, ids: &[u64]) -> Vec<proto::Mapping> {
        let mut mappings: Vec<_> = profile
            .mappings
            .iter()
            .zip(ids)
            .map(|(mapping, &id)| proto::Mapping {
                id,
                memory_start: mapping.start,
                memory_limit: mapping.end,
                file_offset: mapping.offset,
                filename: self.string(mapping.path.as_deref().unwrap_or_default()),
                build_id: self.string(mapping.build_id.as_deref().unwrap_or_default()),
                ..proto::Mapping::default()
            })
            .collect();
        for location in &profile.locations {
            if let Some(mapping) = location.mapping.and_then(|index| mappings.get_mut(index)) {
                let function = &location.function;
                mapping.has_functions |= function.kind != Kind::Unknown;
                mapping.has_filenames |= function.file.is_some();
                mapping.has_line_numbers |= function.line.is_some();
            }
        }
        mappings.sort_by_key(|mapping| mapping.id);
        mappings
    }

    fn locations(&mut self, profile: &'a Profile, mapping_ids: &[u64]) -> Vec<proto::Location> {
        let mapping_id = |location: &Location| {
            location.mapping.and_then(|index| mapping_ids.get(index)).copied().unwrap_or(0)
        };
        profile
            .locations
            .iter()
            .zip(1..)
            .map(|(location, id)| proto::Location {
                id,
                mapping_id: mapping_id(location),
                address: location.address,
                line: self.lines(location, &profile.mappings),
            })
            .collect()
    }

    /// None where a symbol server can find the name: to it, a location with lines has one already.
    fn lines(&mut self, location: &'a Location, mappings: &[Mapping]) -> Vec<proto::Line> {
        let mapping = location.mapping.and_then(|index| mappings.get(index));
        let can_be_found = mapping.is_some_and(|mapping| mapping.build_id.is_some());
        if location.function.kind == Kind::Unknown && can_be_found {
            return Vec::new();
        }
        // The line of the call is not known; that of its function leads to the right place.
        let line = location.function.line.map_or(0, i64::from);
        vec![proto::Line { function_id: self.function(&location.function), line }]
    }

    fn function(&mut self, function: &'a Function) -> u64 {
        let name = self.string(&function.name);
        let system_name = self.string(&function.system_name);
        let filename = self.string(function.file.as_deref().unwrap_or_default());
        let start_line = function.line.map_or(0, i64::from);
        *self.function_ids.entry((name, system_name, filename, start_line)).or_insert_with(|| {
            let id = self.functions.len() as u64 + 1;
            self.functions.push(proto::Function { id, name, system_name, filename, start_line });
            id
        })
    }
}

/// The number of each mapping. Files come first, since readers take the first mapping for the program
/// (profile.proto), and code that V8 generated may lie below it.
fn mapping_ids(mappings: &[Mapping]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..mappings.len()).collect();
    order.sort_by_key(|&index| mappings[index].path.is_none());
    let mut ids = vec![0; mappings.len()];
    for (index, id) in order.into_iter().zip(1..) {
        ids[index] = id;
    }
    ids
}

fn sample(stack: &super::NamedStack) -> proto::Sample {
    proto::Sample {
        location_id: stack.locations.iter().map(|&index| index as u64 + 1).collect(),
        value: vec![stack.objects, stack.bytes],
    }
}

/// profile.proto, without what heap profiles do not need.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub sample_type: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        pub sample: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub mapping: Vec<Mapping>,
        #[prost(message, repeated, tag = "4")]
        pub location: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        pub function: Vec<Function>,
        #[prost(string, repeated, tag = "6")]
        pub string_table: Vec<String>,
        #[prost(int64, tag = "9")]
        pub time_nanos: i64,
        #[prost(int64, tag = "10")]
        pub duration_nanos: i64,
        #[prost(message, optional, tag = "11")]
        pub period_type: Option<ValueType>,
        #[prost(int64, tag = "12")]
        pub period: i64,
        #[prost(int64, repeated, tag = "13")]
        pub comment: Vec<i64>,
        #[prost(int64, tag = "14")]
        pub default_sample_type: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct ValueType {
        #[prost(int64, tag = "1")]
        pub r#type: i64,
        #[prost(int64, tag = "2")]
        pub unit: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Sample {
        #[prost(uint64, repeated, tag = "1")]
        pub location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub value: Vec<i64>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Mapping {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(uint64, tag = "2")]
        pub memory_start: u64,
        #[prost(uint64, tag = "3")]
        pub memory_limit: u64,
        #[prost(uint64, tag = "4")]
        pub file_offset: u64,
        #[prost(int64, tag = "5")]
        pub filename: i64,
        #[prost(int64, tag = "6")]
        pub build_id: i64,
        #[prost(bool, tag = "7")]
        pub has_functions: bool,
        #[prost(bool, tag = "8")]
        pub has_filenames: bool,
        #[prost(bool, tag = "9")]
        pub has_line_numbers: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Location {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(uint64, tag = "2")]
        pub mapping_id: u64,
        #[prost(uint64, tag = "3")]
        pub address: u64,
        #[prost(message, repeated, tag = "4")]
        pub line: Vec<Line>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Line {
        #[prost(uint64, tag = "1")]
        pub function_id: u64,
        #[prost(int64, tag = "2")]
        pub line: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Function {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(int64, tag = "2")]
        pub name: i64,
        #[prost(int64, tag = "3")]
        pub system_name: i64,
        #[prost(int64, tag = "4")]
        pub filename: i64,
        #[prost(int64, tag = "5")]
        pub start_line: i64,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io::Read;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::NamedStack;
    use super::*;

    fn decode(file: &[u8]) -> Result<proto::Profile, Box<dyn Error>> {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes)?;
        Ok(proto::Profile::decode(bytes.as_slice())?)
    }

    fn example() -> Profile {
        let function = |name: &str, kind| Function { name: name.to_owned(), kind, ..Function::default() };
        let script = Function {
            name: "resizeAvatar".to_owned(),
            system_name: "JS:*resizeAvatar /srv/server.js:4:22".to_owned(),
            file: Some("/srv/server.js".to_owned()),
            line: Some(4),
            kind: Kind::JavaScript,
        };
        let location = |address, mapping, function| Location { address, mapping, function };
        Profile {
            sample_bytes: 524_288,
            mappings: vec![
                Mapping { start: 0x1000, end: 0x2000, ..Mapping::default() },
                Mapping {
                    start: 0x40_0000,
                    end: 0x50_0000,
                    offset: 0x1000,
                    path: Some("/usr/bin/node".to_owned()),
                    build_id: Some("c0ffee".to_owned()),
                },
            ],
            locations: vec![
                location(0x40_0010, Some(1), function("malloc", Kind::Native)),
                location(0x40_0020, Some(1), function("[node]", Kind::Unknown)),
                location(0x1010, Some(0), script.clone()),
                location(0x1020, Some(0), script),
                location(0x9999, None, function("[gone]", Kind::Unknown)),
            ],
            stacks: vec![
                NamedStack { locations: vec![0, 1, 2, 4], objects: 3, bytes: 3072 },
                NamedStack { locations: vec![0, 3], objects: -1, bytes: -64 },
            ],
        }
    }

    #[test]
    fn readers_find_what_profile_proto_promises() -> Result<(), Box<dyn Error>> {
        let notes = ["two functions have no name".to_owned()];
        let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let file = encode(&example(), time, Some(Duration::from_millis(1500)), &notes)?;
        let profile = decode(&file)?;
        let text = |index: i64| profile.string_table[index as usize].as_str();
        let named = |value: &proto::ValueType| (text(value.r#type), text(value.unit));
        assert_eq!(profile.string_table[0], "");
        assert_eq!(
            profile.sample_type.iter().map(named).collect::<Vec<_>>(),
            [("inuse_objects", "count"), ("inuse_space", "bytes")]
        );
        assert_eq!(profile.period_type.as_ref().map(named), Some(("space", "bytes")));
        assert_eq!(text(profile.default_sample_type), "inuse_space");
        assert_eq!(profile.period, 524_288);
        assert_eq!(profile.time_nanos, 1_700_000_000_000_000_000);
        assert_eq!(profile.duration_nanos, 1_500_000_000);
        assert_eq!(profile.comment.iter().map(|&note| text(note)).collect::<Vec<_>>(), notes);
        assert_eq!(profile.sample[0].location_id, [1, 2, 3, 5]);
        assert_eq!(profile.sample[0].value, [3, 3072]);
        assert_eq!(profile.sample[1].value, [-1, -64]);
        Ok(())
    }

    #[test]
    fn the_program_is_the_first_mapping() -> Result<(), Box<dyn Error>> {
        let profile = decode(&encode(&example(), UNIX_EPOCH, None, &[])?)?;
        let text = |index: i64| profile.string_table[index as usize].as_str();
        let program = &profile.mapping[0];
        assert_eq!((program.id, program.memory_start, program.memory_limit), (1, 0x40_0000, 0x50_0000));
        assert_eq!(
            (program.file_offset, text(program.filename), text(program.build_id)),
            (0x1000, "/usr/bin/node", "c0ffee")
        );
        assert!(program.has_functions && !program.has_filenames && !program.has_line_numbers);
        let generated = &profile.mapping[1];
        assert_eq!((generated.id, text(generated.filename), text(generated.build_id)), (2, "", ""));
        assert!(generated.has_functions && generated.has_filenames && generated.has_line_numbers);
        let mappings: Vec<_> = profile.location.iter().map(|location| location.mapping_id).collect();
        assert_eq!(mappings, [1, 1, 2, 2, 0]);
        Ok(())
    }

    #[test]
    fn functions_are_there_once_and_only_where_they_are_known() -> Result<(), Box<dyn Error>> {
        let profile = decode(&encode(&example(), UNIX_EPOCH, None, &[])?)?;
        let text = |index: i64| profile.string_table[index as usize].as_str();
        let names: Vec<_> = profile.function.iter().map(|function| text(function.name)).collect();
        // A symbol server may know what is in node.
        assert_eq!(names, ["malloc", "resizeAvatar", "[gone]"]);
        let ids: Vec<Vec<_>> = profile
            .location
            .iter()
            .map(|at| at.line.iter().map(|line| (line.function_id, line.line)).collect())
            .collect();
        assert_eq!(ids, [vec![(1, 0)], vec![], vec![(2, 4)], vec![(2, 4)], vec![(3, 0)]]);
        let script = &profile.function[1];
        assert_eq!(text(script.system_name), "JS:*resizeAvatar /srv/server.js:4:22");
        assert_eq!((text(script.filename), script.start_line), ("/srv/server.js", 4));
        Ok(())
    }

    #[test]
    fn no_stacks_make_a_profile_too() -> Result<(), Box<dyn Error>> {
        let profile = decode(&encode(&Profile::default(), UNIX_EPOCH, None, &[])?)?;
        assert!(profile.sample.is_empty());
        assert_eq!((profile.sample_type.len(), profile.time_nanos, profile.duration_nanos), (2, 0, 0));
        Ok(())
    }

    fn any_profile() -> impl Strategy<Value = Profile> {
        let mapping = (any::<u64>(), any::<u64>(), any::<Option<String>>(), any::<Option<String>>())
            .prop_map(|(start, end, path, build_id)| Mapping { start, end, offset: start, path, build_id });
        let kind = prop_oneof![Just(Kind::Native), Just(Kind::JavaScript), Just(Kind::Unknown)];
        let function = (any::<String>(), any::<Option<String>>(), any::<Option<u32>>(), kind).prop_map(
            |(name, file, line, kind)| Function { system_name: name.clone(), name, file, line, kind },
        );
        let location = (any::<u64>(), any::<Option<usize>>(), function)
            .prop_map(|(address, mapping, function)| Location { address, mapping, function });
        (
            vec(mapping, 0..4),
            vec(location, 1..9),
            vec((vec(0..8_usize, 0..9), any::<i64>(), any::<i64>()), 0..9),
        )
            .prop_map(|(mappings, mut locations, stacks)| {
                for location in &mut locations {
                    let count = mappings.len();
                    location.mapping = location.mapping.filter(|_| count > 0).map(|index| index % count);
                }
                let count = locations.len();
                let stacks = stacks
                    .into_iter()
                    .map(|(indices, objects, bytes)| NamedStack {
                        locations: indices.into_iter().map(|index| index % count).collect(),
                        objects,
                        bytes,
                    })
                    .collect();
                Profile { sample_bytes: 1024, stacks, locations, mappings }
            })
    }

    proptest! {
        #[test]
        fn every_reference_leads_somewhere_and_back(profile in any_profile()) {
            let file = decode(&encode(&profile, UNIX_EPOCH, None, &[])?).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let text = |index: i64| file.string_table[index as usize].as_str();
            prop_assert!(file.mapping.iter().zip(1..).all(|(mapping, id)| mapping.id == id));
            prop_assert!(file.location.iter().zip(1..).all(|(location, id)| location.id == id));
            prop_assert!(file.function.iter().zip(1..).all(|(function, id)| function.id == id));
            prop_assert_eq!(file.sample.len(), profile.stacks.len());
            for (sample, stack) in file.sample.iter().zip(&profile.stacks) {
                prop_assert_eq!(&sample.value, &[stack.objects, stack.bytes]);
                for (&id, &index) in sample.location_id.iter().zip(&stack.locations) {
                    let (found, expected) = (&file.location[id as usize - 1], &profile.locations[index]);
                    prop_assert_eq!(found.address, expected.address);
                    prop_assert_eq!(found.mapping_id == 0, expected.mapping.is_none());
                    if let Some(mapping) = expected.mapping {
                        prop_assert_eq!(file.mapping[found.mapping_id as usize - 1].memory_start, profile.mappings[mapping].start);
                    }
                    for line in &found.line {
                        prop_assert_eq!(text(file.function[line.function_id as usize - 1].name), &expected.function.name);
                    }
                }
            }
        }
    }
}
