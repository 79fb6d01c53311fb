//! The services in process: webhook, proxy, page, reload and end, over images in an OCI layout that the module signed.

mod admission;
mod lifecycle;
mod proxy;
mod records;
mod world;
