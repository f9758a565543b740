# Made from src/cli/table.rs and src/cli/completions: SBSH_UPDATE=1 cargo test --test generated

# What can stand behind the words in $1: sets `what`, and `words` with what they mean.
_sbshctl_operand() {
  case $1 in
    '') what=words words=('explain:Show what would happen to a command, and by which rule; run nothing' 'status:Show the settings that apply in this directory' 'doctor:Check what can be enforced on this machine, and what is missing' 'trust:Let this project'\''s settings files widen the sandbox' 'agent:Start an agent so that the commands it runs are confined, and make sure that they are' 'try:Run a command whose changes to files are kept apart, and then keep or drop them' 'approve:Answer the questions of all running commands in this terminal' 'pending:List the hosts that were refused because nobody could be asked' 'allow:Allow a host, a path, a Unix socket, a command or a credential, from now on' 'deny:Deny a host, a path, a command or a credential, from now on; that beats every allow' 'ask:Ask about a command or about reading a path, each time from now on' 'exclude:Run a command outside the sandbox from now on, each time after a question' 'preset:Allow the registries and caches of a language'\''s package managers' 'import:Take over the settings of sandbox-runtime (srt)' 'schema:Print the JSON schema of the settings, for editors' 'lint:Find settings that are too broad, contradict each other or do nothing' 'review:Show which allowed things were not used lately, and take them back' 'log:Show what ran, what was decided and what was refused' 'sandbox:Open the menu that '\''/sandbox'\'' opens in an interactive session' 'help:Show this help, or a verb'\''s') ;;
    'explain') what=command ;;
    'agent') what=command ;;
    'try') what=command ;;
    'allow') what=words words=('domain' 'write' 'read' 'socket' 'command' 'credential-file' 'credential-env') ;;
    'allow domain') what=host ;;
    'allow write') what=file ;;
    'allow read') what=file ;;
    'allow socket') what=file ;;
    'allow command') what=name ;;
    'allow credential-file') what=file ;;
    'allow credential-env') what=variable ;;
    'deny') what=words words=('domain' 'write' 'read' 'command' 'credential-file' 'credential-env') ;;
    'deny domain') what=host ;;
    'deny write') what=file ;;
    'deny read') what=file ;;
    'deny command') what=name ;;
    'deny credential-file') what=file ;;
    'deny credential-env') what=variable ;;
    'ask') what=words words=('command' 'read') ;;
    'ask command') what=name ;;
    'ask read') what=file ;;
    'exclude') what=name ;;
    'preset' | 'preset '*) what=words words=('node' 'python' 'rust' 'go' 'java') ;;
    'import') what=file ;;
    'sandbox') what=words words=('mode:whether what runs confined needs approval' 'allow:allow it from now on' 'deny:deny it from now on; that beats every allow' 'ask:ask about it each time' 'exclude:run it outside from now on, each time after a question' 'log:what ran, what was decided and what was refused' 'why:what is done with a command and by which rule; alone: the last one' 'off-for-one:run this one outside, after a question' 'status:the settings that apply here, and where each stands' 'help:these words') ;;
    'sandbox mode') what=words words=('auto' 'regular') ;;
    'sandbox allow') what=words words=('domain' 'write' 'read' 'socket' 'command') ;;
    'sandbox allow domain') what=host ;;
    'sandbox allow write') what=file ;;
    'sandbox allow read') what=file ;;
    'sandbox allow socket') what=file ;;
    'sandbox allow command') what=name ;;
    'sandbox deny') what=words words=('domain' 'write' 'read' 'command') ;;
    'sandbox deny domain') what=host ;;
    'sandbox deny write') what=file ;;
    'sandbox deny read') what=file ;;
    'sandbox deny command') what=name ;;
    'sandbox ask') what=words words=('command' 'read') ;;
    'sandbox ask command') what=name ;;
    'sandbox ask read') what=file ;;
    'sandbox exclude') what=name ;;
    'sandbox why') what=command ;;
    'sandbox off-for-one') what=command ;;
    'help') what=words words=('explain:Show what would happen to a command, and by which rule; run nothing' 'status:Show the settings that apply in this directory' 'doctor:Check what can be enforced on this machine, and what is missing' 'trust:Let this project'\''s settings files widen the sandbox' 'agent:Start an agent so that the commands it runs are confined, and make sure that they are' 'try:Run a command whose changes to files are kept apart, and then keep or drop them' 'approve:Answer the questions of all running commands in this terminal' 'pending:List the hosts that were refused because nobody could be asked' 'allow:Allow a host, a path, a Unix socket, a command or a credential, from now on' 'deny:Deny a host, a path, a command or a credential, from now on; that beats every allow' 'ask:Ask about a command or about reading a path, each time from now on' 'exclude:Run a command outside the sandbox from now on, each time after a question' 'preset:Allow the registries and caches of a language'\''s package managers' 'import:Take over the settings of sandbox-runtime (srt)' 'schema:Print the JSON schema of the settings, for editors' 'lint:Find settings that are too broad, contradict each other or do nothing' 'review:Show which allowed things were not used lately, and take them back' 'log:Show what ran, what was decided and what was refused' 'sandbox:Open the menu that '\''/sandbox'\'' opens in an interactive session' 'help:Show this help, or a verb'\''s') ;;
    *) what=nothing ;;
  esac
}

