#compdef sbsh sbshctl
# Made from src/cli/table.rs and src/cli/completions: SBSH_UPDATE=1 cargo test --test generated

# What can stand behind the words in $1: sets `what`, and `list` with what they mean.
_sbshctl_operand() {
  case $1 in
    '') what=words list=('explain:Show what would happen to a command, and by which rule; run nothing' 'status:Show the settings that apply in this directory' 'doctor:Check what can be enforced on this machine, and what is missing' 'trust:Let this project'\''s settings files widen the sandbox' 'agent:Start an agent so that the commands it runs are confined, and make sure that they are' 'try:Run a command whose changes to files are kept apart, and then keep or drop them' 'approve:Answer the questions of all running commands in this terminal' 'pending:List the hosts that were refused because nobody could be asked' 'allow:Allow a host, a path, a Unix socket, a command or a credential, from now on' 'deny:Deny a host, a path, a command or a credential, from now on; that beats every allow' 'ask:Ask about a command or about reading a path, each time from now on' 'exclude:Run a command outside the sandbox from now on, each time after a question' 'preset:Allow the registries and caches of a language'\''s package managers' 'import:Take over the settings of sandbox-runtime (srt)' 'schema:Print the JSON schema of the settings, for editors' 'lint:Find settings that are too broad, contradict each other or do nothing' 'review:Show which allowed things were not used lately, and take them back' 'log:Show what ran, what was decided and what was refused' 'sandbox:Open the menu that '\''/sandbox'\'' opens in an interactive session' 'help:Show this help, or a verb'\''s') ;;
    'explain') what=command ;;
    'agent') what=command ;;
    'try') what=command ;;
    'allow') what=words list=('domain' 'write' 'read' 'socket' 'command' 'credential-file' 'credential-env') ;;
    'allow domain') what=action action='_hosts' ;;
    'allow write') what=action action='_files' ;;
    'allow read') what=action action='_files' ;;
    'allow socket') what=action action='_files' ;;
    'allow command') what=action action='_command_names -e' ;;
    'allow credential-file') what=action action='_files' ;;
    'allow credential-env') what=action action='_parameters -g '\''*export*'\''' ;;
    'deny') what=words list=('domain' 'write' 'read' 'command' 'credential-file' 'credential-env') ;;
    'deny domain') what=action action='_hosts' ;;
    'deny write') what=action action='_files' ;;
    'deny read') what=action action='_files' ;;
    'deny command') what=action action='_command_names -e' ;;
    'deny credential-file') what=action action='_files' ;;
    'deny credential-env') what=action action='_parameters -g '\''*export*'\''' ;;
    'ask') what=words list=('command' 'read') ;;
    'ask command') what=action action='_command_names -e' ;;
    'ask read') what=action action='_files' ;;
    'exclude') what=action action='_command_names -e' ;;
    'preset' | 'preset '*) what=words list=('node' 'python' 'rust' 'go' 'java') ;;
    'import') what=action action='_files' ;;
    'sandbox') what=words list=('mode:whether what runs confined needs approval' 'allow:allow it from now on' 'deny:deny it from now on; that beats every allow' 'ask:ask about it each time' 'exclude:run it outside from now on, each time after a question' 'log:what ran, what was decided and what was refused' 'why:what is done with a command and by which rule; alone: the last one' 'off-for-one:run this one outside, after a question' 'status:the settings that apply here, and where each stands' 'help:these words') ;;
    'sandbox mode') what=words list=('auto' 'regular') ;;
    'sandbox allow') what=words list=('domain' 'write' 'read' 'socket' 'command') ;;
    'sandbox allow domain') what=action action='_hosts' ;;
    'sandbox allow write') what=action action='_files' ;;
    'sandbox allow read') what=action action='_files' ;;
    'sandbox allow socket') what=action action='_files' ;;
    'sandbox allow command') what=action action='_command_names -e' ;;
    'sandbox deny') what=words list=('domain' 'write' 'read' 'command') ;;
    'sandbox deny domain') what=action action='_hosts' ;;
    'sandbox deny write') what=action action='_files' ;;
    'sandbox deny read') what=action action='_files' ;;
    'sandbox deny command') what=action action='_command_names -e' ;;
    'sandbox ask') what=words list=('command' 'read') ;;
    'sandbox ask command') what=action action='_command_names -e' ;;
    'sandbox ask read') what=action action='_files' ;;
    'sandbox exclude') what=action action='_command_names -e' ;;
    'sandbox why') what=command ;;
    'sandbox off-for-one') what=command ;;
    'help') what=words list=('explain:Show what would happen to a command, and by which rule; run nothing' 'status:Show the settings that apply in this directory' 'doctor:Check what can be enforced on this machine, and what is missing' 'trust:Let this project'\''s settings files widen the sandbox' 'agent:Start an agent so that the commands it runs are confined, and make sure that they are' 'try:Run a command whose changes to files are kept apart, and then keep or drop them' 'approve:Answer the questions of all running commands in this terminal' 'pending:List the hosts that were refused because nobody could be asked' 'allow:Allow a host, a path, a Unix socket, a command or a credential, from now on' 'deny:Deny a host, a path, a command or a credential, from now on; that beats every allow' 'ask:Ask about a command or about reading a path, each time from now on' 'exclude:Run a command outside the sandbox from now on, each time after a question' 'preset:Allow the registries and caches of a language'\''s package managers' 'import:Take over the settings of sandbox-runtime (srt)' 'schema:Print the JSON schema of the settings, for editors' 'lint:Find settings that are too broad, contradict each other or do nothing' 'review:Show which allowed things were not used lately, and take them back' 'log:Show what ran, what was decided and what was refused' 'sandbox:Open the menu that '\''/sandbox'\'' opens in an interactive session' 'help:Show this help, or a verb'\''s') ;;
    *) what=nothing ;;
  esac
}

