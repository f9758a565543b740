
# The second part of sbsh's bash: what is parsed behind the first prompt, with the aliases off. Lines wait for it, and a
# regular expression takes its time: each stands behind a pattern that most lines do not fit.

# What a command writes, without the process that `$( )` would cost. The name of a variable, then the command.
__sbsh_output() {
    "${@:2}" >|"/dev/fd/$__sbsh_boot" 2>&1
    builtin set -- "$1" "$?"
    IFS= builtin read -r -d '' "$1" <"/dev/fd/$__sbsh_boot"
    builtin return "$2"
}

# No request came: TMOUT is over, the front end is gone, or a signal interrupted.
__sbsh_silence() {
    case $1 in
    142)
        builtin printf '\a%s\n' 'timed out waiting for input: auto-logout' >&"$__sbsh_tty"
        builtin exit 0
        builtin exit 0
        ;;
    1)
        # The front end is gone, and with it the terminal. A shell that reads its terminal hangs up its jobs then; this one
        # is in its prompt's commands, where it does not.
        builtin jobs -p >|"/dev/fd/$__sbsh_boot"
        builtin mapfile -t __sbsh_answers <"/dev/fd/$__sbsh_boot"
        for __sbsh_word in "${__sbsh_answers[@]}"; do
            builtin kill -HUP -- "-$__sbsh_word"
            builtin kill -CONT -- "-$__sbsh_word"
        done
        builtin kill -HUP "$$"
        ;;
    esac
}

# What the words name: for colours.
__sbsh_known() {
    local __sbsh_count __sbsh_word
    local -a __sbsh_answers
    __sbsh_answers=()
    __sbsh_take __sbsh_count
    while ((__sbsh_count-- > 0)); do
        __sbsh_take __sbsh_word
        builtin type -t -- "$__sbsh_word" || builtin echo
    done >&"$__sbsh_tape" 2>&"$__sbsh_null"
    builtin mapfile -t -u "$__sbsh_tape" __sbsh_answers
    __sbsh_send k "${#__sbsh_answers[@]}" "${__sbsh_answers[@]}"
}

# The nudge is a group, the eval, and a group: the first keeps what every command changes and has the front end open the
# terminal; the last looks at what the line changed. It notes the ERR and DEBUG traps, which functions do not see.
__sbsh_keep() {
    [[ $__sbsh_noted ]] || __sbsh_pipe=("${@:1:$#-2}")
    __sbsh_noted=
    if [[ $__sbsh_started ]]; then
        __sbsh_result=$__sbsh_started
        __sbsh_started=
    else
        __sbsh_result=${*: -2:1}
        __sbsh_last=${*: -1}
    fi
}

