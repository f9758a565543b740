
# What bash runs first inside: sbsh's part of the interactive session. The line above sets:
#   __sbsh_in __sbsh_out __sbsh_boot   descriptors: requests, answers, this script (scratch paper later)
#   __sbsh_tape __sbsh_null            descriptors: a pipe of our own, to write and to read, and /dev/null
#   __sbsh_round                       whether a start-up file may name sbsh
#   __sbsh_mark                        the nonce of the marker
#   __sbsh_login __sbsh_no_profile __sbsh_no_rc __sbsh_rc_file   which start-up files are read
# It is parsed before the person's start-up files, so no alias of theirs gets in. Later they may redefine anything and
# turn on any option: so nothing stands unquoted, `local` has no values (`set -k` takes them away), built-ins go by `builtin`, our output never meets their descriptors,
# and every name has the prefix __sbsh_. Our functions stand left of `&&` or `||` wherever they are called, which keeps
# `set -e` and the ERR trap out of them. What we write for ourselves goes through the pipe, as far as lines wait for it: to
# open a file for writing takes its time inside, as it is looked at from outside. Nobody waits at the pipe: what does not
# fit is lost, and where nothing is, nothing is read. Behind a NUL stands what is parsed only after the first prompt.

# Makes a descriptor close when a program is started: the person's programs inherit nothing of ours. bash has no word
# for it, but the copy that it saves while descriptor 9 is closed for a group has the flag, and a copy of that keeps it.
__sbsh_own() {
    local __sbsh_number __sbsh_key __sbsh_flags
    eval "exec 9<&$1"
    {
        # Where the copy before stood, and was seen to have the flag, the next one stands.
        if [[ $__sbsh_copy && /proc/$$/fd/$__sbsh_copy -ef /proc/$$/fd/$1 ]]; then
            eval "exec $1<&$__sbsh_copy"
        else
            for __sbsh_number in 11 10 12 13 14 15; do
                [[ /proc/$$/fd/$__sbsh_number -ef /proc/$$/fd/$1 ]] || continue
                eval "exec $1<&$__sbsh_number"
                while read -r __sbsh_key __sbsh_flags; do
                    [[ $__sbsh_key == flags: ]] && ((__sbsh_flags & 02000000)) && __sbsh_copy=$__sbsh_number && break 2
                done <"/proc/$$/fdinfo/$1"
            done
        fi
    } 9<&-
    exec 9<&-
}

# `$?` becomes the first argument.
__sbsh_is() { builtin return "$1"; }

# Sends fields to the front end.
__sbsh_send() { builtin printf '%s\0' "$@" >&"$__sbsh_out"; }

# Reads one field of a request.
__sbsh_take() { IFS= builtin read -r -d '' -u "$__sbsh_in" "$@"; }

# Reads what was written for ourselves, up to a NUL. A time of its own keeps TMOUT out of it.
__sbsh_read() { IFS= builtin read -r -d '' -t 1 -u "$__sbsh_tape" "$@"; }

# Whether a variable is read-only, as hardened systems have it: to set it would end whatever is being done.
__sbsh_fixed() {
    local __sbsh_text
    __sbsh_text=$1[@]
    ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) && [[ ${!__sbsh_text@a} == *r* ]]
}

# The hook is the last element of PROMPT_COMMAND, so that the person's own run first, and never element 0, which is
# what `PROMPT_COMMAND=x` sets. Before bash 5.1 there is but one.
__sbsh_element='{ __sbsh_ready "$?" || :; } >&"$__sbsh_null" 2>&1'
__sbsh_hook() {
    local __sbsh_index __sbsh_top
    __sbsh_top=0
    if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 501)); then
        __sbsh_fixed PROMPT_COMMAND && builtin return 0
        [[ ${PROMPT_COMMAND-} == *"$__sbsh_element" ]] ||
            PROMPT_COMMAND=${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}$__sbsh_element
        builtin return 0
    fi
    for __sbsh_index in "${!PROMPT_COMMAND[@]}"; do
        __sbsh_top=$__sbsh_index
    done
    [[ $__sbsh_top != 0 && ${PROMPT_COMMAND[__sbsh_top]} == "$__sbsh_element" ]] && builtin return 0
    __sbsh_fixed PROMPT_COMMAND && builtin return 0
    for __sbsh_index in "${!PROMPT_COMMAND[@]}"; do
        [[ ${PROMPT_COMMAND[__sbsh_index]} == "$__sbsh_element" ]] &&
            builtin unset -v "PROMPT_COMMAND[$__sbsh_index]"
    done
    PROMPT_COMMAND[__sbsh_top + 1]=$__sbsh_element
}

