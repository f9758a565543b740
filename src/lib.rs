//! sbsh: a shell that stands where `$SHELL` stands and runs every command inside an operating-system sandbox.
//!
//! This is the map. One command goes through the folders in this order, and each folder may use only the
//! earlier ones (and `system`); `tests/structure.rs` keeps it so.
//!
//! | folder | answers | kind of code |
//! |---|---|---|
//! | [`cli`] | what was sbsh asked to do | pure |
//! | [`settings`] | which file says what, at which line, with which priority and trust | reads files |
//! | [`policy`] | what may be read, written, reached; which commands are excluded, asked, denied | pure |
//! | [`command`] | which simple commands does this text contain | pure |
//! | [`verdict`] | confined, outside, denied or asked, and by which rule | pure |
//! | [`hooks`] | what do the person's own programs say of it | runs them outside |
//! | [`approval`] | what did the person (or nobody) answer | people |
//! | [`audit`] | what is kept of it | appends to chained files, sends copies |
//! | [`confinement`] | the exact confinement: mounts, masks, seccomp, environment | pure but its facts |
//! | [`gatekeeper`] | what becomes of a call that would cross the boundary | effect |
//! | [`broker`] | excluded programs, run outside for shims inside | effect |
//! | [`network`] | what does a connection from inside reach | effect |
//! | [`run`] | processes, signals, clean-up | effect |
//! | [`session`] | the line editor and the shell behind it, for a person | effect |
//! | [`report`] | words for people and agents | the only place that prints |
//! | [`admin`] | sbshctl's verbs | thin |
//! | [`system`] | system calls behind safe faces | the only `unsafe` |
//!
//! [`caller`] holds the facts about whoever started sbsh. [`pipeline`] is the spine: it calls the stages in this order and decides nothing itself.

pub mod admin;
pub mod approval;
pub mod audit;
pub mod broker;
pub mod caller;
pub mod cli;
pub mod command;
pub mod confinement;
pub mod doors;
pub mod exit;
pub mod gatekeeper;
pub mod hooks;
pub mod network;
pub mod pipeline;
pub mod policy;
pub mod report;
pub mod run;
pub mod session;
pub mod settings;
pub mod system;
pub mod verdict;
