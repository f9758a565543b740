//! Editors that start a shell for their commands, with sbsh in its place: filters, output that is read, and a shell within.

use crate::programs::{PROOF, PROVEN, gives, proven, ran, with_shell};
use crate::world::{Ran, World, each, has};
use std::fs;
use std::path::Path;

/// What an editor does with commands, in vim's language: `$OUT` gets what it read.
fn edits(world: &World, editor: &str, arguments: &[&str], shell: &Path) -> (Ran, String) {
    let script = r#"
silent !test -e /dev/.sbsh && echo confined > marked
silent !touch ../outside/x
call setline(1, ["b", "a"])
%!sort
$read !echo read; echo err >&2; exit 3
call append("$", "status " . v:shell_error)
$read !true
call append("$", "nothing " . v:shell_error)
call append("$", split(system("cat; echo of the system; exit 4", "fed\n"), "\n"))
call append("$", "status " . v:shell_error)
write !cat > written
set makeprg=echo\ made:1:\ error
silent make!
call append("$", getqflist()[-1].text)
write! out
qall!
"#;
    world.write(&world.project.join("script.vim"), script);
    let mut command = world.command(editor);
    command.env("SHELL", shell).env("TERM", "xterm").args(arguments).args(["-S", "script.vim"]);
    let ran = ran(&mut command);
    (ran, fs::read_to_string(world.project.join("out")).unwrap_or_default())
}

#[test]
fn vim_and_neovim_filter_read_and_make() {
    if !has(&["vim", "nvim"]) {
        return;
    }
    each(|world| {
        let editors: [(&str, &[&str]); 2] =
            [("vim", &["-u", "NONE", "-N", "-es"]), ("nvim", &["-u", "NONE", "--headless"])];
        for (editor, arguments) in editors {
            let (bash, read) = edits(world, editor, arguments, Path::new("/bin/bash"));
            for line in
                ["a", "b", "read", "err", "status 3", "nothing 0", "of the system", "status 4", " error"]
            {
                assert!(
                    read.lines().any(|other| other == line),
                    "{editor}: no {line:?} in {read:?}, {bash:?}"
                );
            }
            assert!(world.outside.join("x").exists() && !world.project.join("marked").exists());
            fs::remove_file(world.outside.join("x")).unwrap();
            let written = fs::read_to_string(world.project.join("written")).unwrap();
            for file in ["out", "written"] {
                fs::remove_file(world.project.join(file)).unwrap();
            }
            let (ours, ours_read) = edits(world, editor, arguments, &world.bin("bash"));
            assert_eq!((ours.status, &ours_read), (bash.status, &read), "{ours:?}");
            assert_eq!(fs::read_to_string(world.project.join("written")).unwrap(), written);
            assert_eq!(fs::read_to_string(world.project.join("marked")).unwrap(), "confined\n");
            assert_eq!(fs::read_dir(&world.outside).unwrap().count(), 0, "{ours:?}");
            for file in ["out", "written", "marked"] {
                fs::remove_file(world.project.join(file)).unwrap();
            }
        }
    });
}

#[test]
fn a_text_like_an_editors_writes_nothing_where_no_editor_started_it() {
    each(|world| {
        let place = tempfile::Builder::new().prefix("v").rand_bytes(6).tempdir_in("/tmp").unwrap();
        world.give(place.path());
        let ran = world.run(&format!("(echo x)>{}/0 2>&1", place.path().display()));
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert!(fs::read_dir(place.path()).unwrap().next().is_none());
    });
}

/// With `SHELL` as Emacs takes it: commands, a region through a command, and `M-x shell`, which is a terminal.
const EMACS: &str = r#"
(setq shell-file-name (getenv "SHELL"))
(princ (shell-command-to-string (getenv "PROOF")))
(princ (shell-command-to-string "test -t 0 || echo no terminal"))
(princ (format "%s\n" (call-process-shell-command "exit 3")))
(with-temp-buffer
  (insert "b\na\n")
  (shell-command-on-region (point-min) (point-max) "sort" nil t)
  (princ (buffer-string)))
(with-temp-buffer
  (let* ((process-connection-type t)
         (process-environment (append '("TERM=dumb" "INSIDE_EMACS=28,comint" "PS1=in> ") process-environment))
         (shell (start-process "shell" (current-buffer) shell-file-name "--norc" "--noprofile" "-i"))
         (until (lambda (text)
                  (while (not (save-excursion (goto-char (point-min)) (search-forward text nil t)))
                    (accept-process-output shell 1)))))
    (set-process-query-on-exit-flag shell nil)
    (funcall until "in> ")
    (process-send-string shell "test -e /dev/.sbsh && test -t 0 && echo con''fined shell\n")
    (funcall until "confined shell")
    (process-send-string shell "exit 5\n")
    (while (process-live-p shell) (accept-process-output shell 1))
    (princ (format "confined shell %s %s\n" (process-exit-status shell)
                   (if (string-match "\e" (buffer-string)) "with sequences" "plain")))))
"#;

#[test]
fn emacs_runs_commands_regions_and_a_shell() {
    if !has(&["emacs"]) {
        return;
    }
    each(|world| {
        world.write(&world.project.join("run.el"), EMACS);
        for name in ["sbsh", "bash"] {
            let mut emacs = with_shell(world, "emacs", name);
            emacs.env("PROOF", PROOF).args(["-Q", "--batch", "-l", "run.el"]);
            let rest = "no terminal\n3\na\nb\nconfined shell 5 plain\n";
            gives(&ran(&mut emacs), 0, &format!("{PROVEN}{rest}"));
            proven(world);
        }
    });
}
