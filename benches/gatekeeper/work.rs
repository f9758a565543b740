//! What is done under the watch: projects, and commands in them that can be repeated.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One piece of work.
pub struct Work {
    pub name: &'static str,
    /// What the ratio is held to.
    pub limit: f64,
    pub project: PathBuf,
    /// The command.
    pub text: String,
    /// Done before each turn, outside, uncounted.
    pub before: String,
}

/// Modules of the crate.
const MODULES: usize = 150;
/// Packages that npm installs, and files in each.
const PACKAGES: usize = 60;
/// Files of the repository.
const CLONED: usize = 3_000;
/// Files in the archive.
const UNPACKED: usize = 50_000;

/// All of it, in directories below `top`; `memory` is a tmpfs.
pub fn all(top: &Path, memory: &Path) -> Result<Vec<Work>, String> {
    let only = std::env::var("SBSH_BENCH_ONLY").unwrap_or_default();
    let makers: [(&'static str, f64, Maker<'_>); 8] = [
        ("cargo build of 150 modules", 1.05, &|at| cargo(at, "rm -rf target")),
        ("cargo build after a change", 1.05, &|at| cargo(at, "echo >> src/m75.rs")),
        ("npm ci of 60 cached packages", 1.05, &npm),
        ("git clone of 3,000 files", 1.12, &clone),
        ("tar x of 50,000 files, disk", 1.1, &|at| {
            unpack(at)?;
            // Always in a new directory: ext4 looks long for room where files were removed a moment ago.
            Ok(("tar xf many.tar -C $(mktemp -d new.XXXXXX)".into(), "true".into()))
        }),
        ("tar x of 50,000 files, tmpfs", 1.8, &unpack),
        ("find /usr -xdev", 1.04, &|_| Ok(("find /usr -xdev 2>/dev/null; true".into(), "true".into()))),
        ("reading 20,000 files", 1.04, &read),
    ];
    let mut all = Vec::new();
    for (index, (name, limit, make)) in makers.into_iter().enumerate() {
        if !name.contains(&only) {
            continue;
        }
        let project = if name.ends_with("tmpfs") { memory } else { top }.join(format!("work-{index}"));
        write(&project.join("README"), "")?;
        let (text, before) = make(&project)?;
        all.push(Work { name, limit, project, text, before });
    }
    Ok(all)
}

/// A command, and what goes before it.
type Made = Result<(String, String), String>;
/// Lays a project and says what to do in it.
type Maker<'a> = &'a dyn Fn(&Path) -> Made;

/// Runs a line outside.
pub fn outside(project: &Path, text: &str) -> Result<(), String> {
    let mut command = Command::new("/bin/bash");
    command.args(["-ec", text]).current_dir(project).stdout(Stdio::null());
    let status = command.status().map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("'{text}': {status}")) }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(path, text))
        .map_err(|e| format!("{}: {e}", path.display()))
}

fn cargo(project: &Path, before: &str) -> Made {
    write(
        &project.join("Cargo.toml"),
        "[package]\nname = \"mid\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n",
    )?;
    let mut library = String::new();
    for module in 0..MODULES {
        library.push_str(&format!("pub mod m{module};\n"));
        let functions: String = (0..4)
            .map(|f| {
                format!(
                    "pub fn f{f}(n: u64) -> String {{ let all: Vec<u64> = (0..n).map(|x| x * {f} + {module}).collect(); \
                     format!(\"{{all:?}} {{:?}}\", all.iter().max()) }}\n"
                )
            })
            .collect();
        write(&project.join(format!("src/m{module}.rs")), &functions)?;
    }
    write(&project.join("src/lib.rs"), &library)?;
    // The programs themselves: rustup's would look for theirs below a home that has none.
    let found = Command::new("rustc").args(["--print", "sysroot"]).output().map_err(|e| e.to_string())?;
    let programs = format!("{}/bin", String::from_utf8_lossy(&found.stdout).trim());
    let build = format!("export CARGO_HOME=$PWD/.cargo-home PATH={programs}:$PATH; cargo build --offline -q");
    outside(project, &build)?;
    Ok((build, before.into()))
}

fn npm(project: &Path) -> Made {
    let mut dependencies = serde_json::Map::new();
    for package in 0..PACKAGES {
        let name = format!("part-{package}");
        let place = project.join(format!("made/{name}/package"));
        write(&place.join("package.json"), &format!("{{\"name\":\"{name}\",\"version\":\"1.0.0\"}}"))?;
        for file in 0..20 {
            let text = format!("module.exports = {file};\n").repeat(20);
            write(&place.join(format!("lib/file-{file}.js")), &text)?;
        }
        dependencies.insert(name.clone(), format!("file:made/{name}.tgz").into());
    }
    outside(project, "for d in made/*/; do tar -C $d -czf ${d%/}.tgz package; rm -r $d; done")?;
    let project_file =
        serde_json::json!({ "name": "whole", "version": "1.0.0", "dependencies": dependencies });
    write(&project.join("package.json"), &project_file.to_string())?;
    let words = |verb: &str| {
        format!(
            "npm_config_cache=$PWD/.npm npm_config_update_notifier=false npm {verb} --offline --no-audit --no-fund --silent"
        )
    };
    outside(project, &words("install"))?;
    Ok((words("ci"), "rm -rf node_modules".into()))
}

fn clone(project: &Path) -> Made {
    for file in 0..CLONED {
        write(
            &project.join(format!("origin/{}/file-{file}.txt", file % 60)),
            &format!("text {file}\n").repeat(40),
        )?;
    }
    outside(
        project,
        "cd origin; git init -q; git add -A; git -c user.name=x -c user.email=x@x commit -qm all; git gc -q",
    )?;
    Ok(("git clone -q origin copy".into(), "rm -rf copy".into()))
}

fn unpack(project: &Path) -> Made {
    for file in 0..UNPACKED {
        write(&project.join(format!("many/{}/file-{file}.txt", file % 250)), "some bytes\n")?;
    }
    outside(project, "tar cf many.tar many; rm -r many")?;
    Ok(("tar xf many.tar".into(), "rm -rf many".into()))
}

fn read(project: &Path) -> Made {
    for file in 0..20_000 {
        write(&project.join(format!("many/{}/file-{file}.txt", file % 100)), "some bytes\n")?;
    }
    Ok(("! grep -rq missing many".into(), "true".into()))
}
