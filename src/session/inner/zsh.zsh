
# What zsh runs first inside: sbsh's part of the interactive session. The line above sets:
#   __sbsh_in __sbsh_out __sbsh_boot   descriptors: requests, answers, this script (scratch paper later)
#   __sbsh_mark                        the nonce of the marker
#   __sbsh_login __sbsh_no_profile __sbsh_no_rc __sbsh_rc_file   which start-up files are read
# It is parsed before the person's start-up files, so no alias of theirs gets in. Every name has the prefix __sbsh_.
# Our functions stand left of `&&` wherever they are called, which keeps `set -e` and ZERR out of them.

# Makes a descriptor close when a program is started: opened anew, through a name.
__sbsh_own() {
    emulate -L zsh
    local new
    zmodload zsh/system && sysopen "$1" -o cloexec -u new "/dev/fd/${(P)2}" || return 0
    eval "exec {$2}>&-"
    typeset -g "$2=$new"
}

# `$?` becomes the first argument.
__sbsh_is() { return "$1" }

# Sends fields to the front end.
__sbsh_send() { builtin print -rNu "$__sbsh_out" -- "$@" }

# Reads one field of a request into the variable named first; a timeout may follow. (`read -d` would set the terminal.)
__sbsh_take() {
    local piece
    while [[ $__sbsh_buffer != *$'\0'* ]]; do
        sysread -i "$__sbsh_in" ${2+-t} $2 piece || return
        __sbsh_buffer+=$piece
    done
    typeset -g "$1=${__sbsh_buffer%%$'\0'*}"
    __sbsh_buffer=${__sbsh_buffer#*$'\0'}
}

# The hook is the last of precmd_functions, so that the person's own run first.
__sbsh_hook() {
    emulate -L zsh
    [[ ${precmd_functions[-1]-} == __sbsh_ready ]] ||
        typeset -ga precmd_functions=(${precmd_functions:#__sbsh_ready} __sbsh_ready)
}

# What zsh would call with the nudge is put aside, to be called with the line.
__sbsh_hold() {
    emulate -L zsh
    local name
    [[ $__sbsh_held ]] && return 0
    __sbsh_held=1
    for name in preexec zshaddhistory; do
        typeset -ga "__sbsh_${name}_functions"
        set -A "__sbsh_${name}_functions" "${(@P)${:-${name}_functions}}"
        set -A "${name}_functions"
        if (( ${+functions[$name]} )); then
            functions -c "$name" "__sbsh_$name"
            unfunction "$name"
        fi
    done
}

# Puts it back.
__sbsh_free() {
    emulate -L zsh
    local name
    [[ $__sbsh_held ]] || return 0
    __sbsh_held=
    for name in preexec zshaddhistory; do
        set -A "${name}_functions" "${(@P)${:-__sbsh_${name}_functions}}"
        if (( ${+functions[__sbsh_$name]} )); then
            functions -c "__sbsh_$name" "$name"
            unfunction "__sbsh_$name"
        fi
    done
}

# At each prompt: keeps the person's prompt and leaves none for zsh to print, says how things stand, answers until a
# line has come.
__sbsh_ready() {
    __sbsh_result=$?
    [[ $__sbsh_booted ]] || __sbsh_settle
    if [[ ! $__sbsh_held || $PS1 ]]; then
        __sbsh_ps1=$PS1
    fi
    __sbsh_space= __sbsh_dups= __sbsh_bang= __sbsh_eof=
    [[ -o banghist ]] && __sbsh_bang=1
    [[ -o ignoreeof ]] && __sbsh_eof=1
    [[ -o histignorespace ]] && __sbsh_space=1
    [[ -o histignoredups ]] && __sbsh_dups=1
    # The nudge begins with a blank and is no line of the person's.
    setopt histignorespace
    __sbsh_is "$__sbsh_result" && :
    local __sbsh_prompt="${(%%)__sbsh_ps1}" __sbsh_right="${(%%)${RPS1-${RPROMPT-}}}" __sbsh_second="${(%%)PS2-}"
    PS1=
    __sbsh_hold
    __sbsh_listen
    return 0
}

__sbsh_listen() {
    emulate -L zsh
    local kind control= flags= kept= ends=
    [[ $__sbsh_space ]] && control=ignorespace
    [[ $__sbsh_dups ]] && control+=${control:+:}ignoredups
    [[ $__sbsh_bang ]] && flags=H
    [[ $__sbsh_eof ]] && ends=10
    kept=${__sbsh_histfile:+file}
    print -nu "$__sbsh_tty" -- $'\e]7770;'"$__sbsh_mark"$'\a'
    __sbsh_send R "$__sbsh_result" "$PWD" "$__sbsh_prompt" "$__sbsh_right" "$__sbsh_second" "$flags" \
        "$__sbsh_edit" "$control" "${kept:-memory}" "$ends" $' \t\n"\'><=;|&('
    while true; do
        kind=
        if (( TMOUT > 0 )); then
            __sbsh_take kind "$TMOUT" || __sbsh_silence "$?"
        else
            __sbsh_take kind || __sbsh_silence "$?"
        fi
        case $kind in
        (L)
            __sbsh_take __sbsh_line
            __sbsh_status=
            return
            ;;
        (S)
            __sbsh_take __sbsh_status
            __sbsh_line=
            return
            ;;
        (C) __sbsh_complete ;;
        (K) __sbsh_known ;;
        esac
    done
}

# No request came: TMOUT is over, or the front end is gone.
__sbsh_silence() {
    if [[ $1 == 4 ]]; then
        print -u "$__sbsh_tty" -- 'zsh: timeout'
        kill -ALRM $$
    elif [[ $1 == 5 ]]; then
        kill -HUP $$
    fi
}

# What the words name: for colours.
__sbsh_known() {
    local count word
    local -a answers
    __sbsh_take count
    while (( count-- > 0 )); do
        __sbsh_take word
        if (( ${+aliases[$word]} )); then
            answers+=(alias)
        elif (( ${+reswords[(r)$word]} )) && [[ -n ${reswords[(r)${(b)word}]} ]]; then
            answers+=(keyword)
        elif (( ${+functions[$word]} )); then
            answers+=(function)
        elif (( ${+builtins[$word]} )); then
            answers+=(builtin)
        elif [[ -n $word ]] && { (( ${+commands[$word]} )) || [[ $word == */* && -x $word && ! -d $word ]] }; then
            answers+=(file)
        else
            answers+=('')
        fi
    done
    __sbsh_send k "${#answers}" "${answers[@]}"
}

# The nudge is a group, the eval, a group. The first keeps what every command changes, puts everything back as the
# person had it and has the front end open the terminal.
__sbsh_keep() {
    __sbsh_result=$1
    # The person's precmd has changed `$_`; zsh restores `$?` alone.
    [[ $__sbsh_noted ]] || __sbsh_last=$2
    [[ ! -o xtrace ]] || __sbsh_traced=1
}

__sbsh_go() {
    __sbsh_free
    PS1=$__sbsh_ps1
    [[ $__sbsh_space ]] || unsetopt histignorespace
    if [[ $__sbsh_status ]]; then
        __sbsh_result=$__sbsh_status
        __sbsh_text='{ __sbsh_note "$__sbsh_status" "$__sbsh_last" } >/dev/null 2>&1'
    else
        __sbsh_record
        # A group has no `$_`, but is needed where the note would be traced.
        __sbsh_text=$__sbsh_line$'\n__sbsh_note "$?" "$_"'
        if [[ $__sbsh_traced || $__sbsh_line == *(xtrace|set' '-*x)* ]]; then
            __sbsh_text=$__sbsh_line$'\n{ __sbsh_note "$?" "" } >/dev/null 2>&1'
        fi
    fi
    __sbsh_lineno=
    [[ -o evallineno ]] && __sbsh_lineno=1
    # The eval itself would be seen in `$_` and in the trace.
    if [[ $__sbsh_traced || $__sbsh_line == *'$'('{'|)_* ]]; then
        __sbsh_text=$' __sbsh_is "$__sbsh_result" "$__sbsh_last" && : "$__sbsh_last" } 2>/dev/null\n'$__sbsh_text
        __sbsh_text="{${__sbsh_traced:+ setopt xtrace;}$__sbsh_text"
    fi
    __sbsh_traced=
    # An error in an eval is told with a line number unless this is off.
    unsetopt evallineno
    __sbsh_noted=
    __sbsh_hand_over
    return "$__sbsh_result"
}

# Puts the line into the history, and calls what the person has before a line runs.
__sbsh_record() {
    local __sbsh_each __sbsh_keep=1
    [[ $__sbsh_line == *[^[:space:]]* ]] || return 0
    for __sbsh_each in zshaddhistory $zshaddhistory_functions; do
        (( ! ${+functions[$__sbsh_each]} )) || "$__sbsh_each" "$__sbsh_line"$'\n' || __sbsh_keep=
    done
    [[ -o histignorespace && $__sbsh_line == ' '* ]] && __sbsh_keep=
    [[ -o histignoredups && $__sbsh_line == "$__sbsh_former" ]] && __sbsh_keep=
    [[ $__sbsh_keep ]] && builtin print -rs -- "$__sbsh_line" && __sbsh_former=$__sbsh_line
    for __sbsh_each in preexec $preexec_functions; do
        (( ! ${+functions[$__sbsh_each]} )) || "$__sbsh_each" "$__sbsh_line" "$__sbsh_line" "$__sbsh_line" >&$__sbsh_tty
    done
    return 0
}

# Asks the front end for the terminal.
__sbsh_hand_over() {
    emulate -L zsh
    local __sbsh_answer
    __sbsh_send G
    __sbsh_take __sbsh_answer
}

# Behind the line, in the same eval: notes `$?` and `$_`, and gives 0.
__sbsh_note() { __sbsh_noted=1 __sbsh_result=$1 __sbsh_last=$2 }

# The last group. The argument is `$?`.
__sbsh_kept() {
    [[ $__sbsh_noted ]] || __sbsh_result=$1
    [[ ! -o xtrace ]] || __sbsh_traced=1
    [[ $__sbsh_lineno ]] && setopt evallineno
    unsetopt promptsp
    __sbsh_hook
}

# The end of the start: after the start-up files. The history is read as zsh would now; the file's name is kept from
# the shell, which could not write it when it ends.
__sbsh_settle() {
    __sbsh_booted=1
    [[ $(builtin bindkey -lL main 2>/dev/null) == *viins* ]] && __sbsh_edit=vi
    __sbsh_histfile=${HISTFILE-}
    unset HISTFILE
    # The line that started this script goes with the list that it is in.
    builtin fc -p
    [[ ! -r $__sbsh_histfile ]] || builtin fc -R "$__sbsh_histfile"
    unsetopt promptsp zle
    __sbsh_hook
}

# From here on it runs, at top level. What zsh calls zshenv for all was read already.
typeset -g __sbsh_booted= __sbsh_held= __sbsh_ps1= __sbsh_edit=emacs __sbsh_line= __sbsh_status= \
    __sbsh_result=0 __sbsh_histfile= __sbsh_text= __sbsh_traced= __sbsh_noted= __sbsh_former= __sbsh_space= __sbsh_dups= \
    __sbsh_bang= __sbsh_eof= \
    __sbsh_lineno= __sbsh_tty= __sbsh_buffer=
exec {__sbsh_tty}>&1
{
    zmodload zsh/parameter
    __sbsh_own -r __sbsh_in
    __sbsh_own -w __sbsh_out
    __sbsh_own -w __sbsh_tty
    __sbsh_own -r __sbsh_boot
    unsetopt promptsp
    __sbsh_hook
} 2>/dev/null
print -nu "$__sbsh_tty" -- $'\e]7770;'"$__sbsh_mark"$'\a'

if [[ ! $__sbsh_no_rc ]]; then
    setopt rcs
    if [[ -r ${ZDOTDIR:-$HOME}/.zshenv ]]; then . "${ZDOTDIR:-$HOME}/.zshenv"; fi
    if [[ $__sbsh_login ]]; then
        if [[ -o rcs && -o globalrcs && -r /etc/zsh/zprofile ]]; then . /etc/zsh/zprofile; fi
        if [[ -o rcs && -r ${ZDOTDIR:-$HOME}/.zprofile ]]; then . "${ZDOTDIR:-$HOME}/.zprofile"; fi
    fi
    if [[ -o rcs && -o globalrcs && -r /etc/zsh/zshrc ]]; then . /etc/zsh/zshrc; fi
    if [[ -o rcs && -r ${ZDOTDIR:-$HOME}/.zshrc ]]; then . "${ZDOTDIR:-$HOME}/.zshrc"; fi
    if [[ $__sbsh_login ]]; then
        if [[ -o rcs && -o globalrcs && -r /etc/zsh/zlogin ]]; then . /etc/zsh/zlogin; fi
        if [[ -o rcs && -r ${ZDOTDIR:-$HOME}/.zlogin ]]; then . "${ZDOTDIR:-$HOME}/.zlogin"; fi
    fi
fi
__sbsh_settle