# At each prompt: keeps the person's PS1 and leaves none for bash to print, says how things stand, answers until a line
# has come. What a trap says meanwhile, when a signal runs it, goes to the terminal.
__sbsh_ready() {
    local __sbsh_prompt __sbsh_second __sbsh_kept __sbsh_kind
    # `exec <file`: the shell reads its lines there, as bash does, and ends with the file.
    [[ ! $__sbsh_booted || -t 0 ]] || builtin return 0
    if [[ $- == *x* ]]; then
        __sbsh_traced=1
        builtin set +x
    fi
    [[ $__sbsh_booted ]] || __sbsh_settle
    __sbsh_calm
    # What was cut short left something there.
    if builtin read -t 0 -u "$__sbsh_tape"; then
        builtin printf '\0' >&"$__sbsh_tape"
        while builtin read -t 0 -u "$__sbsh_tape" && __sbsh_read __sbsh_kind; do
            :
        done
    fi
    builtin set -- "${__sbsh_started:-$1}"
    if [[ ! $__sbsh_held || ${PS1-} ]]; then
        __sbsh_ps1=${PS1-}
    fi
    __sbsh_prompt=$__sbsh_ps1 __sbsh_second=${PS2-} __sbsh_kept=
    if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)); then
        __sbsh_is "$1"
        __sbsh_prompt=${__sbsh_prompt@P} __sbsh_second=${__sbsh_second@P}
    fi
    [[ -o history ]] && __sbsh_kept=memory && [[ ${HISTFILE-} ]] && __sbsh_kept=file
    if ! __sbsh_fixed PS1; then
        __sbsh_held=1
        PS1=
    fi
    {
        builtin printf '\033]7770;%s\a' "$__sbsh_mark"
        __sbsh_send R "$1" "${PWD-}" "$__sbsh_prompt" '' "$__sbsh_second" "$-${__sbsh_traced:+x}${__sbsh_verbose:+v}" \
            "$__sbsh_edit" "${HISTCONTROL-}" "$__sbsh_kept" "${IGNOREEOF+${IGNOREEOF:-10}}" "${COMP_WORDBREAKS-}"
        [[ $__sbsh_learnt ]] || __sbsh_learn >&"$__sbsh_null" 2>&1
        while __sbsh_kind=; do
            __sbsh_take __sbsh_kind || __sbsh_silence "$?"
            case $__sbsh_kind in
            L)
                __sbsh_take __sbsh_line
                __sbsh_status=
                [[ $__sbsh_learnt ]] || __sbsh_learn >&"$__sbsh_null" 2>&1
                if [[ ! $__sbsh_learnt ]]; then
                    # A descriptor was missing, for example: the next line finds one, or says the same.
                    builtin printf '%s\n' 'sbsh: this shell cannot open a file (is `ulimit -n` too low?); the line was not run'
                    __sbsh_line= __sbsh_status=126
                fi
                builtin return 0
                ;;
            S)
                __sbsh_take __sbsh_status
                __sbsh_line=
                builtin return 0
                ;;
            C) __sbsh_complete ;;
            K) __sbsh_known ;;
            esac
        done
    } >&"$__sbsh_tty" 2>&1
}

# Parses the rest while the person reads the first prompt. Aliases are off meanwhile: by now there may be the person's.
__sbsh_learn() {
    local __sbsh_text
    {
        IFS= builtin read -r -d '' __sbsh_text
        IFS= builtin read -r -d '' __sbsh_text
    } <"/dev/fd/$__sbsh_boot"
    builtin shopt -q expand_aliases && __sbsh_aliases=1
    builtin shopt -u expand_aliases
    [[ $__sbsh_text ]] && builtin eval "$__sbsh_text" && __sbsh_learnt=1
    __sbsh_calm
}

# After what turned the person's options off or shadowed a built-in, also when it was cut short.
__sbsh_calm() {
    [[ $__sbsh_aliases$__sbsh_strict$__sbsh_shadowed ]] || builtin return 0
    [[ $__sbsh_aliases ]] && builtin shopt -s expand_aliases
    [[ $__sbsh_strict ]] && builtin set -u
    [[ $__sbsh_shadowed == *o* ]] && builtin unset -f compopt
    [[ $__sbsh_shadowed == *g* ]] && builtin unset -f compgen
    __sbsh_aliases= __sbsh_strict= __sbsh_shadowed=
}

# Reads what `trap -p ERR DEBUG` wrote. The person's DEBUG trap is put into a `case` that passes over our commands. In
# POSIX mode `-` stands for none.
__sbsh_traps() {
    local __sbsh_text
    local -a __sbsh_list
    builtin printf '\0' >&"$__sbsh_tape"
    __sbsh_read __sbsh_text
    __sbsh_errors=
    [[ $__sbsh_text ]] || builtin return 0
    builtin eval "__sbsh_list=($__sbsh_text)"
    if [[ ${__sbsh_list[3]} == *ERR ]]; then
        __sbsh_errors=${__sbsh_list[2]#-}
        __sbsh_list=("${__sbsh_list[@]:4}")
    fi
    if [[ ${__sbsh_list[2]--} != - && ${__sbsh_list[2]} != 'case "$BASH_COMMAND ${FUNCNAME[*]-}" in *__sbsh_*) ;;'* ]]; then
        builtin trap -- 'case "$BASH_COMMAND ${FUNCNAME[*]-}" in *__sbsh_*) ;; *) '"${__sbsh_list[2]}"$'\n;; esac' DEBUG
    fi
}

# Which keys the person wants is told to the front end; bash's own line editing stays off.
__sbsh_modes() {
    [[ -o emacs ]] && __sbsh_edit=emacs && builtin set +o emacs
    [[ -o vi ]] && __sbsh_edit=vi && builtin set +o vi
    builtin return 0
}

# The end of the start: after the start-up files, also when Ctrl-C cut them short. The history is read as bash would
# now; the file is another for the shell, which could not write it when it ends; that there is one stays to be seen, for who
# wants none takes it away.
__sbsh_settle() {
    local __sbsh_text
    __sbsh_booted=1
    __sbsh_traps
    builtin declare -f bind >&"$__sbsh_tape"
    builtin printf '\0' >&"$__sbsh_tape"
    __sbsh_read __sbsh_text
    [[ $__sbsh_text == *__sbsh_b* ]] && builtin unset -f bind
    builtin unset -f __sbsh_b
    __sbsh_modes
    __sbsh_histfile=${HISTFILE-}
    if [[ -o history ]]; then
        builtin history -c
        [[ -r $__sbsh_histfile ]] && builtin history -r -- "$__sbsh_histfile"
    fi
    [[ ! $__sbsh_histfile ]] || __sbsh_fixed HISTFILE || HISTFILE=/dev/null
    __sbsh_hook
}
