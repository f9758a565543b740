# Made from src/cli/table.rs and src/cli/completions: SBSH_UPDATE=1 cargo test --test generated

function __sbsh_is_ctl
    set -l words (commandline -opc)
    test "$words[2]" = ctl
end

function __sbsh_is_first
    test (count (commandline -opc)) -eq 1
end

# The line as sbshctl's.
function __sbsh_ctl
    set -l words (commandline -opc)
    set -l token (commandline -ct)
    set -l before (string join ' ' -- sbshctl (string escape -- $words[3..]))
    complete -C "$before $token"
end

function __sbsh_name
    set -l token (commandline -ct)
    complete -C " $token"
end

complete -c sbsh -f -n __sbsh_is_ctl -a '(__sbsh_ctl)'
complete -c sbsh -n __sbsh_is_first -a ctl -d 'Explain, check and change the sandbox.'
complete -c sbsh -n __sbsh_is_first -l report-fd -x -d 'Write a report for programs to this descriptor.'
complete -c sbsh -n __sbsh_is_first -l version -d 'Print sbsh\'s version.'
complete -c sbsh -n __sbsh_is_first -l help -d 'Print this text.'
complete -c sbsh -n 'not __sbsh_is_ctl' -s c -x -a '(__sbsh_name)' -d 'Run this command.'
complete -c sbsh -n 'not __sbsh_is_ctl' -s i -d 'Be interactive.'
complete -c sbsh -n 'not __sbsh_is_ctl' -s l -d 'Be a login shell.'
complete -c sbsh -n 'not __sbsh_is_ctl' -s s -d 'Read commands from standard input.'
