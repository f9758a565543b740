# Made from src/cli/table.rs and src/cli/completions: SBSH_UPDATE=1 cargo test --test generated

# What can stand behind the words, a line each.
function __sbshctl_operand --no-scope-shadowing
    switch "$argv"
        case ''
            printf '%s\n' 'explain'\t'Show what would happen to a command, and by which rule; run nothing' 'status'\t'Show the settings that apply in this directory' 'doctor'\t'Check what can be enforced on this machine, and what is missing' 'trust'\t'Let this project\'s settings files widen the sandbox' 'agent'\t'Start an agent so that the commands it runs are confined, and make sure that they are' 'try'\t'Run a command whose changes to files are kept apart, and then keep or drop them' 'approve'\t'Answer the questions of all running commands in this terminal' 'pending'\t'List the hosts that were refused because nobody could be asked' 'allow'\t'Allow a host, a path, a Unix socket, a command or a credential, from now on' 'deny'\t'Deny a host, a path, a command or a credential, from now on; that beats every allow' 'ask'\t'Ask about a command or about reading a path, each time from now on' 'exclude'\t'Run a command outside the sandbox from now on, each time after a question' 'preset'\t'Allow the registries and caches of a language\'s package managers' 'import'\t'Take over the settings of sandbox-runtime (srt)' 'schema'\t'Print the JSON schema of the settings, for editors' 'lint'\t'Find settings that are too broad, contradict each other or do nothing' 'review'\t'Show which allowed things were not used lately, and take them back' 'log'\t'Show what ran, what was decided and what was refused' 'sandbox'\t'Open the menu that \'/sandbox\' opens in an interactive session' 'help'\t'Show this help, or a verb\'s'
        case 'explain'
            __sbshctl_command
        case 'agent'
            __sbshctl_command
        case 'try'
            __sbshctl_command
        case 'allow'
            printf '%s\n' 'domain' 'write' 'read' 'socket' 'command' 'credential-file' 'credential-env'
        case 'allow domain'
            __fish_print_hostnames
        case 'allow write'
            __fish_complete_path (commandline -ct)
        case 'allow read'
            __fish_complete_path (commandline -ct)
        case 'allow socket'
            __fish_complete_path (commandline -ct)
        case 'allow command'
            __sbshctl_name
        case 'allow credential-file'
            __fish_complete_path (commandline -ct)
        case 'allow credential-env'
            set -nx
        case 'deny'
            printf '%s\n' 'domain' 'write' 'read' 'command' 'credential-file' 'credential-env'
        case 'deny domain'
            __fish_print_hostnames
        case 'deny write'
            __fish_complete_path (commandline -ct)
        case 'deny read'
            __fish_complete_path (commandline -ct)
        case 'deny command'
            __sbshctl_name
        case 'deny credential-file'
            __fish_complete_path (commandline -ct)
        case 'deny credential-env'
            set -nx
        case 'ask'
            printf '%s\n' 'command' 'read'
        case 'ask command'
            __sbshctl_name
        case 'ask read'
            __fish_complete_path (commandline -ct)
        case 'exclude'
            __sbshctl_name
        case 'preset' 'preset *'
            printf '%s\n' 'node' 'python' 'rust' 'go' 'java'
        case 'import'
            __fish_complete_path (commandline -ct)
        case 'sandbox'
            printf '%s\n' 'mode'\t'whether what runs confined needs approval' 'allow'\t'allow it from now on' 'deny'\t'deny it from now on; that beats every allow' 'ask'\t'ask about it each time' 'exclude'\t'run it outside from now on, each time after a question' 'log'\t'what ran, what was decided and what was refused' 'why'\t'what is done with a command and by which rule; alone: the last one' 'off-for-one'\t'run this one outside, after a question' 'status'\t'the settings that apply here, and where each stands' 'help'\t'these words'
        case 'sandbox mode'
            printf '%s\n' 'auto' 'regular'
        case 'sandbox allow'
            printf '%s\n' 'domain' 'write' 'read' 'socket' 'command'
        case 'sandbox allow domain'
            __fish_print_hostnames
        case 'sandbox allow write'
            __fish_complete_path (commandline -ct)
        case 'sandbox allow read'
            __fish_complete_path (commandline -ct)
        case 'sandbox allow socket'
            __fish_complete_path (commandline -ct)
        case 'sandbox allow command'
            __sbshctl_name
        case 'sandbox deny'
            printf '%s\n' 'domain' 'write' 'read' 'command'
        case 'sandbox deny domain'
            __fish_print_hostnames
        case 'sandbox deny write'
            __fish_complete_path (commandline -ct)
        case 'sandbox deny read'
            __fish_complete_path (commandline -ct)
        case 'sandbox deny command'
            __sbshctl_name
        case 'sandbox ask'
            printf '%s\n' 'command' 'read'
        case 'sandbox ask command'
            __sbshctl_name
        case 'sandbox ask read'
            __fish_complete_path (commandline -ct)
        case 'sandbox exclude'
            __sbshctl_name
        case 'sandbox why'
            __sbshctl_command
        case 'sandbox off-for-one'
            __sbshctl_command
        case 'help'
            printf '%s\n' 'explain'\t'Show what would happen to a command, and by which rule; run nothing' 'status'\t'Show the settings that apply in this directory' 'doctor'\t'Check what can be enforced on this machine, and what is missing' 'trust'\t'Let this project\'s settings files widen the sandbox' 'agent'\t'Start an agent so that the commands it runs are confined, and make sure that they are' 'try'\t'Run a command whose changes to files are kept apart, and then keep or drop them' 'approve'\t'Answer the questions of all running commands in this terminal' 'pending'\t'List the hosts that were refused because nobody could be asked' 'allow'\t'Allow a host, a path, a Unix socket, a command or a credential, from now on' 'deny'\t'Deny a host, a path, a command or a credential, from now on; that beats every allow' 'ask'\t'Ask about a command or about reading a path, each time from now on' 'exclude'\t'Run a command outside the sandbox from now on, each time after a question' 'preset'\t'Allow the registries and caches of a language\'s package managers' 'import'\t'Take over the settings of sandbox-runtime (srt)' 'schema'\t'Print the JSON schema of the settings, for editors' 'lint'\t'Find settings that are too broad, contradict each other or do nothing' 'review'\t'Show which allowed things were not used lately, and take them back' 'log'\t'Show what ran, what was decided and what was refused' 'sandbox'\t'Open the menu that \'/sandbox\' opens in an interactive session' 'help'\t'Show this help, or a verb\'s'
    end
