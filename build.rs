//! Links the addon: Node-API's symbols come from the host, and the library stays mapped.

fn main() {
    napi_build::setup();
    // A worker thread that ends unloads the addons that only it had required. A purge running on
    // its own thread would then return into unmapped code, and the open /proc files would leak.
    // ld(1), `-z nodelete`: the object is not unloaded at runtime.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
