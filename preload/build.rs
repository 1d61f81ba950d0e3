//! Links tikv-jemalloc-sys's position-independent archive into a preloadable `libjemalloc.so.2`.

use std::{env, error::Error, ffi::OsString, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=operators.c");
    println!("cargo:rerun-if-env-changed=LDFLAGS");
    let Some(root) = env::var_os("DEP_JEMALLOC_ROOT") else {
        // JEMALLOC_OVERRIDE is in force, as under `cargo clippy --workspace`: there is no archive.
        return Ok(());
    };
    let archive = PathBuf::from(root).join("lib/libjemalloc_pic.a");
    let library = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?).join("libjemalloc.so.2");
    let status = cc::Build::new()
        .get_compiler()
        .to_command()
        .args(["-shared", "-s", "-Wl,-soname,libjemalloc.so.2", "-Wl,-z,defs", "-Wl,-z,relro", "-Wl,-z,now"])
        // operator new throws through these frames.
        .args(["-O2", "-fPIC", "-fexceptions", "-Wall", "operators.c"])
        // Whole: nothing in the link refers to malloc, so the linker would take no member.
        .arg("-Wl,--whole-archive")
        .arg(&archive)
        .args(["-Wl,--no-whole-archive", "-lm", "-lpthread", "-ldl"])
        .args(env::var("LDFLAGS").unwrap_or_default().split_whitespace())
        .arg("-o")
        .arg(&library)
        .status()?;
    if !status.success() {
        return Err(format!("linking {} failed: {status}", OsString::from(&library).display()).into());
    }
    Ok(())
}
