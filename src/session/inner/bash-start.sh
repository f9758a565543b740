
# From here on it runs, at top level: what a start-up file declares is global, and `return` leaves that file alone.
__sbsh_booted= __sbsh_held= __sbsh_ps1= __sbsh_edit=emacs __sbsh_started= __sbsh_strict= __sbsh_errors= __sbsh_shadowed= __sbsh_line= __sbsh_status= __sbsh_result=0
__sbsh_learnt= __sbsh_aliases= __sbsh_histfile= __sbsh_text= __sbsh_late= __sbsh_verbose= __sbsh_traced= __sbsh_noted= __sbsh_before_line= __sbsh_copy=
__sbsh_tty=255
[[ -t 255 ]] || exec {__sbsh_tty}>&1
{
    __sbsh_own "$__sbsh_in"
    __sbsh_own "$__sbsh_out"
    __sbsh_own "$__sbsh_boot"
    __sbsh_own "$__sbsh_tape"
    __sbsh_own "$__sbsh_null"
    __sbsh_hook
} >&"$__sbsh_null" 2>&1 || :
printf '\033]7770;%s\a' "$__sbsh_mark" >&"$__sbsh_tty"

# `exec sbsh` in a start-up file is how sbsh is many a person's shell. It has become that already: going round would
# replace the shell that is led from outside. Only where a file names it, because no function can keep what
# `exec` does with redirections alone.
if [[ $__sbsh_round ]]; then
    exec() { if [[ ${1##*/} == sbsh ]]; then builtin return 0; else builtin exec "$@"; fi; }
    sbsh() { builtin return 0; }
fi
# Without line editing `bind` complains. (To turn that on here would be the end of the shell at the next Ctrl-C.) What it
# is afterwards is read byte by byte, so it is short.
__sbsh_b() { builtin bind "$@" 2>/dev/null; }
bind() { __sbsh_b "$@"; }
: "$__sbsh_last"
if [[ -o posix ]]; then
    if [[ ${ENV-} && -r ${ENV-} ]]; then . "$ENV"; fi
elif [[ $__sbsh_login ]]; then
    if [[ ! $__sbsh_no_profile ]]; then
        if [[ -r /etc/profile ]]; then . /etc/profile; fi
        if [[ -r ~/.bash_profile ]]; then
            . ~/.bash_profile
        elif [[ -r ~/.bash_login ]]; then
            . ~/.bash_login
        elif [[ -r ~/.profile ]]; then
            . ~/.profile
        fi
    fi
elif [[ ! $__sbsh_no_rc ]]; then
    if [[ -r /etc/bash.bashrc ]]; then . /etc/bash.bashrc; fi
    if [[ $__sbsh_rc_file ]]; then
        if [[ -r $__sbsh_rc_file ]]; then . "$__sbsh_rc_file"; fi
    elif [[ -r ~/.bashrc ]]; then
        . ~/.bashrc
    fi
fi
{
    __sbsh_started=$? __sbsh_last=$_
    if [[ $__sbsh_round ]]; then builtin unset -f exec sbsh; fi
    builtin trap -p ERR DEBUG >&"$__sbsh_tape"
    __sbsh_settle || :
} >&"$__sbsh_null" 2>&1
builtin return "${__sbsh_nothing-0}"