# The words behind a verb, which is the first of them.
_sbshctl_verb() {
  case $words[1] in
    explain) _arguments -S -A '-*' '--json[Print one JSON object for programs instead of text.]' '(-c --command)'{-c+,--command=}'[The command text, instead of operands.]:text:_command_names -e' '(- *)--help[Show help.]' '*:: : _sbshctl_words explain' ;;
    status) _arguments -S '--json[Print one JSON object for programs instead of text.]' '(- *)--help[Show help.]' ;;
    doctor) _arguments -S '--json[Print one JSON object for programs instead of text.]' '--fix[First put right what needs no decision\: the modes of sbsh'\''s own directories and files.]' '(- *)--help[Show help.]' ;;
    trust) _arguments -S '--show[Show what trusting would widen; change nothing.]' '(-y --yes)'{-y,--yes}'[Trust without asking.]' '--list[List the files that are trusted.]' '--revoke=[Withdraw the trust of a settings file or of all files of a project.]:path:_files' '(- *)--help[Show help.]' ;;
    agent) _arguments -S -A '-*' '--root=[The working root of its commands; the agent starts there, unless it does below it.]:dir:_directories' '--print-env[Print the environment for a shell to evaluate; start nothing.]' '--account-shell[For an agent that sbsh does not know\: show it sbsh as the account'\''s login shell, too.]' '(- *)--help[Show help.]' '*:: : _sbshctl_words agent' ;;
    try) _arguments -S -A '-*' '--diff[Show what changed in text files, too.]' '--keep[Keep the changes without asking; before a name, those of that one, all or below the paths that follow.]' '--drop[Drop the changes without asking; before a name, those of that one.]' '--list[List what lies there, neither kept nor dropped.]' '--show[Show the changes of the one that is named.]' '(- *)--help[Show help.]' '*:: : _sbshctl_words try' ;;
    approve) _arguments -S '(- *)--help[Show help.]' ;;
    pending) _arguments -S '--json[Print one JSON object for programs instead of text.]' '--clear[Empty the list; this allows nothing.]' '(- *)--help[Show help.]' ;;
    allow) _arguments -S '--project[In this project only; an error where there is none.]' '--shared[In the settings that the project shares, .claude/settings.json.]' '--user[In all projects of this user.]' '--remove[Take the entry out of its list again.]' '--dry-run[Show the difference; write nothing.]' '--force[Write it though it is dangerously broad.]' '(- *)--help[Show help.]' '1: : _sbshctl_place allow' '2: : _sbshctl_place allow $line[1]' ;;
    deny) _arguments -S '--project[In this project only; an error where there is none.]' '--shared[In the settings that the project shares, .claude/settings.json.]' '--user[In all projects of this user.]' '--remove[Take the entry out of its list again.]' '--dry-run[Show the difference; write nothing.]' '--force[Write it though it is dangerously broad.]' '(- *)--help[Show help.]' '1: : _sbshctl_place deny' '2: : _sbshctl_place deny $line[1]' ;;
    ask) _arguments -S '--project[In this project only; an error where there is none.]' '--shared[In the settings that the project shares, .claude/settings.json.]' '--user[In all projects of this user.]' '--remove[Take the entry out of its list again.]' '--dry-run[Show the difference; write nothing.]' '--force[Write it though it is dangerously broad.]' '(- *)--help[Show help.]' '1: : _sbshctl_place ask' '2: : _sbshctl_place ask $line[1]' ;;
    exclude) _arguments -S '--project[In this project only; an error where there is none.]' '--shared[In the settings that the project shares, .claude/settings.json.]' '--user[In all projects of this user.]' '--remove[Take the entry out of its list again.]' '--dry-run[Show the difference; write nothing.]' '--force[Write it though it is dangerously broad.]' '(- *)--help[Show help.]' '1: : _sbshctl_place exclude' ;;
    preset) _arguments -S '--project[In this project only; an error where there is none.]' '--shared[In the settings that the project shares, .claude/settings.json.]' '--user[In all projects of this user.]' '--dry-run[Show the difference; write nothing.]' '(- *)--help[Show help.]' '*: : _sbshctl_place preset' ;;
    import) _arguments -S '--srt[Read ~/.srt-settings.json.]' '--project[In this project only; an error where there is none.]' '--shared[In the settings that the project shares, .claude/settings.json.]' '--user[In all projects of this user.]' '--dry-run[Show the difference; write nothing.]' '--force[Write it though it is dangerously broad.]' '(- *)--help[Show help.]' '1: : _sbshctl_place import' ;;
    schema) _arguments -S '(- *)--help[Show help.]' ;;
    lint) _arguments -S '--json[Print one JSON object for programs instead of text.]' '(- *)--help[Show help.]' ;;
    review) _arguments -S '--json[Print one JSON object for programs instead of text.]' '--days=[How far to look back, 30 unless told.]:number: ' '(-y --yes)'{-y,--yes}'[Take back everything unused without asking.]' '--dry-run[Show what would be taken back; change nothing.]' '(- *)--help[Show help.]' ;;
    log) _arguments -S '--json[Print the entries as they are, one JSON object a line.]' '(-f --follow)'{-f,--follow}'[Go on as entries come.]' '(-e --event)'{-e+,--event=}'[Only these\: command, start, decision, outside, violation, socket, connection, gatekeeper, trust, settings, trial or log.]:event:((command\:"a command\: who wanted it, the verdict, what was enforced, and how it ended or why it did not run" start\:"a command that is about to run\: outside, or anywhere where sandbox.audit.required is true" decision\:"a question that was answered, or a command that a rule denied" outside\:"a program that a command inside wanted to run outside, and how it ended" violation\:"a call that was refused" socket\:"a Unix socket outside that was spoken to" connection\:"a connection, made or refused" gatekeeper\:"what watching a command'\''s calls cost" trust\:"trust in a project'\''s settings, given or taken back" settings\:"settings that sbsh changed" trial\:"what became of the changes of a command that was tried" log\:"the log itself\: what the next writer found wrong with it"))' '(-n --lines)'{-n+,--lines=}'[How many of the last entries, 20 unless told.]:number: ' '--verify[Check the numbers and hashes of all entries instead.]' '(- *)--help[Show help.]' ;;
    sandbox) _arguments -S -A '-*' '(- *)--help[Show help.]' '*:: : _sbshctl_words sandbox' ;;
    help) _arguments -S '(- *)--help[Show help.]' '1: : _sbshctl_place help' ;;
    *) return 1 ;;
  esac
}

_sbshctl_globals() {
  _arguments '(-h --help)'{-h,--help}'[Show help.]' '(-V --version)'{-V,--version}'[Print the version.]'
}

# sbsh's own options, which count in the first place only, and those of the inner shell.
_sbsh_options() {
  local -a own=()
  (( CURRENT > 2 )) || own=( '(- : *)--report-fd[Write a report for programs to this descriptor.]:number: ' '(- : *)--version[Print sbsh'\''s version.]' '(- : *)--help[Print this text.]' )
  _arguments -s -S -A '-*' $own '-c[Run this command.]:command:_command_names -e' '-i[Be interactive.]' '-l[Be a login shell.]' '-s[Read commands from standard input.]' "$@"
}

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
