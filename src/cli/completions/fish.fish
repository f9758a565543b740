# Sets `verb`, its `operands` before the cursor, whether options are over (`plain`), and the words of another program (`command`)
# if they have begun.
function __sbshctl_read --no-scope-shadowing
    set -l words (commandline -opc)
    set verb $words[2]
    set operands
    set command
    set plain
    set -l taking
    set words $words[3..]
    while set -q words[1]
        if test -n "$taking"
            set taking
        else if test -z "$plain"; and test "$words[1]" = --
            set plain yes
        else if test -z "$plain"; and string match -q -- '-?*' "$words[1]"
            if __sbshctl_takes_value "$verb $words[1]"
                set taking yes
            end
        else if __sbshctl_is_last "$verb"
            set command $words
            set plain yes
            break
        else
            set -a operands $words[1]
        end
        set -e words[1]
    end
end

function __sbshctl_is_first
    test (count (commandline -opc)) -eq 1
end

function __sbshctl_options_of
    set -l verb
    set -l operands
    set -l command
    set -l plain
    __sbshctl_read
    test "$verb" = $argv[1]; and test -z "$plain"
end

# Another program's words, completed as its own; its words are in `command`, and none while its name is not there.
function __sbshctl_command --no-scope-shadowing
    set -l token (commandline -ct)
    set -l before (string join ' ' -- (string escape -- $command))
    complete -C "$before $token"
end

function __sbshctl_name
    set -l token (commandline -ct)
    complete -C " $token"
end

function __sbshctl_complete
    set -l verb
    set -l operands
    set -l command
    set -l plain
    if __sbshctl_is_first
        __sbshctl_operand ''
        return
    end
    __sbshctl_read
    set -l behind $verb $operands
    # The menu's words are followed by words of their own, and some of those by a command.
    if test "$verb" = sandbox
        while set -q command[1]
            if contains -- "$behind" 'sandbox why' 'sandbox off-for-one'
                break
            end
            set -a behind $command[1]
            set -e command[1]
        end
    end
    __sbshctl_operand $behind
end

