//! The program as a whole: started as a process, judged by what it prints and how it ends.

mod common;
mod demo;
mod keys;
mod policies;
mod program;
mod registry;
mod serve;
mod sign_verify;
