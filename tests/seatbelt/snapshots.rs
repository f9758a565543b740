//! Whole profiles, so that what changes is seen.

use crate::world::{World, policy};
use sbsh::confinement::plan::{Before, Guard, Place, Places};
use sbsh::confinement::seatbelt::Network;

/// The text with the values in the places of their names; the base is shown once.
fn shown(world: &World) -> String {
    let profile = world.profile();
    let mut text = profile.text;
    for (name, value) in profile.parameters.iter().rev() {
        text = text.replace(&format!("(param \"{name}\")"), &format!("{value:?}"));
    }
    text
}

fn without_fixed_parts(world: &World) -> String {
    let text = shown(world);
    let start = text.find("; --- files").unwrap();
    let devices = text.find("; --- devices").unwrap();
    let network = text.find("; --- network").unwrap();
    format!("{}{}", &text[start..devices], &text[network..])
}

#[test]
fn nothing_is_writable_and_nothing_reached() {
    insta::assert_snapshot!(shown(&World::of(policy([&[], &[], &[], &[]]))));
}

#[test]
fn a_project_with_secrets() {
    let at = |path: &str, directory| Place { path: path.into(), directory };
    let guard = |name: &str, before| Guard { root: "/Users/u/p".into(), name: name.into(), before };
    let world = World {
        places: Places {
            writable: vec![at("/Users/u/p", true), at("/private/tmp/t", true)],
            write_denied: vec![at("/Users/u/p/.git/hooks", true), at("/Users/u/p/.git/config", false)],
            read_denied: vec![at("/Users/u/.ssh/id_x", false)],
            guards: vec![guard("HEAD", Before::NoBareRepository), guard("no/such", Before::Missing)],
            ..Places::default()
        },
        roots: vec!["/Users/u/p".into()],
        scratch: Some("/tmp/t".into()),
        network: Network {
            proxies: vec![3128, 1080],
            sockets: vec!["/tmp/*.sock".into()],
            ..Network::default()
        },
        ..World::of(policy([
            &["/Users/u/p", "/tmp/t"],
            &["/Users/u/p/.claude/settings.json"],
            &["/Users/u/.ssh/*", "/Users/u/.netrc"],
            &["/Users/u/.ssh/*.pub"],
        ]))
    };
    insta::assert_snapshot!(without_fixed_parts(&world));
}

#[test]
fn a_home_that_is_closed_but_for_the_project() {
    let world = World {
        network: Network { local_binding: true, all_sockets: true, ..Network::default() },
        ..World::of(policy([&["/h/p"], &["/h/p/**/kept"], &["/h", "/h/p/**/.env"], &["/h/p"]]))
    };
    insta::assert_snapshot!(without_fixed_parts(&world));
}
