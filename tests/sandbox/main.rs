//! The real sandbox on the real kernel: what holds, what gets through, and that callers notice nothing else.
//!
//! Every check runs as root (if the tests do) and as an ordinary user, looks at the host's state, and says so when it
//! cannot run. With SBSH_TEST_REQUIRE=1 a check that cannot run fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![cfg(target_os = "linux")]

mod agent_verb;
mod agents;
mod approval;
mod attacks;
mod audit;
mod broker;
mod broker_attacks;
mod credentials;
mod descriptors;
mod drop_in;
mod enterprise;
mod environment;
mod escapes;
mod faults;
mod files;
mod gatekeeper;
mod gatekeeper_attacks;
mod gatekeeper_datagrams;
mod gatekeeper_gpg;
mod gatekeeper_known;
mod gatekeeper_made;
mod gatekeeper_programs;
mod gatekeeper_property;
mod hooks;
mod ideas;
mod import;
mod instead;
mod landlock;
mod leaving;
mod life;
mod load;
mod loopback;
mod managed;
mod nesting;
mod net;
mod network;
mod network_escapes;
mod network_fallbacks;
mod network_programs;
mod notified;
mod policy_property;
mod programs;
mod programs_accounts;
mod programs_editors;
mod programs_terminal;
mod protected;
mod quality;
mod real_input;
mod real_network;
mod session;
mod session_programs;
mod settings;
mod terminal;
mod trust;
mod try_verb;
mod verbs;
mod world;
