//! Signing by gpg's agent outside: refused until its socket is named, and what each of its sockets gives then.

use crate::world::{World, each, has};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Ends the agent that gpg started outside.
struct Agent<'a>(&'a World);

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = outside(self.0, "gpgconf --kill gpg-agent");
    }
}

/// What a shell text outside prints.
fn outside(world: &World, text: &str) -> String {
    let ran = world.command("/bin/sh").args(["-c", text]).output().unwrap();
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

fn allow(world: &World, socket: &Path) {
    world.user_settings(&format!(r#"{{"sandbox":{{"allowUnixSockets":["{}"]}}}}"#, socket.display()));
}

const SIGN: &str = "git init -q signed; cd signed; git -c user.name=x -c user.email=x@x -c user.signingkey=x@x commit -q -S \
     --allow-empty -m x && git cat-file commit HEAD | grep -c 'BEGIN PGP SIGNATURE'; cd ..; rm -rf signed; \
     cat ~/.gnupg/private-keys-v1.d/*";

#[test]
fn gpg_signs_by_the_agent_that_settings_name_and_never_reads_its_keys() {
    if !has(&["gpg", "gpg-agent", "git"]) {
        return;
    }
    each(|world| {
        let home = world.home.join(".gnupg");
        std::fs::create_dir(&home).unwrap();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
        world.give(&home);
        let _agent = Agent(world);
        outside(world, "gpg --batch --passphrase '' --quick-gen-key 'x <x@x>' ed25519 sign never 2>&1");
        let [main, extra] = ["agent-socket", "agent-extra-socket"]
            .map(|which| PathBuf::from(outside(world, &format!("gpgconf --list-dirs {which}"))));
        let refused = world.run(SIGN);
        assert_eq!(refused.stdout, "", "{}", refused.stderr);
        let advice = format!(
            "a person can allow it: sbshctl allow socket {} (it gives your keys away: ",
            main.display()
        );
        assert!(refused.stderr.contains(&advice), "{}", refused.stderr);
        assert!(refused.stderr.contains("gpg may not connect to"), "{}", refused.stderr);
        allow(world, &main);
        let signed = world.run(SIGN);
        assert_eq!(signed.stdout, "1\n", "{}", signed.stderr);
        assert!(signed.stderr.contains("private-keys-v1.d/*': Permission denied"), "{}", signed.stderr);
        // The agent itself gives away a key that has no passphrase: lint says so, and names the socket that does not.
        let lint = world.control(&["lint"]);
        assert!(lint.stdout.contains("S.gpg-agent.extra"), "{}{}", lint.stdout, lint.stderr);
        let export = "gpg --batch --export-secret-keys x@x | wc -c";
        assert_ne!(world.run(export).stdout, "0\n");
        allow(world, &extra);
        let redirected = format!(
            "mkdir -m 700 gpg && cp ~/.gnupg/pubring.kbx gpg/ && printf '%%Assuan%%\\nsocket={}\\n' > gpg/S.gpg-agent; \
             export GNUPGHOME=$PWD/gpg; {SIGN}; {export}",
            extra.display()
        );
        let signed = world.run(&redirected);
        assert_eq!(signed.stdout, "1\n0\n", "{}", signed.stderr);
    });
}
