//! The program as a whole: started as a process, judged by what it prints and how it ends.

mod blobs;
mod certificates;
mod common;
mod demo;
mod forms;
mod inspect;
mod keys;
mod notation_plugin;
mod notation_sign;
mod policies;
mod policy_tools;
mod program;
mod records;
mod registry;
mod serve;
mod sign_verify;
