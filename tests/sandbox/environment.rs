//! What the environment is inside.

use crate::world::{Ran, each};

#[test]
fn credentials_of_the_agent_and_the_session_are_removed_and_the_rest_is_kept() {
    each(|world| {
        world.user_settings(r#"{"sandbox":{"credentials":{"envVars":[{"name":"MY_TOKEN","mode":"deny"}]}}}"#);
        let ran: Ran = world
            .command(world.bin("sbsh"))
            .envs([
                ("ANTHROPIC_API_KEY", "k"),
                ("OPENAI_API_KEY", "k"),
                ("SSH_AUTH_SOCK", "/x"),
                ("DBUS_SESSION_BUS_ADDRESS", "x"),
            ])
            .envs([("MY_TOKEN", "t"), ("KEPT", "a b\nc"), ("SHELL", "/opt/sbsh"), ("EMPTY", "")])
            .args(["-c", "env -0 | sort -z | tr '\\0' '|'"])
            .output()
            .unwrap()
            .into();
        for gone in
            ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "MY_TOKEN"]
        {
            assert!(!ran.stdout.contains(gone), "{gone}: {}", ran.stdout);
        }
        for kept in
            ["KEPT=a b\nc|", "SHELL=/opt/sbsh|", "EMPTY=|", &format!("PWD={}|", world.project.display())]
        {
            assert!(ran.stdout.contains(kept), "{kept}: {}", ran.stdout);
        }
        assert!(!ran.stdout.to_lowercase().contains("sbsh_"), "{}", ran.stdout);
    });
}

#[test]
fn an_empty_environment_is_enough() {
    each(|world| {
        let mut command = world.command(world.bin("sbsh"));
        let ran: Ran = command.env_clear().args(["-c", "echo ok"]).output().unwrap().into();
        assert_eq!((ran.stdout.as_str(), ran.status), ("ok\n", Some(0)), "{}", ran.stderr);
    });
}
