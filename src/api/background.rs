//! Work off the JavaScript thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
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
    let (deferred, promise) = env.create_deferred().map_err(Error::Node)?;
    settle_from_thread(deferred, name, work, convert)?;
    Ok(promise)
}

type Resolver<J> = Box<dyn FnOnce(Env) -> napi::Result<J> + Send>;

fn settle_from_thread<T, J>(
    deferred: JsDeferred<J, Resolver<J>>,
    name: &str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    convert: impl FnOnce(T) -> J + Send + 'static,
) -> Result<(), Error>
where
    T: Send + 'static,
    J: ToNapiValue + 'static,
{
    let run = move || match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => deferred.resolve(Box::new(move |_| Ok(convert(value)))),
        Ok(Err(error)) => deferred.reject(napi::Error::from_reason(error.to_string())),
        Err(_) => deferred.reject(napi::Error::from_reason("heapgap's thread panicked")),
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop).map_err(Error::Thread)
}