# The options of a verb.
_sbshctl_options() {
  case $1 in
    explain) words=('--json:Print one JSON object for programs instead of text.' '--command:The command text, instead of operands.' '--help:Show help.') ;;
    status) words=('--json:Print one JSON object for programs instead of text.' '--help:Show help.') ;;
    doctor) words=('--json:Print one JSON object for programs instead of text.' '--fix:First put right what needs no decision: the modes of sbsh'\''s own directories and files.' '--help:Show help.') ;;
    trust) words=('--show:Show what trusting would widen; change nothing.' '--yes:Trust without asking.' '--list:List the files that are trusted.' '--revoke:Withdraw the trust of a settings file or of all files of a project.' '--help:Show help.') ;;
    agent) words=('--root:The working root of its commands; the agent starts there, unless it does below it.' '--print-env:Print the environment for a shell to evaluate; start nothing.' '--account-shell:For an agent that sbsh does not know: show it sbsh as the account'\''s login shell, too.' '--help:Show help.') ;;
    try) words=('--diff:Show what changed in text files, too.' '--keep:Keep the changes without asking; before a name, those of that one, all or below the paths that follow.' '--drop:Drop the changes without asking; before a name, those of that one.' '--list:List what lies there, neither kept nor dropped.' '--show:Show the changes of the one that is named.' '--help:Show help.') ;;
    approve) words=('--help:Show help.') ;;
    pending) words=('--json:Print one JSON object for programs instead of text.' '--clear:Empty the list; this allows nothing.' '--help:Show help.') ;;
    allow) words=('--project:In this project only; an error where there is none.' '--shared:In the settings that the project shares, .claude/settings.json.' '--user:In all projects of this user.' '--remove:Take the entry out of its list again.' '--dry-run:Show the difference; write nothing.' '--force:Write it though it is dangerously broad.' '--help:Show help.') ;;
    deny) words=('--project:In this project only; an error where there is none.' '--shared:In the settings that the project shares, .claude/settings.json.' '--user:In all projects of this user.' '--remove:Take the entry out of its list again.' '--dry-run:Show the difference; write nothing.' '--force:Write it though it is dangerously broad.' '--help:Show help.') ;;
    ask) words=('--project:In this project only; an error where there is none.' '--shared:In the settings that the project shares, .claude/settings.json.' '--user:In all projects of this user.' '--remove:Take the entry out of its list again.' '--dry-run:Show the difference; write nothing.' '--force:Write it though it is dangerously broad.' '--help:Show help.') ;;
    exclude) words=('--project:In this project only; an error where there is none.' '--shared:In the settings that the project shares, .claude/settings.json.' '--user:In all projects of this user.' '--remove:Take the entry out of its list again.' '--dry-run:Show the difference; write nothing.' '--force:Write it though it is dangerously broad.' '--help:Show help.') ;;
    preset) words=('--project:In this project only; an error where there is none.' '--shared:In the settings that the project shares, .claude/settings.json.' '--user:In all projects of this user.' '--dry-run:Show the difference; write nothing.' '--help:Show help.') ;;
    import) words=('--srt:Read ~/.srt-settings.json.' '--project:In this project only; an error where there is none.' '--shared:In the settings that the project shares, .claude/settings.json.' '--user:In all projects of this user.' '--dry-run:Show the difference; write nothing.' '--force:Write it though it is dangerously broad.' '--help:Show help.') ;;
    schema) words=('--help:Show help.') ;;
    lint) words=('--json:Print one JSON object for programs instead of text.' '--help:Show help.') ;;
    review) words=('--json:Print one JSON object for programs instead of text.' '--days:How far to look back, 30 unless told.' '--yes:Take back everything unused without asking.' '--dry-run:Show what would be taken back; change nothing.' '--help:Show help.') ;;
    log) words=('--json:Print the entries as they are, one JSON object a line.' '--follow:Go on as entries come.' '--event:Only these: command, start, decision, outside, violation, socket, connection, gatekeeper, trust, settings, trial or log.' '--lines:How many of the last entries, 20 unless told.' '--verify:Check the numbers and hashes of all entries instead.' '--help:Show help.') ;;
    sandbox) words=('--help:Show help.') ;;
    help) words=('--help:Show help.') ;;
    '') words=('--help:Show help.' '--version:Print the version.') ;;
    *) return ;;
  esac
  what=words
}

# Whether the option $2 of the verb $1 takes a value: sets `what` and `words` for it.
_sbshctl_value() {
  case "$1 $2" in
    'explain -c' | 'explain --command') what=name ;;
    'trust --revoke') what=file ;;
    'agent --root') what=directory ;;
    'review --days') what=nothing ;;
    'log -e' | 'log --event') what=words words=('command:a command: who wanted it, the verdict, what was enforced, and how it ended or why it did not run' 'start:a command that is about to run: outside, or anywhere where sandbox.audit.required is true' 'decision:a question that was answered, or a command that a rule denied' 'outside:a program that a command inside wanted to run outside, and how it ended' 'violation:a call that was refused' 'socket:a Unix socket outside that was spoken to' 'connection:a connection, made or refused' 'gatekeeper:what watching a command'\''s calls cost' 'trust:trust in a project'\''s settings, given or taken back' 'settings:settings that sbsh changed' 'trial:what became of the changes of a command that was tried' 'log:the log itself: what the next writer found wrong with it') ;;
    'log -n' | 'log --lines') what=nothing ;;
    *) return 1 ;;
  esac
}

# Verbs whose first operand begins another program's words.
_sbshctl_is_last() {
  case $1 in explain | agent | try | sandbox) ;; *) return 1 ;; esac
}

# sbsh's own options, for the first place, and those of the inner shell.
_sbsh_options() {
  what=words words=('-c:Run this command.' '-i:Be interactive.' '-l:Be a login shell.' '-s:Read commands from standard input.')
  [[ $1 != 1 ]] || words+=('--report-fd:Write a report for programs to this descriptor.' '--version:Print sbsh'\''s version.' '--help:Print this text.')
}

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
