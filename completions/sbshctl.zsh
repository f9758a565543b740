#compdef sbshctl
# Made from src/cli/table.rs: SBSH_UPDATE=1 cargo test --test generated
if (( CURRENT == 2 )); then
  local -a verbs=(
    'explain:Show what would happen to a command, and by which rule; run nothing'
    'status:Show the settings that apply in this directory'
    'doctor:Check what can be enforced on this machine, and what is missing'
    'trust:Let this project'\''s settings files widen the sandbox'
    'agent:Start an agent so that the commands it runs are confined, and make sure that they are'
    'try:Run a command whose changes to files are kept apart, and then keep or drop them'
    'approve:Answer the questions of all running commands in this terminal'
    'pending:List the hosts that were refused because nobody could be asked'
    'allow:Allow a host, a path, a Unix socket, a command or a credential, from now on'
    'deny:Deny a host, a path, a command or a credential, from now on; that beats every allow'
    'ask:Ask about a command or about reading a path, each time from now on'
    'exclude:Run a command outside the sandbox from now on, each time after a question'
    'preset:Allow the registries and caches of a language'\''s package managers'
    'import:Take over the settings of sandbox-runtime (srt)'
    'schema:Print the JSON schema of the settings, for editors'
    'lint:Find settings that are too broad, contradict each other or do nothing'
    'review:Show which allowed things were not used lately, and take them back'
    'log:Show what ran, what was decided and what was refused'
    'sandbox:Open the menu that '\''/sandbox'\'' opens in an interactive session'
    'help:Show this help, or a verb'\''s'
  )
  _describe verb verbs
  _arguments '--help[Show help.]' '--version[Print the version.]'
  return
fi
local verb=${words[2]}
shift words
(( CURRENT-- ))
case $verb in
  explain) _arguments '--json[Print one JSON object for programs instead of text.]' '--command[The command text, instead of operands.]:text:_default' '*::command:_normal' '--help[Show help.]' ;;
  status) _arguments '--json[Print one JSON object for programs instead of text.]' '--help[Show help.]' ;;
  doctor) _arguments '--json[Print one JSON object for programs instead of text.]' '--fix[First put right what needs no decision\: the modes of sbsh'\''s own directories and files.]' '--help[Show help.]' ;;
  trust) _arguments '--show[Show what trusting would widen; change nothing.]' '--yes[Trust without asking.]' '--list[List the files that are trusted.]' '--revoke[Withdraw the trust of a settings file or of all files of a project.]:path:_default' '--help[Show help.]' ;;
  agent) _arguments '--root[The working root of its commands; the agent starts there, unless it does below it.]:dir:_default' '--print-env[Print the environment for a shell to evaluate; start nothing.]' '--account-shell[For an agent that sbsh does not know\: show it sbsh as the account'\''s login shell, too.]' '*::command:_normal' '--help[Show help.]' ;;
  try) _arguments '--diff[Show what changed in text files, too.]' '--keep[Keep the changes without asking; before a name, those of that one, all or below the paths that follow.]' '--drop[Drop the changes without asking; before a name, those of that one.]' '--list[List what lies there, neither kept nor dropped.]' '--show[Show the changes of the one that is named.]' '*::command:_normal' '--help[Show help.]' ;;
  approve) _arguments '--help[Show help.]' ;;
  pending) _arguments '--json[Print one JSON object for programs instead of text.]' '--clear[Empty the list; this allows nothing.]' '--help[Show help.]' ;;
  allow) _arguments '--project[In this project only; an error where there is none.]' '--shared[In the settings that the project shares, .claude/settings.json.]' '--user[In all projects of this user.]' '--remove[Take the entry out of its list again.]' '--dry-run[Show the difference; write nothing.]' '--force[Write it though it is dangerously broad.]' '1:what:(domain write read socket command credential-file credential-env)' '2:which:_files' '--help[Show help.]' ;;
  deny) _arguments '--project[In this project only; an error where there is none.]' '--shared[In the settings that the project shares, .claude/settings.json.]' '--user[In all projects of this user.]' '--remove[Take the entry out of its list again.]' '--dry-run[Show the difference; write nothing.]' '--force[Write it though it is dangerously broad.]' '1:what:(domain write read command credential-file credential-env)' '2:which:_files' '--help[Show help.]' ;;
  ask) _arguments '--project[In this project only; an error where there is none.]' '--shared[In the settings that the project shares, .claude/settings.json.]' '--user[In all projects of this user.]' '--remove[Take the entry out of its list again.]' '--dry-run[Show the difference; write nothing.]' '--force[Write it though it is dangerously broad.]' '1:what:(command read)' '2:which:_files' '--help[Show help.]' ;;
  exclude) _arguments '--project[In this project only; an error where there is none.]' '--shared[In the settings that the project shares, .claude/settings.json.]' '--user[In all projects of this user.]' '--remove[Take the entry out of its list again.]' '--dry-run[Show the difference; write nothing.]' '--force[Write it though it is dangerously broad.]' '1:command:_command_names -e' '--help[Show help.]' ;;
  preset) _arguments '--project[In this project only; an error where there is none.]' '--shared[In the settings that the project shares, .claude/settings.json.]' '--user[In all projects of this user.]' '--dry-run[Show the difference; write nothing.]' '*:preset:(node python rust go java)' '--help[Show help.]' ;;
  import) _arguments '--srt[Read ~/.srt-settings.json.]' '--project[In this project only; an error where there is none.]' '--shared[In the settings that the project shares, .claude/settings.json.]' '--user[In all projects of this user.]' '--dry-run[Show the difference; write nothing.]' '--force[Write it though it is dangerously broad.]' '1:file:_files' '--help[Show help.]' ;;
  schema) _arguments '--help[Show help.]' ;;
  lint) _arguments '--json[Print one JSON object for programs instead of text.]' '--help[Show help.]' ;;
  review) _arguments '--json[Print one JSON object for programs instead of text.]' '--days[How far to look back, 30 unless told.]:number:_default' '--yes[Take back everything unused without asking.]' '--dry-run[Show what would be taken back; change nothing.]' '--help[Show help.]' ;;
  log) _arguments '--json[Print the entries as they are, one JSON object a line.]' '--follow[Go on as entries come.]' '--event[Only these\: command, start, decision, outside, violation, socket, connection, gatekeeper, trust, settings or log.]:event:_default' '--lines[How many of the last entries, 20 unless told.]:number:_default' '--verify[Check the numbers and hashes of all entries instead.]' '--help[Show help.]' ;;
  sandbox) _arguments '1:word:(mode allow deny ask exclude log why off-for-one status help)' '--help[Show help.]' ;;
  help) _arguments '1:verb:(explain status doctor trust agent try approve pending allow deny ask exclude preset import schema lint review log sandbox help)' '--help[Show help.]' ;;
esac
