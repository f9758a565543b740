
# Completion: what could stand at a place. The front end has cut the line into words; here the person's `complete`
# specifications are followed as readline follows them.

__sbsh_complete() {
    local __sbsh_command __sbsh_before __sbsh_word __sbsh_quote __sbsh_first __sbsh_count __sbsh_kind __sbsh_raw __sbsh_sort
    local -a __sbsh_words __sbsh_found __sbsh_match __sbsh_about
    local -A __sbsh_wanted
    __sbsh_words=() __sbsh_found=() __sbsh_about=() __sbsh_sort= __sbsh_match=("${BASH_REMATCH[@]}")
    __sbsh_take __sbsh_command
    __sbsh_take __sbsh_before
    __sbsh_take __sbsh_word
    __sbsh_take __sbsh_quote
    __sbsh_take __sbsh_first
    __sbsh_take __sbsh_count
    while ((__sbsh_count-- > 0)); do
        __sbsh_take "__sbsh_words[${#__sbsh_words[@]}]"
    done
    __sbsh_raw=${__sbsh_words[${#__sbsh_words[@]} - 1]}
    [[ $__sbsh_word ]] || __sbsh_raw=
    [[ $__sbsh_quote ]] && __sbsh_raw=${__sbsh_raw#"$__sbsh_quote"}
    # What the functions of completion rely on may be off, and what they use must be back even if Ctrl-C ends them.
    [[ $- == *u* ]] && __sbsh_strict=1 && builtin set +u
    { __sbsh_shadow; __sbsh_search; __sbsh_describe; } </dev/null >/dev/null 2>&1
    __sbsh_calm
    __sbsh_reply
    __sbsh_restore
}

# bash's own compopt works within readline only, and its compgen takes quotes off file names there only. These stand in
# for them while a function completes, unless the person has such functions.
__sbsh_shadow() {
    local __sbsh_type
    __sbsh_output __sbsh_type builtin type -t compopt
    if [[ $__sbsh_type == builtin* ]]; then
        __sbsh_shadowed+=o
        compopt() {
            while (($# > 1)); do
                case $1 in
                -o) __sbsh_wanted[$2]=1 ;;
                +o) builtin unset -v "__sbsh_wanted[$2]" ;;
                *) builtin break ;;
                esac
                builtin shift 2
            done
            (($# == 0)) || builtin compopt "$@"
        }
    fi
    __sbsh_output __sbsh_type builtin type -t compgen
    if [[ $__sbsh_type == builtin* && ${__sbsh_words[${#__sbsh_words[@]} - 1]} != "$__sbsh_word" ]]; then
        __sbsh_shadowed+=g
        compgen() {
            local __sbsh_each __sbsh_given __sbsh_written __sbsh_twice
            __sbsh_given=${*: -1} __sbsh_written=${__sbsh_words[${#__sbsh_words[@]} - 1]}
            builtin printf -v __sbsh_twice %q "$__sbsh_written"
            for __sbsh_each in "$@"; do
                if [[ $__sbsh_each == @(-[df]|-A@(file|directory)|file|directory) &&
                    $__sbsh_given == @("$__sbsh_raw"|"$__sbsh_written"|"$__sbsh_twice") ]]; then
                    builtin set -- "${@:1:$#-1}" "$__sbsh_word"
                    builtin break
                fi
            done
            builtin compgen "$@"
        }
    fi
}

# Finds what could stand there, and says in __sbsh_kind whether it is file names.
__sbsh_search() {
    __sbsh_kind=
    if __sbsh_plain; then
        builtin return
    elif [[ $__sbsh_first ]]; then
        if [[ $__sbsh_word == */* ]]; then
            __sbsh_files -f
        else
            __sbsh_sort=command
            __sbsh_collect -c
        fi
        builtin return
    fi
    if __sbsh_specified; then
        [[ ${__sbsh_wanted[filenames]-} ]] && __sbsh_kind=f
        ((${#__sbsh_found[@]} == 0)) && [[ ${__sbsh_wanted[dirnames]-} ]] && __sbsh_files -d
        [[ ${__sbsh_wanted[plusdirs]-} ]] && __sbsh_files -d
        ((${#__sbsh_found[@]})) || [[ ! ${__sbsh_wanted[default]-}${__sbsh_wanted[bashdefault]-} ]] || __sbsh_files -f
    else
        __sbsh_files -f
    fi
}

# Variables behind `$` and users behind `~`.
__sbsh_plain() {
    local __sbsh_prefix
    if [[ $__sbsh_quote != "'" && $__sbsh_raw =~ ^(\$\{?)([[:alnum:]_]*)$ ]]; then
        __sbsh_prefix=${BASH_REMATCH[1]} __sbsh_word=${BASH_REMATCH[2]} __sbsh_sort=variable
        __sbsh_collect -v
        __sbsh_found=("${__sbsh_found[@]/#/$__sbsh_prefix}")
        [[ $__sbsh_prefix == *'{' ]] && __sbsh_found=("${__sbsh_found[@]/%/\}}")
    elif [[ ! $__sbsh_quote && $__sbsh_raw =~ ^~[[:alnum:]._-]*$ ]]; then
        __sbsh_kind=f __sbsh_sort=user
        __sbsh_collect -u
    else
        builtin return 1
    fi
    builtin return 0
}

# Adds what compgen gives for the word.
__sbsh_collect() {
    builtin compgen "$@" -- "$__sbsh_word" >|"/dev/fd/$__sbsh_boot"
    builtin mapfile -t -n 10000 -O "${#__sbsh_found[@]}" __sbsh_found <"/dev/fd/$__sbsh_boot"
}

# The same for names of files or directories.
__sbsh_files() {
    __sbsh_kind=f
    if [[ $__sbsh_raw =~ ^\$([[:alpha:]_][[:alnum:]_]*)(/.*)$ && $__sbsh_quote != "'" ]]; then
        __sbsh_word=${!BASH_REMATCH[1]-}${__sbsh_word#"\$${BASH_REMATCH[1]}"}
    fi
    __sbsh_collect "$1"
}

# Follows the specification for the command, loading it where that is how it comes. None: false.
__sbsh_specified() {
    local __sbsh_name __sbsh_text __sbsh_try
    local -a __sbsh_spec
    for __sbsh_try in 1 2 3 4 5 6 7 8; do
        __sbsh_name=${__sbsh_words[0]}
        __sbsh_output __sbsh_text builtin complete -p -- "$__sbsh_name" ||
            __sbsh_output __sbsh_text builtin complete -p -- "${__sbsh_name##*/}" ||
            __sbsh_output __sbsh_text builtin complete -p -D || builtin return 1
        builtin eval "__sbsh_spec=($__sbsh_text)"
        __sbsh_follow "${__sbsh_spec[@]:1}"
        (($? == 124)) || builtin return 0
    done
    builtin return 1
}

# Follows one specification: its options, as `complete -p` writes them. 124: look the specification up again.
__sbsh_follow() {
    local __sbsh_function __sbsh_program
    local -a __sbsh_actions
    __sbsh_actions=() __sbsh_wanted=() __sbsh_found=() __sbsh_function= __sbsh_program=
    while (($#)); do
        case $1 in
        -o)
            __sbsh_wanted[$2]=1
            builtin shift
            ;;
        -F)
            __sbsh_function=$2
            builtin shift
            ;;
        -C)
            __sbsh_program=$2
            builtin shift
            ;;
        -[AGWPSX])
            [[ $1$2 == -A@(file|directory) || $1 == -G ]] && __sbsh_wanted[filenames]=1
            __sbsh_actions+=("$1" "$2")
            builtin shift
            ;;
        -[DEI]) ;;
        -[df])
            __sbsh_wanted[filenames]=1
            __sbsh_actions+=("$1")
            ;;
        -?) __sbsh_actions+=("$1") ;;
        *) builtin break ;;
        esac
        builtin shift
    done
    ((${#__sbsh_actions[@]} == 0)) || __sbsh_collect "${__sbsh_actions[@]}"
    if [[ $__sbsh_function ]]; then
        __sbsh_call "$__sbsh_function" || builtin return
    fi
    if [[ $__sbsh_program ]]; then
        __sbsh_ask "$__sbsh_program"
    fi
}

# Calls a function with what readline would tell it.
__sbsh_call() {
    local COMP_LINE COMP_POINT COMP_TYPE COMP_KEY COMP_CWORD __sbsh_answer
    local -a COMP_WORDS COMPREPLY
    COMP_LINE=$__sbsh_command COMP_POINT=${#__sbsh_before} COMP_TYPE=9 COMP_KEY=9
    COMP_WORDS=("${__sbsh_words[@]}") COMP_CWORD=$((${#__sbsh_words[@]} - 1)) COMPREPLY=()
    "$1" "${__sbsh_words[0]}" "$__sbsh_raw" "${__sbsh_words[COMP_CWORD - 1]}"
    __sbsh_answer=$?
    __sbsh_found+=("${COMPREPLY[@]:0:10000}")
    # Its status says nothing but this.
    ((__sbsh_answer != 124)) || builtin return 124
}

# Asks a program in the same way: a line for each word.
__sbsh_ask() {
    local __sbsh_text
    __sbsh_text=$(
        export COMP_LINE=$__sbsh_command COMP_POINT=${#__sbsh_before} COMP_TYPE=9 COMP_KEY=9
        builtin set -- "$1" "${__sbsh_words[0]}" "$__sbsh_raw" "${__sbsh_words[${#__sbsh_words[@]} - 2]}"
        builtin eval "$1 \"\$2\" \"\$3\" \"\$4\""
    )
    [[ ! $__sbsh_text ]] ||
        builtin mapfile -t -n 10000 -O "${#__sbsh_found[@]}" __sbsh_found < <(builtin printf '%s\n' "$__sbsh_text")
}

# Says of what was found what is known, where it is little enough to be read.
__sbsh_describe() {
    local __sbsh_one __sbsh_index __sbsh_text
    ((${#__sbsh_found[@]} <= 50)) || builtin return
    for __sbsh_index in "${!__sbsh_found[@]}"; do
        __sbsh_one=${__sbsh_found[__sbsh_index]} __sbsh_text=
        case $__sbsh_sort in
        command)
            __sbsh_output __sbsh_text builtin type -t -- "$__sbsh_one"
            case $__sbsh_text in
            alias*)
                __sbsh_output __sbsh_text builtin alias -- "$__sbsh_one"
                __sbsh_text="alias ${__sbsh_text#"alias $__sbsh_one="}"
                ;;
            file*) __sbsh_output __sbsh_text builtin type -p -- "$__sbsh_one" ;;
            esac
            ;;
        variable)
            __sbsh_text=${__sbsh_one##*[\$\{]}
            __sbsh_text=${__sbsh_text%\}}
            __sbsh_text==${!__sbsh_text-}
            ;;
        user) builtin eval "__sbsh_text=$__sbsh_one" ;;
        esac
        __sbsh_about[__sbsh_index]=${__sbsh_text%$'\n'}
    done
    [[ ! $__sbsh_kind || $__sbsh_sort ]] || ((${#__sbsh_found[@]} > 20)) || __sbsh_describe_files
}

# The same for files: what they are, or how large.
__sbsh_describe_files() {
    local __sbsh_path __sbsh_index __sbsh_unit
    local -a __sbsh_plain __sbsh_sizes
    __sbsh_plain=() __sbsh_sizes=()
    for __sbsh_index in "${!__sbsh_found[@]}"; do
        __sbsh_path=${__sbsh_found[__sbsh_index]}
        [[ $__sbsh_path != '~'* ]] || builtin continue
        if [[ -d $__sbsh_path ]]; then
            __sbsh_about[__sbsh_index]=directory
        elif [[ -f $__sbsh_path ]]; then
            __sbsh_plain[__sbsh_index]=./$__sbsh_path
            [[ $__sbsh_path != /* ]] || __sbsh_plain[__sbsh_index]=$__sbsh_path
        elif [[ -p $__sbsh_path ]]; then
            __sbsh_about[__sbsh_index]=pipe
        elif [[ -S $__sbsh_path ]]; then
            __sbsh_about[__sbsh_index]=socket
        elif [[ -b $__sbsh_path || -c $__sbsh_path ]]; then
            __sbsh_about[__sbsh_index]=device
        elif [[ -L $__sbsh_path ]]; then
            __sbsh_about[__sbsh_index]='broken link'
        fi
    done
    ((${#__sbsh_plain[@]})) || builtin return 0
    IFS=$'\n' builtin read -r -d '' -a __sbsh_sizes < <(builtin command stat -L -c %s "${__sbsh_plain[@]}")
    ((${#__sbsh_sizes[@]} == ${#__sbsh_plain[@]})) || builtin return 0
    builtin set -- "${__sbsh_sizes[@]}"
    for __sbsh_index in "${!__sbsh_plain[@]}"; do
        __sbsh_path=$1 __sbsh_unit=B
        for __sbsh_unit in B kB MB GB TB; do
            ((__sbsh_path >= 10000)) || builtin break
            ((__sbsh_path = (__sbsh_path + 500) / 1000))
        done
        __sbsh_about[__sbsh_index]="$__sbsh_path $__sbsh_unit"
        [[ -x ${__sbsh_found[__sbsh_index]} ]] && __sbsh_about[__sbsh_index]+=', program'
        [[ -L ${__sbsh_found[__sbsh_index]} ]] && __sbsh_about[__sbsh_index]+=', link'
        builtin shift
    done
}

# Sends what was found, as much as a message holds.
__sbsh_reply() {
    local __sbsh_one __sbsh_path __sbsh_size __sbsh_index __sbsh_open __sbsh_text
    local -a __sbsh_answer
    __sbsh_answer=() __sbsh_size=0 __sbsh_index=-1 __sbsh_open=${__sbsh_wanted[nospace]:+n}
    for __sbsh_one in "${__sbsh_found[@]:0:10000}"; do
        ((++__sbsh_index))
        __sbsh_text=${__sbsh_about[__sbsh_index]-}
        __sbsh_text=${__sbsh_text:0:200}
        ((__sbsh_size += ${#__sbsh_one} + ${#__sbsh_text} + 5, __sbsh_size < 200000)) || builtin break
        __sbsh_path=$__sbsh_one
        [[ $__sbsh_kind && $__sbsh_one =~ ^~[[:alnum:]._-]*(/|$) ]] &&
            builtin eval "__sbsh_path=${BASH_REMATCH[0]}" && __sbsh_path+=${__sbsh_one#"${BASH_REMATCH[0]}"}
        if [[ $__sbsh_kind && -d $__sbsh_path ]]; then
            __sbsh_answer+=("${__sbsh_one%/}" "/$__sbsh_open" "$__sbsh_text")
        else
            __sbsh_answer+=("$__sbsh_one" "$__sbsh_kind$__sbsh_open" "$__sbsh_text")
        fi
    done
    __sbsh_send c "$((${#__sbsh_answer[@]} / 3))" "${__sbsh_answer[@]}"
}
