# Offers what `what` and `words` say for the word $1; $2 is the place of its command, if it belongs to one.
_sbsh_offer() {
  local word=$1
  case $what in
    words) _sbsh_words "$word" ;;
    command)
      if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$2"
      elif declare -F _command_offset >/dev/null; then
        _command_offset "$2"
      elif ((COMP_CWORD == $2)); then
        _sbsh_found -c "$word"
      else
        _sbsh_files -f "$word"
      fi
      ;;
    name) _sbsh_found -c "$word" ;;
    directory) _sbsh_files -d "$word" ;;
    file) _sbsh_files -f "$word" ;;
    host) _sbsh_found -A hostname "$word" ;;
    variable) _sbsh_found -e "$word" ;;
  esac
}

_sbsh_found() {
  local found
  while IFS= read -r found; do COMPREPLY+=("$found"); done < <(compgen "${@:1:$#-1}" -- "${!#}")
}

_sbsh_files() {
  compopt -o filenames 2>/dev/null
  _sbsh_found "$@"
}

# Those of `words` that begin so. What they mean is shown where readline only lists, and never goes into the line.
_sbsh_words() {
  local entry found=() longest=0
  for entry in "${words[@]}"; do
    [[ $entry == "$1"* ]] || continue
    found+=("$entry")
    entry=${entry%%:*}
    ((${#entry} <= longest)) || longest=${#entry}
  done
  for entry in "${found[@]}"; do
    case ${#found[@]},$COMP_TYPE in
      1,* | *,9 | *,37 | *,42 | *,) COMPREPLY+=("${entry%%:*}") ;;
      *)
        [[ $entry != *:* ]] || printf -v entry '%-*s  (%s)' "$longest" "${entry%%:*}" "${entry#*:}"
        COMPREPLY+=("$entry")
        ;;
    esac
  done
}

# Completes the word at the cursor as sbshctl's, whose verb stands in place $1.
_sbshctl_at() {
  local cursor=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[$1]} what=nothing words=() behind word i
  local taking='' plain=''
  COMPREPLY=()
  # `--option=value` is cut at the sign, which is a word of its own.
  [[ $cursor != '=' ]] || cursor=
  if ((COMP_CWORD == $1)); then
    if [[ $cursor == -* ]]; then _sbshctl_options ''; else _sbshctl_operand ''; fi
    _sbsh_offer "$cursor"
    return
  fi
  behind=$verb
  for ((i = $1 + 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $taking ]]; then
      [[ $word == '=' ]] || taking=
    elif [[ ! $plain && $word == -- ]]; then
      plain=1
      ! _sbshctl_is_last "$verb" || break
    elif [[ ! $plain && $word == -?* ]]; then
      ! _sbshctl_value "$verb" "$word" || taking=$word
    elif _sbshctl_is_last "$verb"; then
      break
    else
      behind+=" $word"
    fi
  done
  if [[ $taking ]]; then
    _sbshctl_value "$verb" "$taking"
    _sbsh_offer "$cursor"
    return
  fi
  if ((i == COMP_CWORD)) && [[ ! $plain && $cursor == -* ]]; then
    _sbshctl_options "$verb"
    _sbsh_offer "$cursor"
    return
  fi
  ((i == COMP_CWORD)) || [[ ! $plain || ${COMP_WORDS[i]} != -- ]] || ((i++))
  # The menu's words are followed by words of their own, and some of those by a command.
  while _sbshctl_operand "$behind"; [[ $what == words ]] && ((i < COMP_CWORD)); do
    behind+=" ${COMP_WORDS[i]}"
    ((i++))
  done
  if [[ $what == words || $what == command ]] || ((i == COMP_CWORD)); then _sbsh_offer "$cursor" "$i"; fi
  # Where nothing but options can come, they are shown without being begun.
  if [[ $what == nothing && ! $plain && ! $cursor ]] && ((i == COMP_CWORD)) && [[ $behind == "$verb" ]]; then
    _sbshctl_options "$verb"
    _sbsh_offer ''
  fi
}

_sbshctl() {
  _sbshctl_at 1
}

_sbsh() {
  local cursor=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} what=file words=() i
  COMPREPLY=()
  if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} == ctl ]]; then
    _sbshctl_at 2
    return
  fi
  case $before in
    -c) what=name ;;
    --report-fd) what=nothing ;;
    *)
      # A script's own options are behind its name.
      for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -* || ${COMP_WORDS[i - 1]} == --report-fd ]] || break
      done
      if ((i == COMP_CWORD)) && [[ $cursor == -* ]]; then _sbsh_options "$COMP_CWORD"; fi
      ;;
  esac
  _sbsh_offer "$cursor"
  if ((COMP_CWORD == 1)) && [[ ctl == "$cursor"* ]]; then COMPREPLY+=(ctl); fi
}

complete -F _sbshctl sbshctl
complete -F _sbsh sbsh
