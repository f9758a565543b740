# What can stand behind the words in "$*".
_sbshctl_place() {
  local what action
  local -a list
  _sbshctl_operand "$*"
  case $what in
    words) _describe -t words word list ;;
    action) ${(Q)${(z)action}} ;;
    *) return 1 ;;
  esac
}

# The words behind verb $1 that are another program's, or the menu's.
_sbshctl_words() {
  local behind=$1 what action
  local -a list
  integer i
  # _arguments leaves the word that ends the options.
  if (( CURRENT > 1 )) && [[ $words[1] == -- ]]; then
    shift words
    (( CURRENT-- ))
  fi
  for (( i = 1; i <= CURRENT; i++ )); do
    _sbshctl_operand $behind
    if [[ $what == command ]]; then
      shift $(( i - 1 )) words
      (( CURRENT -= i - 1 ))
      _normal
      return
    fi
    (( i == CURRENT )) || behind+=" $words[i]"
  done
  _sbshctl_place $behind
}

# sbshctl's words, whatever the program is called.
_sbshctl() {
  local what action
  local -a list
  if (( CURRENT == 2 )); then
    if [[ $PREFIX == -* ]]; then
      _sbshctl_globals
    else
      _sbshctl_operand ''
      _describe -t verbs verb list
    fi
    return
  fi
  shift words
  (( CURRENT-- ))
  _sbshctl_verb
}

_sbsh_shell() {
  if (( CURRENT > 2 )) && [[ $words[2] == ctl ]]; then
    shift words
    (( CURRENT-- ))
    _sbshctl
    return
  fi
  local -a list=('ctl:Explain, check and change the sandbox.')
  local ret=1
  (( CURRENT > 2 )) || _describe -t verbs verb list && ret=0
  _sbsh_options '1:script:_files' '*:argument:_files' && ret=0
  return ret
}

# This file is the function _sbsh: one of that name would take its place.
case $service in
  sbshctl) _sbshctl "$@" ;;
  *) _sbsh_shell "$@" ;;
esac
