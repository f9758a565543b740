//! The spine.
use crate::confinement::{bubblewrap, facts, plan, seccomp};
use crate::policy::files::*;
use crate::run::{self, first, front, hostfile, inherited, record::Record, sweep::Watch};
use crate::settings::Origin;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
/// Entry.
#[allow(clippy::all)]
pub fn main(arguments: Vec<OsString>) -> i32 {
    if arguments.get(1).is_some_and(|a| a == run::FIRST_INSIDE) {
        return first::main(arguments[2].to_str().unwrap().parse().unwrap());
    }
    if crate::system::inside::already() {
        let mut a: Vec<CString> = arguments.iter().map(|a| CString::new(a.as_bytes()).unwrap()).collect();
        a[0] = c"bash".into();
        let env: Vec<CString> = std::env::vars_os().map(|(k, v)| { let mut x = k; x.push("="); x.push(v); CString::new(x.as_bytes()).unwrap() }).collect();
        crate::system::process::exec(c"/bin/bash", &a, &env);
    }
    let closed = inherited::occupy_closed();
    let signals = front::block_signals().unwrap();
    let cwd = std::env::current_dir().ok();
    let places = hostfile::prepare(cwd.as_deref()).unwrap();
    let lit = |p: &std::path::Path| PathRule { pattern: PathPattern::Literal(p.into()), origin: Origin::BuiltIn("x") };
    let mut files = FilePolicy::default();
    files.writable = vec![lit(cwd.as_deref().unwrap_or(std::path::Path::new("/nonexistent"))), lit(&places.tmpdir)];
    files.read_denied = vec![lit(std::path::Path::new("/root/.ssh"))];
    let facts = facts::read(&files, &[places.tmpdir.clone()]).unwrap();
    let plan = plan::plan(&facts.places);
    let inherited = inherited::vet(&files, &closed).unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    crate::system::descriptors::set_inherited(std::os::fd::AsRawFd::as_raw_fd(&null), true);
    let boundary = bubblewrap::arguments(&plan, &bubblewrap::Fittings { blind_directory: places.blind_directory, blind_file: places.blind_file, marker_content: std::os::fd::AsRawFd::as_raw_fd(&null) });
    let mut a: Vec<CString> = arguments.iter().map(|a| CString::new(a.as_bytes()).unwrap()).collect();
    a[0] = c"bash".into();
    let env: Vec<CString> = std::env::vars_os().map(|(k, v)| { let mut x = k; x.push("="); x.push(v); CString::new(x.as_bytes()).unwrap() }).collect();
    let record = Record { shell: c"/bin/bash".into(), arguments: a, environment: env, directory: cwd.map(|c| c.into()), scratch: places.tmpdir.into(), passed: inherited.passed.clone(), alive: 0, signals, filter: seccomp::Options { unix_sockets: false, shared_group: front::shares_group() } };
    let launch = front::Launch { bubblewrap: "/usr/bin/bwrap".into(), boundary, record, inherited, signals, watch: Watch { guards: plan.guards, roots: facts.roots, repositories: facts.repositories, quarantine: "/root/.local/state/sbsh/quarantine".into() } };
    match front::run(launch) {
        Ok(o) => { for s in &o.swept { let _ = nix::unistd::write(std::io::stderr(), format!("{s:?}\n").as_bytes()); } front::end(o.ending) }
        Err(e) => { let _ = nix::unistd::write(std::io::stderr(), format!("sbsh: {e}\n").as_bytes()); 126 }
    }
}
