#compdef sbshctl
# Made from src/cli/table.rs: SBSH_UPDATE=1 cargo test --test generated
if (( CURRENT == 2 )); then
  local -a verbs=(
    'explain:Show what would happen to a command, and by which rule; run nothing'
    'status:Show the settings that apply in this directory'
    'doctor:Check what can be enforced on this machine, and what is missing'
    'trust:Let this project'\''s settings files widen the sandbox'
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
  help) _arguments '1:verb:(explain status doctor trust help)' '--help[Show help.]' ;;
esac
