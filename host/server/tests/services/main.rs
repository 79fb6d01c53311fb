//! The services in process: webhook, proxy, page, reload and end, over images in an OCI layout that the module signed.

mod admission;
mod gateway;
mod gateway_push;
mod lifecycle;
mod page;
mod proxy;
mod records;
mod registry;
mod world;