end

# Options that take a value.
function __sbshctl_takes_value
    contains -- "$argv" 'explain -c' 'explain --command' 'trust --revoke' 'agent --root' 'review --days' 'log -e' 'log --event' 'log -n' 'log --lines'
end

# Verbs whose first operand begins another program's words.
function __sbshctl_is_last
    contains -- $argv[1] explain agent try sandbox
end

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

complete -c sbshctl -f -a '(__sbshctl_complete)'
complete -c sbshctl -n __sbshctl_is_first -s h -l help -d 'Show help.'
complete -c sbshctl -n __sbshctl_is_first -s V -l version -d 'Print the version.'
complete -c sbshctl -n '__sbshctl_options_of explain' -l json -d 'Print one JSON object for programs instead of text.'
complete -c sbshctl -n '__sbshctl_options_of explain' -s c -l command -x -a '(__sbshctl_name)' -d 'The command text, instead of operands.'
complete -c sbshctl -n '__sbshctl_options_of explain' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of status' -l json -d 'Print one JSON object for programs instead of text.'
complete -c sbshctl -n '__sbshctl_options_of status' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of doctor' -l json -d 'Print one JSON object for programs instead of text.'
complete -c sbshctl -n '__sbshctl_options_of doctor' -l fix -d 'First put right what needs no decision: the modes of sbsh\'s own directories and files.'
complete -c sbshctl -n '__sbshctl_options_of doctor' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of trust' -l show -d 'Show what trusting would widen; change nothing.'
complete -c sbshctl -n '__sbshctl_options_of trust' -s y -l yes -d 'Trust without asking.'
complete -c sbshctl -n '__sbshctl_options_of trust' -l list -d 'List the files that are trusted.'
complete -c sbshctl -n '__sbshctl_options_of trust' -l revoke -r -F -d 'Withdraw the trust of a settings file or of all files of a project.'
complete -c sbshctl -n '__sbshctl_options_of trust' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of agent' -l root -x -a '(__fish_complete_directories (commandline -ct))' -d 'The working root of its commands; the agent starts there, unless it does below it.'
complete -c sbshctl -n '__sbshctl_options_of agent' -l print-env -d 'Print the environment for a shell to evaluate; start nothing.'
complete -c sbshctl -n '__sbshctl_options_of agent' -l account-shell -d 'For an agent that sbsh does not know: show it sbsh as the account\'s login shell, too.'
complete -c sbshctl -n '__sbshctl_options_of agent' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of try' -l diff -d 'Show what changed in text files, too.'
complete -c sbshctl -n '__sbshctl_options_of try' -l keep -d 'Keep the changes without asking; before a name, those of that one, all or below the paths that follow.'
complete -c sbshctl -n '__sbshctl_options_of try' -l drop -d 'Drop the changes without asking; before a name, those of that one.'
complete -c sbshctl -n '__sbshctl_options_of try' -l list -d 'List what lies there, neither kept nor dropped.'
complete -c sbshctl -n '__sbshctl_options_of try' -l show -d 'Show the changes of the one that is named.'
complete -c sbshctl -n '__sbshctl_options_of try' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of approve' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of pending' -l json -d 'Print one JSON object for programs instead of text.'
complete -c sbshctl -n '__sbshctl_options_of pending' -l clear -d 'Empty the list; this allows nothing.'
complete -c sbshctl -n '__sbshctl_options_of pending' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of allow' -l project -d 'In this project only; an error where there is none.'
complete -c sbshctl -n '__sbshctl_options_of allow' -l shared -d 'In the settings that the project shares, .claude/settings.json.'
complete -c sbshctl -n '__sbshctl_options_of allow' -l user -d 'In all projects of this user.'
complete -c sbshctl -n '__sbshctl_options_of allow' -l remove -d 'Take the entry out of its list again.'
complete -c sbshctl -n '__sbshctl_options_of allow' -l dry-run -d 'Show the difference; write nothing.'
complete -c sbshctl -n '__sbshctl_options_of allow' -l force -d 'Write it though it is dangerously broad.'
complete -c sbshctl -n '__sbshctl_options_of allow' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of deny' -l project -d 'In this project only; an error where there is none.'
complete -c sbshctl -n '__sbshctl_options_of deny' -l shared -d 'In the settings that the project shares, .claude/settings.json.'
complete -c sbshctl -n '__sbshctl_options_of deny' -l user -d 'In all projects of this user.'
complete -c sbshctl -n '__sbshctl_options_of deny' -l remove -d 'Take the entry out of its list again.'
complete -c sbshctl -n '__sbshctl_options_of deny' -l dry-run -d 'Show the difference; write nothing.'
complete -c sbshctl -n '__sbshctl_options_of deny' -l force -d 'Write it though it is dangerously broad.'
complete -c sbshctl -n '__sbshctl_options_of deny' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of ask' -l project -d 'In this project only; an error where there is none.'
complete -c sbshctl -n '__sbshctl_options_of ask' -l shared -d 'In the settings that the project shares, .claude/settings.json.'
complete -c sbshctl -n '__sbshctl_options_of ask' -l user -d 'In all projects of this user.'
complete -c sbshctl -n '__sbshctl_options_of ask' -l remove -d 'Take the entry out of its list again.'
complete -c sbshctl -n '__sbshctl_options_of ask' -l dry-run -d 'Show the difference; write nothing.'
complete -c sbshctl -n '__sbshctl_options_of ask' -l force -d 'Write it though it is dangerously broad.'
complete -c sbshctl -n '__sbshctl_options_of ask' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of exclude' -l project -d 'In this project only; an error where there is none.'
complete -c sbshctl -n '__sbshctl_options_of exclude' -l shared -d 'In the settings that the project shares, .claude/settings.json.'
complete -c sbshctl -n '__sbshctl_options_of exclude' -l user -d 'In all projects of this user.'
complete -c sbshctl -n '__sbshctl_options_of exclude' -l remove -d 'Take the entry out of its list again.'
complete -c sbshctl -n '__sbshctl_options_of exclude' -l dry-run -d 'Show the difference; write nothing.'
complete -c sbshctl -n '__sbshctl_options_of exclude' -l force -d 'Write it though it is dangerously broad.'
complete -c sbshctl -n '__sbshctl_options_of exclude' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of preset' -l project -d 'In this project only; an error where there is none.'
complete -c sbshctl -n '__sbshctl_options_of preset' -l shared -d 'In the settings that the project shares, .claude/settings.json.'
complete -c sbshctl -n '__sbshctl_options_of preset' -l user -d 'In all projects of this user.'
complete -c sbshctl -n '__sbshctl_options_of preset' -l dry-run -d 'Show the difference; write nothing.'
complete -c sbshctl -n '__sbshctl_options_of preset' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of import' -l srt -d 'Read ~/.srt-settings.json.'
complete -c sbshctl -n '__sbshctl_options_of import' -l project -d 'In this project only; an error where there is none.'
complete -c sbshctl -n '__sbshctl_options_of import' -l shared -d 'In the settings that the project shares, .claude/settings.json.'
complete -c sbshctl -n '__sbshctl_options_of import' -l user -d 'In all projects of this user.'
complete -c sbshctl -n '__sbshctl_options_of import' -l dry-run -d 'Show the difference; write nothing.'
complete -c sbshctl -n '__sbshctl_options_of import' -l force -d 'Write it though it is dangerously broad.'
complete -c sbshctl -n '__sbshctl_options_of import' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of schema' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of lint' -l json -d 'Print one JSON object for programs instead of text.'
complete -c sbshctl -n '__sbshctl_options_of lint' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of review' -l json -d 'Print one JSON object for programs instead of text.'
complete -c sbshctl -n '__sbshctl_options_of review' -l days -x -d 'How far to look back, 30 unless told.'
complete -c sbshctl -n '__sbshctl_options_of review' -s y -l yes -d 'Take back everything unused without asking.'
complete -c sbshctl -n '__sbshctl_options_of review' -l dry-run -d 'Show what would be taken back; change nothing.'
complete -c sbshctl -n '__sbshctl_options_of review' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of log' -l json -d 'Print the entries as they are, one JSON object a line.'
complete -c sbshctl -n '__sbshctl_options_of log' -s f -l follow -d 'Go on as entries come.'
complete -c sbshctl -n '__sbshctl_options_of log' -s e -l event -x -a '(printf \'%s\\n\' \'command\'\\t\'a command: who wanted it, the verdict, what was enforced, and how it ended or why it did not run\' \'start\'\\t\'a command that is about to run: outside, or anywhere where sandbox.audit.required is true\' \'decision\'\\t\'a question that was answered, or a command that a rule denied\' \'outside\'\\t\'a program that a command inside wanted to run outside, and how it ended\' \'violation\'\\t\'a call that was refused\' \'socket\'\\t\'a Unix socket outside that was spoken to\' \'connection\'\\t\'a connection, made or refused\' \'gatekeeper\'\\t\'what watching a command\\\'s calls cost\' \'trust\'\\t\'trust in a project\\\'s settings, given or taken back\' \'settings\'\\t\'settings that sbsh changed\' \'trial\'\\t\'what became of the changes of a command that was tried\' \'log\'\\t\'the log itself: what the next writer found wrong with it\')' -d 'Only these: command, start, decision, outside, violation, socket, connection, gatekeeper, trust, settings, trial or log.'
complete -c sbshctl -n '__sbshctl_options_of log' -s n -l lines -x -d 'How many of the last entries, 20 unless told.'
complete -c sbshctl -n '__sbshctl_options_of log' -l verify -d 'Check the numbers and hashes of all entries instead.'
complete -c sbshctl -n '__sbshctl_options_of log' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of sandbox' -s h -l help -d 'Show help.'
complete -c sbshctl -n '__sbshctl_options_of help' -s h -l help -d 'Show help.'
