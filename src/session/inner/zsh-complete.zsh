
# Completion in zsh: what could stand at a place. The front end has cut the line into words; the person's completion
# system is asked if there is one, and commands, variables, users and files are told without it.

__sbsh_complete() {
    local __sbsh_one __sbsh_command __sbsh_before __sbsh_word __sbsh_quote __sbsh_first __sbsh_count
    local -a __sbsh_words __sbsh_answer
    __sbsh_take __sbsh_command
    __sbsh_take __sbsh_before
    __sbsh_take __sbsh_word
    __sbsh_take __sbsh_quote
    __sbsh_take __sbsh_first
    __sbsh_take __sbsh_count
    while (( __sbsh_count-- > 0 )); do
        __sbsh_take __sbsh_one
        __sbsh_words+=("$__sbsh_one")
    done
    {
        { __sbsh_compsys || __sbsh_plain } 2>/dev/null </dev/null
    } always {
        TRY_BLOCK_ERROR=0
    }
    __sbsh_send c $(( $#__sbsh_answer / 3 )) "${__sbsh_answer[@]}"
}

# compsys works within the line editor alone, which is off here and must not touch this terminal. So a copy of this shell
# edits a line on a terminal of its own, has it completed, writes down what would be offered, and is gone. False: there
# is no compsys, or it has nothing to offer.
__sbsh_compsys() {
    (( ${+functions[_main_complete]} && ${+_comps} )) && zmodload zsh/{zpty,zle,complete,system,datetime} || return 1
    local REPLY __sbsh_text __sbsh_piece
    float __sbsh_end=$(( EPOCHREALTIME + 2.5 ))
    : >|/dev/fd/$__sbsh_boot || return 1
    # The copy could not turn it on.
    setopt zle
    zpty __sbsh_copy __sbsh_copy || return 1
    unsetopt zle
    # Its terminal says nothing of use, and is closed when it is done.
    while (( EPOCHREALTIME < __sbsh_end )) &&
        sysread -t $(( __sbsh_end - EPOCHREALTIME )) -i "$REPLY" __sbsh_piece; do
        :
    done
    zpty -d __sbsh_copy
    __sbsh_text=$(<"/dev/fd/$__sbsh_boot")
    # What was cut short has no end.
    [[ $__sbsh_text == *$'\0'end ]] || return 1
    __sbsh_answer=("${(@0)${__sbsh_text%$'\0'end}}")
    (( $#__sbsh_answer % 3 == 0 )) || __sbsh_answer=()
    (( $#__sbsh_answer ))
}

# The copy. Without a size the line editor of zsh 5.9 crashes, and descriptions are cut at the width.
__sbsh_copy() {
    emulate -L zsh
    COLUMNS=400 LINES=50
    local line=
    local -a __sbsh_got
    integer __sbsh_size=0
    functions -c __sbsh_compadd compadd
    zstyle ':completion:*' format %d
    zstyle ':completion:*' verbose true
    zstyle ':completion:*' list-grouped false
    zstyle ':completion:*' list-separator --
    zle -C __sbsh_offer complete-word __sbsh_offer
    zle -N zle-line-init __sbsh_edit_line
    vared line
}

__sbsh_edit_line() {
    BUFFER=$__sbsh_before CURSOR=$#__sbsh_before
    zle __sbsh_offer
    builtin print -rn -- "${(pj:\0:)__sbsh_got[@]}"$'\0'end >|"/dev/fd/$__sbsh_boot"
    kill -KILL $sysparams[pid]
}

__sbsh_offer() {
    local __sbsh_typed=${(Q)PREFIX} __sbsh_head=
    # What of the word stands before the text that is replaced.
    [[ $__sbsh_typed == *"$__sbsh_word" ]] && __sbsh_head=${__sbsh_typed%"$__sbsh_word"}
    unset 'compstate[vared]'
    _main_complete _complete
    compstate[insert]= compstate[list]=
}

# Stands in for compadd in the copy: notes what it is given as far as it fits.
__sbsh_compadd() {
    emulate -L zsh
    setopt extendedglob
    local __sbsh_one __sbsh_text __sbsh_sort __sbsh_path __sbsh_about __sbsh_open= __sbsh_group= __sbsh_at
    local -a __sbsh_hits __sbsh_shown __sbsh_given match mbegin mend
    local -A __sbsh_with
    zparseopts -E -A __sbsh_with -- a k l q Q f e n U 1 2 C \
        F: P: S: p: s: i: I: W: d: J: V: X: x: o:: r: R: D: O: A: E: M:
    if (( ${+__sbsh_with[-O]} || ${+__sbsh_with[-A]} || ${+__sbsh_with[-D]} )); then
        builtin compadd "$@"
        return
    fi
    if (( ${+__sbsh_with[-d]} )); then
        if [[ $__sbsh_with[-d] == '('* ]]; then
            eval "__sbsh_shown=$__sbsh_with[-d]"
        else
            __sbsh_shown=("${(@P)__sbsh_with[-d]}")
        fi
        __sbsh_given=(-D __sbsh_shown)
    fi
    builtin compadd -O __sbsh_hits "$__sbsh_given[@]" "$@"
    local __sbsh_suffix=${__sbsh_with[-S]-}
    if (( ${+__sbsh_with[-S]} )); then
        # A blank is not told, and what could stand behind a list is not wanted.
        [[ $__sbsh_suffix == *' ' ]] || __sbsh_open=n
        __sbsh_suffix=${${__sbsh_suffix% }#,}
    fi
    (( $#__sbsh_hits > 100 )) || (( ${+__sbsh_with[-f]} )) || __sbsh_group=${__sbsh_with[-X]-}
    for (( __sbsh_at = 1; __sbsh_at <= $#__sbsh_hits; __sbsh_at++ )); do
        __sbsh_one=$__sbsh_hits[__sbsh_at] __sbsh_path=${__sbsh_with[-p]-} __sbsh_sort=w __sbsh_about=$__sbsh_group
        if (( ${+__sbsh_with[-Q]} )); then
            __sbsh_one=${(Q)__sbsh_one} __sbsh_path=${(Q)__sbsh_path}
        fi
        __sbsh_text=${__sbsh_with[-P]-}$__sbsh_path$__sbsh_one${__sbsh_with[-s]-}$__sbsh_suffix
        if [[ $IPREFIX == '$'* || $__sbsh_text == '$'* ]]; then
            __sbsh_sort= __sbsh_text=$IPREFIX$__sbsh_text
            [[ $__sbsh_text == '${'*[^}] ]] && __sbsh_text+='}'
            [[ $__sbsh_text == '$'[{]#(#b)([[:IDENT:]]##)[}]# ]] && __sbsh_about="=${(P)match[1]}"
        else
            __sbsh_text=${(Q)IPREFIX}${__sbsh_with[-i]-}$__sbsh_text
        fi
        if (( ${+__sbsh_with[-f]} )); then
            __sbsh_sort=f
            __sbsh_path=${__sbsh_with[-W]-$__sbsh_path}$__sbsh_one
            [[ $__sbsh_path == '~'* ]] && __sbsh_path=${~${(M)__sbsh_path#'~'[^/]#}}${__sbsh_path#'~'[^/]#}
            [[ -d $__sbsh_path ]] && __sbsh_sort=/
        fi
        [[ $__sbsh_text == ?*/ && $__sbsh_sort == [wf] && ${__sbsh_with[-S]-} == / ]] && __sbsh_sort=/
        [[ $__sbsh_sort == / ]] && __sbsh_text=${__sbsh_text%/}
        if [[ $__sbsh_text == "$__sbsh_head"* ]]; then
            __sbsh_text=${__sbsh_text#"$__sbsh_head"}
        else
            __sbsh_text=${__sbsh_text[$#__sbsh_head+1,-1]}
        fi
        if [[ -n ${__sbsh_shown[__sbsh_at]-} ]]; then
            case $__sbsh_shown[__sbsh_at] in
            (*' -- '*) __sbsh_about=${__sbsh_shown[__sbsh_at]#* -- } ;;
            ("$__sbsh_one"|"$__sbsh_one/") ;;
            (*) __sbsh_about=$__sbsh_shown[__sbsh_at] ;;
            esac
        fi
        __sbsh_about=${__sbsh_about[1,200]}
        # As much as a message holds.
        (( (__sbsh_size += $#__sbsh_text + $#__sbsh_about + 5) < 200000 && $#__sbsh_got < 30000 )) || break
        __sbsh_got+=("${__sbsh_text//$'\0'/}" "$__sbsh_sort$__sbsh_open" "${__sbsh_about//$'\0'/}")
    done
    builtin compadd "$@"
}

# Without compsys.
__sbsh_plain() {
    setopt localoptions extendedglob nullglob globdots
    local kind one about open base
    local -a found match mbegin mend
    if [[ $__sbsh_quote != \' && $__sbsh_word == (#b)('$''{'#)([[:IDENT:]]#) ]]; then
        kind=variable
        found=(${match[1]}${^${(k)parameters[(I)${(b)match[2]}*]}})
        [[ $match[1] == *'{' ]] && found=(${^found}'}')
    elif [[ ! $__sbsh_quote && $__sbsh_word == '~'[^/]# ]]; then
        kind=file
        found=('~'${^${(k)userdirs[(I)${(b)__sbsh_word#'~'}*]}})
    elif [[ $__sbsh_first && $__sbsh_word != */* ]]; then
        kind=command
        found=(${(k)commands[(I)${(b)__sbsh_word}*]} ${(k)builtins[(I)${(b)__sbsh_word}*]} ${(k)functions[(I)${(b)__sbsh_word}*]} \
            ${(k)aliases[(I)${(b)__sbsh_word}*]} ${(M)reswords:#${(b)__sbsh_word}*})
        found=(${(u)found:#__sbsh_*})
    else
        kind=file
        base=
        [[ $__sbsh_word == (#b)('~'[^/]#)/* ]] && base=$match[1]
        found=(${~base}${(b)__sbsh_word#$base}*)
        [[ ${__sbsh_word:t} == .* ]] || found=(${found:#(*/|).[^/]#})
        [[ $base ]] && found=($base${^found#${~base}})
    fi
    integer size=0
    for one in ${found[1,10000]}; do
        about= open=
        if (( $#found <= 50 )); then
            case $kind in
            (command)
                if (( ${+aliases[$one]} )); then
                    about="alias $aliases[$one]"
                elif (( ${+functions[$one]} )); then
                    about=function
                elif (( ${+builtins[$one]} )); then
                    about=builtin
                elif (( ${+commands[$one]} )); then
                    about=$commands[$one]
                else
                    about=keyword
                fi
                ;;
            (variable)
                base=${one##[^[:IDENT:]]#}
                about="=${(P)${base%\}}}"
                ;;
            esac
            about=${about[1,200]}
        fi
        (( (size += $#one + $#about + 5) < 200000 )) || break
        if [[ $kind == file ]]; then
            open=f
            if [[ -d ${~${(M)one#'~'[^/]#}}${one#'~'[^/]#} ]]; then
                open=/
            fi
        fi
        __sbsh_answer+=("$one" "$open" "$about")
    done
}
