#compdef sbshctl
# Made from src/cli/table.rs: SBSH_UPDATE=1 cargo test --test generated
if (( CURRENT == 2 )); then
  local -a verbs=(
    'explain:Show what would happen to a command, and by which rule; run nothing'
    'status:Show the settings that apply in this directory'
    'doctor:Check what can be enforced on this machine, and what is missing'
    'trust:Let this project'\''s settings files widen the sandbox'
    'approve:Answer the questions of all running commands in this terminal'
    'pending:List the hosts that were refused because nobody could be asked'
    'allow:Allow a host, a path or a Unix socket, from now on'
    'log:Show what was refused and what was connected to'
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
  doctor) _arguments '--json[Print one JSON object for programs instead of text.]' '--help[Show help.]' ;;
  trust) _arguments '--show[Show what trusting would widen; change nothing.]' '--yes[Trust without asking.]' '--list[List the files that are trusted.]' '--revoke[Withdraw the trust of a settings file or of all files of a project.]:path:_default' '--help[Show help.]' ;;
  approve) _arguments '--help[Show help.]' ;;
  pending) _arguments '--json[Print one JSON object for programs instead of text.]' '--clear[Empty the list; this allows nothing.]' '--help[Show help.]' ;;
  allow) _arguments '--project[In this project only; an error where there is none.]' '--user[In all projects of this user.]' '1:what:(domain write read socket)' '2:which:_files' '--help[Show help.]' ;;
  log) _arguments '--json[Print the entries as they are, one JSON object a line.]' '--follow[Go on as entries come.]' '--event[Only these\: violation, connection or gatekeeper.]:event:_default' '--lines[How many of the last entries, 20 unless told.]:number:_default' '--help[Show help.]' ;;
  help) _arguments '1:verb:(explain status doctor trust approve pending allow log help)' '--help[Show help.]' ;;
esac
