//! Work off the JavaScript thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, JsDeferred};

use crate::error::{Code, Error};

/// Runs `work` on a thread of its own and gives a promise of what `convert` makes of it.
///
/// Not on libuv's pool: when a service is in trouble, its pool is what is busy, and a purge must not
/// queue behind a hundred key derivations.
pub fn spawn<'env, T, J>(
    env: &'env Env,
    name: &str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    convert: impl FnOnce(T) -> J + Send + 'static,
) -> napi::Result<Object<'env>, Code>
where
    T: Send + 'static,
    J: ToNapiValue + 'static,
{
    // The thread comes first: a promise that nothing will settle would keep the process alive.
    let (hand_over, deferred) = mpsc::channel();
    start(name, deferred, work, convert)?;
    let (own, promise) = env.create_deferred().map_err(Error::Node)?;
    // Fails only where the thread is gone, and it waits for this.
    let _ = hand_over.send(own);
    Ok(promise)
}

type Resolver<J> = Box<dyn FnOnce(Env) -> napi::Result<J> + Send>;

fn start<T, J>(
    name: &str,
    deferred: mpsc::Receiver<JsDeferred<J, Resolver<J>>>,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    convert: impl FnOnce(T) -> J + Send + 'static,
) -> Result<(), Error>
where
    T: Send + 'static,
    J: ToNapiValue + 'static,
{
    let run = move || {
        let Ok(deferred) = deferred.recv() else { return };
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(value)) => deferred.resolve(Box::new(move |_| Ok(convert(value)))),
            Ok(Err(error)) => deferred.reject(napi::Error::from_reason(error.to_string())),
            Err(_) => deferred.reject(napi::Error::from_reason("heapgap's thread panicked")),
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop).map_err(Error::Thread)
}