# Puts everything back as the person had it and writes what the eval evaluates.
__sbsh_go() {
    local __sbsh_answer
    local -a __sbsh_match
    # Our own matching leaves no trace (before bash 5.1 it cannot be put back).
    __sbsh_match=("${BASH_REMATCH[@]}")
    if [[ $__sbsh_held ]]; then
        PS1=$__sbsh_ps1
        __sbsh_held=
    fi
    __sbsh_record
    __sbsh_text='{ __sbsh_note "${__sbsh_pipe[@]}" "$__sbsh_result" "$__sbsh_last"; } >&"$__sbsh_null" 2>&1'
    if [[ $__sbsh_status ]]; then
        __sbsh_result=$__sbsh_status
        __sbsh_pipe=("$__sbsh_status")
    elif [[ $__sbsh_line == *[![:space:]]* &&
        ( $__sbsh_line != *'#'* || ! $__sbsh_line =~ ^[[:blank:]]*#[^$'\n']*$ ) ]]; then
        # A line without a command changes nothing.
        __sbsh_write
    fi
    __sbsh_send G
    __sbsh_take -t 3600 __sbsh_answer || __sbsh_silence 1
    __sbsh_prepare
    __sbsh_restore
    builtin return "$__sbsh_result"
}

# The caller's __sbsh_match becomes BASH_REMATCH again.
__sbsh_restore() {
    ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 501)) || BASH_REMATCH=("${__sbsh_match[@]}")
}

# Takes the nudge from the history and puts the line there, if there is one.
__sbsh_record() {
    __sbsh_late=
    [[ -o history ]] || builtin return 0
    if [[ $__sbsh_line == *fc* && $__sbsh_line =~ ^[[:blank:]]*fc([[:blank:]]|$) ]]; then
        # It must not find itself, so it comes behind.
        __sbsh_erase
        if [[ $__sbsh_line =~ [[:blank:]]-[[:alpha:]]*l ]]; then
            __sbsh_late=$__sbsh_line
        else
            __sbsh_copy
        fi
    elif [[ $__sbsh_line == *[![:space:]]* &&
        ( $__sbsh_line != *history* || ! $__sbsh_line =~ ^[[:blank:]]*history[[:blank:]]+-[sp] ) ]]; then
        # It takes the nudge away by itself.
        builtin history -s -- "$__sbsh_line"
    else
        # `history -s` takes itself away.
        __sbsh_erase
    fi
}

# Takes the nudge away: `history -s` does, for an entry that goes again (before bash 5 it stays). Where HISTIGNORE keeps
# everything out there is nothing to take.
__sbsh_erase() {
    local __sbsh_pattern
    local -a __sbsh_patterns
    ((BASH_VERSINFO[0] >= 5)) || builtin return 0
    IFS=: builtin read -r -a __sbsh_patterns <<<"${HISTIGNORE-}"
    for __sbsh_pattern in "${__sbsh_patterns[@]}"; do
        [[ __sbsh_nothing == $__sbsh_pattern ]] && builtin return 0
    done
    builtin history -s -- __sbsh_nothing
    builtin history -d -1
}

# Where `fc` runs a command again it takes away the last entry, believing that to be itself: it gets a copy of it,
# with a blank where a second one would be refused.
__sbsh_copy() {
    local __sbsh_entry
    __sbsh_fixed HISTTIMEFORMAT && builtin return 0
    local HISTTIMEFORMAT
    HISTTIMEFORMAT=
    __sbsh_output __sbsh_entry builtin history 1
    [[ $__sbsh_entry =~ ^[[:blank:]]*[0-9]+.[[:blank:]] ]] && __sbsh_entry=${__sbsh_entry#"${BASH_REMATCH[0]}"}
    __sbsh_entry=${__sbsh_entry%$'\n'}
    [[ ${HISTCONTROL-} == *@(dups|both)* ]] && __sbsh_entry+=' '
    builtin history -s -- "$__sbsh_entry"
}

# The line, and behind it, in the same eval, what notes `$?` and `$_`. It gives 0, so that the eval fails neither for
# `set -e` nor for the ERR trap a second time.
__sbsh_write() {
    __sbsh_text=$__sbsh_line
    # Were bash told within an eval to edit lines, it would read the rest of it from the terminal, and crash.
    if [[ $__sbsh_line == *set* && $__sbsh_line =~ set[[:blank:]]+-o[[:blank:]]+(vi|emacs) ]]; then
        builtin printf '%s\n' "$__sbsh_line" >|"/dev/fd/$__sbsh_boot"
        __sbsh_text='builtin . "/dev/fd/$__sbsh_boot"'
    fi
    # What the parser refuses runs no ERR trap, but the eval around it would.
    if [[ $__sbsh_errors && $- != *e* ]] && ! __sbsh_parses; then
        __sbsh_text='\eval "$__sbsh_line" || __sbsh_note "$?" "$__sbsh_last"'
    elif [[ ! $__sbsh_verbose && ( $__sbsh_line != *set* ||
        ! $__sbsh_line =~ set[[:blank:]]+-([[:alpha:]]*v|o[[:blank:]]+(verbose|history)) ) ]] &&
        __sbsh_closed; then
        __sbsh_text+=$'\n{ __sbsh_note "${PIPESTATUS[@]}" "$?" "$_"; } >&"$__sbsh_null" 2>&1'
    fi
}

# Whether the line is a program as it stands.
__sbsh_parses() {
    local -a __sbsh_options
    __sbsh_options=()
    builtin shopt -q extglob && __sbsh_options=(-O extglob)
    "/proc/$$/exe" "${__sbsh_options[@]}" -n <<<"$__sbsh_line"
}

# Whether each here-document in the line has its end: else what stands behind the line would be in it.
__sbsh_closed() {
    local __sbsh_rest __sbsh_word
    [[ $__sbsh_line == *'<<'* ]] || builtin return 0
    __sbsh_rest=${__sbsh_line//<<</} __sbsh_word=$'<<-?[ \t]*["\'\\\\]*([^] \t\n;&|<>()"\'\\\\]+)'
    while [[ $__sbsh_rest =~ $__sbsh_word ]]; do
        __sbsh_rest=${__sbsh_rest#*"${BASH_REMATCH[0]}"}
        [[ $__sbsh_rest$'\n' =~ $'\n'[$'\t']*"${BASH_REMATCH[1]}"$'\n' ]] || builtin return 1
    done
    builtin return 0
}

# What must stand before the line for it to find everything as the person's last line left it.
__sbsh_prepare() {
    local __sbsh_before __sbsh_leaving __sbsh_asked
    __sbsh_before=
    # Of the statuses of a pipeline only the last survives; who asks for the others gets them again.
    if [[ $__sbsh_line == *PIPESTATUS* && ${#__sbsh_pipe[@]} -gt 1 ]]; then
        builtin printf -v __sbsh_before ' | (exit %d)' "${__sbsh_pipe[@]}"
        __sbsh_before=${__sbsh_before#' | '}
        [[ $__sbsh_result == 0 ]] && __sbsh_before+=' || :' || __sbsh_before+=' && :'
        __sbsh_before="{ $__sbsh_before; } >/dev/null 2>&1"$'\n'
    fi
    # bash lets a second `exit` in a row go although jobs are stopped, and goes by the command run just before.
    __sbsh_leaving='^[[:space:]]*(exit|logout)([[:space:]]|$)'
    __sbsh_asked='^[[:space:]]*(exit|logout|jobs)([^;&|]*)$'
    if [[ ( $__sbsh_line == *exit* || $__sbsh_line == *logout* ) && $__sbsh_line =~ $__sbsh_leaving && $__sbsh_before_line =~ $__sbsh_asked ]]; then
        __sbsh_before="{ builtin exit --help; (exit $__sbsh_result)"
        [[ $__sbsh_result == 0 ]] || __sbsh_before+=' && :'
        __sbsh_before+=$'; } >/dev/null 2>&1\n'
    fi
    __sbsh_before_line=$__sbsh_line
    # Tracing begins behind our own commands.
    if [[ $__sbsh_traced ]]; then
        __sbsh_traced=
        __sbsh_before+='{ builtin set -x; __sbsh_is "$__sbsh_result" "$__sbsh_last" && : "$__sbsh_last"; } >/dev/null 2>&1'$'\n'
    fi
    if [[ $__sbsh_verbose ]]; then
        __sbsh_verbose=
        __sbsh_before+='{ builtin set -v; __sbsh_is "$__sbsh_result" "$__sbsh_last" && : "$__sbsh_last"; } >/dev/null 2>&1'$'\n'
    fi
    __sbsh_text=$__sbsh_before$__sbsh_text
}

# Behind the line: `$?` and `$_` as the person's last command left them.
__sbsh_note() {
    __sbsh_noted=1
    __sbsh_result=${*: -2:1}
    __sbsh_last=${*: -1}
    __sbsh_pipe=("${@:1:$#-2}")
}

# What ended without the note gave the eval's own status.
__sbsh_after() { [[ $__sbsh_noted ]] || __sbsh_result=$1; }

# The last group: tells of jobs that have ended, as bash would only when it reads the next line (that one runs is no
# news). The line may have changed the hook, and what would show our commands. The DEBUG trap, noted just before, is
# made blind to them.
__sbsh_kept() {
    builtin jobs -rn
    builtin jobs -n >&"$__sbsh_tty"
    __sbsh_traps
    __sbsh_hook
    __sbsh_modes
    if [[ $- == *v* ]]; then
        __sbsh_verbose=1
        builtin set +v
    fi
    [[ $__sbsh_late ]] && builtin history -s -- "$__sbsh_late"
    __sbsh_late=
    builtin return "$__sbsh_result"
}
