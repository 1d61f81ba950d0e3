//! Looks up in files what the addresses of a dump are called.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::names::{Lookup, call_site, mapping_of, name, place_of};
use super::{ADDRESS, Dump, Mapping, Profile};
use crate::sources::source_map::Place;
use crate::sources::{Absent, elf, perf_map, source_map};

/// A profile with names, and what could not be named and why.
#[derive(Debug, Default)]
pub struct Resolved {
    pub profile: Profile,
    /// Whether there is JavaScript in it that V8 told no names of.
    pub lacks_javascript: bool,
    pub notes: Vec<String>,
}

/// What V8 calls the code that it has generated.
#[derive(Debug)]
pub struct Generated {
    /// The names of what covers the addresses given; `None` where V8 was not asked for them.
    pub events: fn(&[u64]) -> Option<HashMap<u64, String>>,
    /// Where V8 writes them, if it was told to.
    pub map: Option<PathBuf>,
}

impl Generated {
    /// The names of `sites`, which are sorted; fails where V8 told none in either way.
    fn names(&self, sites: &[u64]) -> Result<HashMap<u64, String>, Absent> {
        let Some(mut names) = (self.events)(sites) else { return self.names_of_map(sites) };
        let unnamed: Vec<_> = sites.iter().copied().filter(|site| !names.contains_key(site)).collect();
        if !unnamed.is_empty() {
            // From before V8 was asked for events.
            names.extend(self.names_of_map(&unnamed).unwrap_or_default());
        }
        Ok(names)
    }

    /// The map knows nothing of versions.
    fn names_of_map(&self, sites: &[u64]) -> Result<HashMap<u64, String>, Absent> {
        let places: BTreeSet<_> = sites.iter().map(|site| site & ADDRESS).collect();
        let map = self.map.as_deref().ok_or(Absent::Because("V8 was not asked for them"))?;
        let names = perf_map::read(map, &Vec::from_iter(places))?;
        Ok(sites.iter().filter_map(|site| Some((*site, names.get(&(site & ADDRESS))?.clone()))).collect())
    }
}

/// Names what `dump` of this process holds.
pub fn resolve(mut dump: Dump, code: &Generated) -> Resolved {
    let (of_files, generated) = call_sites(&dump);
    let mut found = Lookup::default();
    let mut notes = Vec::new();
    let mut lacks_javascript = false;
    for (path, sites) in of_files {
        match name_file(&path, &sites, &mut dump.mappings, &mut found) {
            Ok(()) => {}
            Err(reason) => notes.push(format!("{path}: its functions have no names: {reason}")),
        }
    }
    if !generated.is_empty() {
        match code.names(&generated) {
            Ok(names) => {
                found.generated = names;
                notes.extend(find_origins(&mut found));
            }
            Err(reason) => {
                lacks_javascript = true;
                notes.push(format!(
                "JavaScript functions have no names ({reason}): start the program with `npx heapgap run --profile`"
            ));
            }
        }
    }
    Resolved { profile: name(dump, &found), lacks_javascript, notes }
}

/// A call site, and the mapping that it is in.
type Site = (u64, usize);

/// The distinct call sites: by the path of their file, and those in generated code, in order.
fn call_sites(dump: &Dump) -> (BTreeMap<String, Vec<Site>>, Vec<u64>) {
    let sites: BTreeSet<_> =
        dump.stacks.iter().flat_map(|stack| &stack.addresses).map(|&address| call_site(address)).collect();
    let mut of_files: BTreeMap<String, Vec<Site>> = BTreeMap::new();
    let mut generated = Vec::new();
    for site in sites {
        let Some(index) = mapping_of(&dump.mappings, site) else { continue };
        match dump.mappings.get(index).and_then(|mapping| mapping.path.clone()) {
            Some(path) => of_files.entry(path).or_default().push((site, index)),
            None => generated.push(site),
        }
    }
    (of_files, generated)
}

fn name_file(path: &str, sites: &[Site], mappings: &mut [Mapping], found: &mut Lookup) -> Result<(), Absent> {
    let place = |&(site, index): &Site| {
        mappings.get(index).map_or(0, |mapping| (site & ADDRESS) - mapping.start + mapping.offset)
    };
    let names = elf::read(Path::new(path), &sites.iter().map(place).collect::<Vec<_>>())?;
    let named = sites.iter().zip(names.functions);
    found.native.extend(named.filter_map(|(&(site, _), name)| Some((site, name?))));
    for mapping in mappings.iter_mut().filter(|mapping| mapping.path.as_deref() == Some(path)) {
        mapping.build_id.clone_from(&names.build_id);
    }
    Ok(())
}

/// Looks up where scripts were generated from. Packages often name a source map that they do not bring along: one
/// note tells of all.
fn find_origins(found: &mut Lookup) -> Option<String> {
    let mut scripts: BTreeMap<String, Vec<(u64, Place)>> = BTreeMap::new();
    for (&address, name) in &found.generated {
        if let Some((script, place)) = place_of(name) {
            scripts.entry(script).or_default().push((address, place));
        }
    }
    let mut failed = Vec::new();
    for (script, functions) in &scripts {
        let places: Vec<_> = functions.iter().map(|&(_, place)| place).collect();
        match source_map::read(Path::new(script), &places) {
            Ok(origins) => {
                let pairs = functions.iter().zip(origins);
                found.origins.extend(pairs.filter_map(|(&(address, _), origin)| Some((address, origin?))));
            }
            Err(reason) => failed.push((script, reason)),
        }
    }
    let (script, reason) = failed.first()?;
    let others = match failed.len() - 1 {
        0 => String::new(),
        1 => " (and 1 other script)".to_owned(),
        others => format!(" (and {others} other scripts)"),
    };
    Some(format!("{script}{others}: functions are shown as they run, not as they were written: {reason}"))
}
