//! Much at once, in forms that take seconds: commands, lines of a session, hosts, files. Every result is right, nothing runs
//! unconfined, nothing is left. `.ci/load` has two hundred, twenty thousand, ten thousand and a million; docs/load.md what came of it.

use crate::net::{Outside, has_programs};
use crate::session::{RC, Session, each_with};
use crate::world::{Ran, World, each};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};

#[test]
fn forty_commands_at_once_give_forty_results() {
    each(|world| {
        let outside = world.outside.display();
        let start = |number: usize| -> Child {
            // None ends before all have begun.
            let text = format!(
                "> began-{number}; until [ -e go ]; do sleep 0.05; done; echo $(({number} * 7)); \
                 echo x 2>/dev/null > {outside}/{number}; exit $(({number} + 1))"
            );
            let mut command = world.command(world.bin("sbsh"));
            command.args(["-c", &text]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children: Vec<Child> = (0..40).map(start).collect();
        crate::world::until(|| (0..40).all(|number| world.project.join(format!("began-{number}")).exists()));
        world.write(&world.project.join("go"), "");
        for (number, child) in children.into_iter().enumerate() {
            let ran = Ran::from(child.wait_with_output().unwrap());
            assert_eq!(
                (ran.status, &*ran.stdout),
                (Some(number as i32 + 1), &*format!("{}\n", number * 7)),
                "{ran:?}"
            );
            assert!(ran.stderr.contains("bash may not write"), "{ran:?}");
        }
        assert_eq!(world.state(&world.outside), []);
    });
}

/// Connects to so many hosts of names of their own, eight at a time, and says how many answered with their own name.
const HOSTS: &str = r#"
import http.client, sys, threading
prefix, count = sys.argv[1], int(sys.argv[2])
good, waiting, lock = [], iter(range(count)), threading.Lock()
def work():
    while True:
        with lock: number = next(waiting, None)
        if number is None: return
        name = f"{prefix}{number}.test"
        try:
            c = http.client.HTTPConnection(name, timeout=60)
            c.request("GET", "/many", headers={"Connection": "close"})
            if f"host={name} " in c.getresponse().read().decode(): good.append(name)
        except OSError: pass
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(set(good)), len(good))
"#;

#[test]
fn five_hundred_hosts_are_reached_or_refused_each_by_its_name() {
    if !has_programs() {
        return;
    }
    each(|world| {
        const COUNT: usize = 500;
        let allowed: Vec<String> = (0..COUNT).map(|number| format!("\"h{number}.test\"")).collect();
        world.user_settings(&format!("{{\"sandbox\": {{\"allowedDomains\": [{}]}}}}", allowed.join(",")));
        let (asker, asked) = (world.home.join("asker"), world.home.join("asked"));
        world.write(&asker, &format!("#!/bin/sh\ncat > /dev/null\necho x >> {}\necho no\n", asked.display()));
        fs::set_permissions(&asker, fs::Permissions::from_mode(0o755)).unwrap();
        let outside = Outside::new(world);
        let run = |prefix: &str| -> Ran {
            let text = format!("python3 - {prefix} {COUNT} <<'PY'\n{HOSTS}\nPY");
            let mut command = outside.command(world, &world.bin("sbsh"), &["-c", &text]);
            command.env("SBSH_ASKPASS", &asker).output().unwrap().into()
        };
        let ran = run("h");
        assert_eq!((&*ran.stdout, &*ran.stderr), (&*format!("{COUNT} {COUNT}\n"), ""));
        let received = outside.received();
        for number in 0..COUNT {
            assert_eq!(
                received.matches(&format!("GET /many HTTP/1.1 host=h{number}.test\n")).count(),
                1,
                "{number}"
            );
        }
        assert!(!asked.exists());
        // Those that are not allowed: a person is asked a few times and told of a few.
        let ran = run("r");
        assert_eq!(ran.stdout, "0 0\n", "{ran:?}");
        assert!(!outside.received().contains("host=r"), "{}", outside.received());
        let questions = fs::read_to_string(&asked).unwrap().lines().count();
        assert!((1..=24).contains(&questions), "{questions}");
        let told = ran.stderr.matches("is blocked").count();
        assert!((1..=200).contains(&told), "{told} {}", ran.stderr);
    });
}

/// Every process below one, itself among them, and how many descriptors they have together.
fn below(process: u32) -> (usize, usize) {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let own = fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count);
    children.split(' ').filter_map(|child| child.parse().ok()).fold(
        (1, own),
        |(processes, descriptors), child| {
            let (more, opened) = below(child);
            (processes + more, descriptors + opened)
        },
    )
}

#[test]
fn a_session_of_many_lines_holds_what_one_of_few_does() {
    each_with(RC, |world| {
        world.write(&world.project.join("unique-name"), "here\n");
        fs::create_dir(world.project.join("sub")).unwrap();
        world.give(&world.project.join("sub"));
        let mut session = Session::start(world);
        session.line("n=0");
        let lines = |session: &mut Session, rounds: usize| {
            for _ in 0..rounds {
                for text in ["n=$((n+1))", "cd sub", "sleep 0 &", "cd ..", "echo $n | cat >/dev/null"] {
                    assert_eq!(session.line(text).status, 0, "{text}");
                }
                // What is typed does not wait for a completion that takes long.
                session.types("cat uniq\t");
                session
                    .wait("the name", |session| session.before_cursor().trim_end().ends_with("unique-name"));
                assert_eq!(session.line("> copied").status, 0);
                // Jobs that are over, and what asks.
                session.line("wait");
            }
            below(session.child.id())
        };
        let few = lines(&mut session, 5);
        let many = lines(&mut session, 40);
        assert_eq!(session.line("echo $n").output, "45\n");
        assert_eq!(fs::read_to_string(world.project.join("copied")).unwrap(), "here\n");
        assert!(few.0 >= 3 && many.0 <= few.0 && many.1 <= few.1 + 2, "{few:?} {many:?}");
        session.types("exit\r");
        assert_eq!(session.ends(), 0);
    });
}

/// So many files, a hundred in each directory.
fn fill(world: &World, top: &Path, directories: usize) {
    for number in 0..directories {
        let place = top.join(number.to_string());
        fs::create_dir(&place).unwrap();
        for file in 0..100 {
            let file = place.join(file.to_string());
            fs::write(&file, "").unwrap();
            world.give(&file);
        }
        world.give(&place);
    }
}

#[test]
fn every_one_of_ten_thousand_files_is_found_moved_and_removed() {
    each(|world| {
        fill(world, &world.project, 100);
        let ran = world.run(
            "find . -type f | wc -l; tar cf - [0-9]* | tar tf - | grep -c '[0-9]$'; for d in *0; do mv $d $d.moved; done
             find . -type f | wc -l; chmod -R g-r [0-9]*; find . -type f -perm /040 | wc -l; rm -r [0-9]*; ls -A",
        );
        assert_eq!((&*ran.stdout, &*ran.stderr), ("10000\n10000\n10000\n0\n.claude\n", ""));
        assert_eq!(fs::read_dir(&world.project).unwrap().count(), 1);
    });
}
