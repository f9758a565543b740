//! What is said of one package in several files is the same everywhere: version, description, the files that install.sh
//! installs, the AppArmor profile. Packages themselves are made and tried by .ci/packages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What stands between two texts, in the first line that has the first.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(before));
    line.and_then(|rest| rest.split(after).next()).unwrap_or_else(|| panic!("no line begins with {before}"))
}

#[test]
fn every_package_has_the_version_of_the_crate() {
    let version = env!("CARGO_PKG_VERSION");
    for (file, before, after) in [
        ("packaging/PKGBUILD", "pkgver=", "\n"),
        ("packaging/sbsh.rb", "version \"", "\""),
        ("packaging/sbsh.nix", "version = \"", "\""),
        ("packaging/deb/changelog", "sbsh (", "-"),
    ] {
        assert_eq!(between(&text(file), before, after), version, "{file}");
    }
    let archive = format!("target/package/sbsh-{version}.crate");
    assert!(text("packaging/sbsh.rb").contains(&archive), "the archive of packaging/sbsh.rb");
}

#[test]
fn every_package_has_the_description_and_licence_of_the_crate() {
    let description = env!("CARGO_PKG_DESCRIPTION");
    // What package managers show on one line, without an article.
    assert!(description.len() < 80 && !description.starts_with("A "), "{description}");
    for (file, before, after) in [
        ("packaging/PKGBUILD", "pkgdesc='", "'"),
        ("packaging/sbsh.rb", "desc \"", "\""),
        ("packaging/sbsh.nix", "description = \"", "\""),
    ] {
        assert_eq!(between(&text(file), before, after), description, "{file}");
    }
    assert_eq!(between(&text("packaging/PKGBUILD"), "license=('", "'"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(between(&text("packaging/sbsh.rb"), "license \"", "\""), env!("CARGO_PKG_LICENSE"));
}

#[test]
fn the_packages_profile_is_doctors() {
    let (first, rest) =
        text("packaging/apparmor").split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(first.starts_with("# Put here by the package sbsh,"), "{first}");
    assert!(text("packaging/deb/postrm").contains("^# Put here by the package sbsh,"));
    assert_eq!(rest, sbsh::admin::doctor::apparmor_profile(Path::new("/usr/bin/sbsh")));
}

/// The lines of a table of Cargo.toml.
fn table(name: &str) -> Vec<String> {
    let manifest = text("Cargo.toml");
    let lines = manifest.lines().skip_while(|line| *line != format!("[{name}]")).skip(1);
    lines.take_while(|line| !line.starts_with('[')).map(str::to_owned).collect()
}

/// The paths that a list of assets makes, each as the file or link that it is made of.
fn assets(name: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for line in table(name) {
        let value =
            |key: &str| line.split_once(&format!("{key} = \"")).and_then(|(_, rest)| rest.split('"').next());
        let Some(dest) = value("dest") else { continue };
        let dest = dest.trim_start_matches('/');
        if let Some(link) = value("link_name") {
            found.insert((dest.to_owned(), link.to_owned()));
            continue;
        }
        let source = value("source").unwrap();
        for file in matching(source) {
            let base = Path::new(&file).file_name().unwrap().to_str().unwrap();
            let dest = if dest.ends_with('/') { format!("{dest}{base}") } else { dest.to_owned() };
            found.insert((dest.replace(".gz", ""), file));
        }
    }
    found
}

/// The files of `directory/*.ending`, or the one that is named.
fn matching(source: &str) -> Vec<String> {
    let source = source.replace("target/packages/man/", "man/").replace(".gz", "");
    let Some((directory, ending)) = source.split_once('*') else { return vec![source] };
    let names = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).map(|name| format!("{directory}{name}")).collect()
}

#[test]
fn packages_hold_what_install_sh_installs() {
    let root = tempfile::tempdir().unwrap();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = Command::new("/bin/sh")
        .arg(checkout.join("install.sh"))
        .args(["--no-deps", "--prefix", "/usr", "--binary", "/bin/sh", "--destdir"])
        .arg(root.path())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let mut installed = BTreeSet::new();
    let mut waiting = vec![root.path().to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                waiting.push(path);
            } else {
                installed.insert(path.strip_prefix(root.path()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    // The record is the package manager's.
    assert!(installed.remove("usr/lib/sbsh/installed"));
    let only_here = |path: &str| {
        ["usr/share/doc/", "usr/share/licenses/", "usr/share/lintian/", "usr/share/sbsh/"]
            .iter()
            .any(|start| path.starts_with(start))
    };
    let in_package = |name| assets(name).into_iter().map(|(dest, _)| dest).filter(|dest| !only_here(dest));
    let debian: BTreeSet<String> = in_package("package.metadata.deb")
        .map(|dest| dest.replace("zsh/vendor-completions", "zsh/site-functions"))
        .collect();
    assert_eq!(debian, installed);
    // Its scripts make the links.
    let mut rpm: BTreeSet<String> = in_package("package.metadata.generate-rpm").collect();
    let script = text("packaging/rpm/post.sh");
    let undone = text("packaging/rpm/postun.sh");
    for (names, directory) in
        [("sbshctl dangerouslyDisableSandbox", "usr/bin"), ("bash zsh sh fish", "usr/lib/sbsh/aliases")]
    {
        let line = format!("for name in {names}; do");
        assert!(script.contains(&line) && undone.contains(&line), "{line}");
        rpm.extend(names.split(' ').map(|name| format!("{directory}/{name}")));
    }
    assert_eq!(rpm, installed);
}

#[test]
fn every_file_of_a_package_is_there() {
    for name in ["package.metadata.deb", "package.metadata.generate-rpm"] {
        let assets = assets(name);
        assert!(assets.len() > 10, "{name}");
        for (dest, source) in assets {
            let made = source.starts_with("target/") || dest.contains("/aliases/") || source == "sbsh";
            assert!(
                made || Path::new(env!("CARGO_MANIFEST_DIR")).join(&source).is_file(),
                "{name}: {source}"
            );
        }
    }
}

#[test]
fn links_of_the_deb_lead_to_the_program() {
    let links: Vec<(String, String)> = assets("package.metadata.deb")
        .into_iter()
        .filter(|(_, source)| source.ends_with("/bin/sbsh") || source == "sbsh")
        .collect();
    assert_eq!(links.len(), 6);
    for (dest, link) in links {
        let expected = if dest.starts_with("usr/bin/") { "sbsh" } else { "../../../bin/sbsh" };
        assert_eq!(link, expected, "{dest}");
    }
}

#[test]
fn every_script_is_read_by_its_language() {
    for (program, arguments, files) in [
        (
            "sh",
            &["-n"][..],
            &["deb/postinst", "deb/prerm", "deb/postrm", "rpm/post.sh", "rpm/preun.sh", "rpm/postun.sh"][..],
        ),
        ("bash", &["-n"], &["PKGBUILD", "sbsh.install"]),
        ("ruby", &["-c"], &["sbsh.rb"]),
        ("nix-instantiate", &["--parse"], &["sbsh.nix"]),
    ] {
        for file in files {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(file);
            assert!(path.is_file(), "{file}");
            match Command::new(program).args(arguments).arg(&path).output() {
                Ok(ran) => assert!(ran.status.success(), "{file}: {}", String::from_utf8_lossy(&ran.stderr)),
                Err(error) => {
                    // Neither of the last two is needed for anything else.
                    assert!(!program.ends_with("sh"), "{program}: {error}");
                    println!("skipped: {program} cannot be started: {error}");
                }
            }
        }
    }
}
