//! Links the addon: Node-API's symbols come from the host, and the library stays mapped.

fn main() {
    // It also links with `-z nodelete` (ld(1)), which heapgap leans on: a worker thread that ends
    // unloads the addons that only it had required, and a purge running on its own thread would
    // return into unmapped code. musl never unloads.
    napi_build::setup();
}
