# Made from src/cli/table.rs: SBSH_UPDATE=1 cargo test --test generated
_sbshctl() {
  local word=${COMP_WORDS[COMP_CWORD]} words
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='explain status doctor trust approve pending allow log help --help --version'
  else
    case ${COMP_WORDS[1]} in
      explain) words='--json --command --help' ;;
      status) words='--json --help' ;;
      doctor) words='--json --help' ;;
      trust) words='--show --yes --list --revoke --help' ;;
      approve) words='--help' ;;
      pending) words='--json --clear --help' ;;
      allow) words='domain write read socket --project --user --help' ;;
      log) words='--json --follow --event --lines --help' ;;
      help) words='explain status doctor trust approve pending allow log help' ;;
      *) return ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _sbshctl sbshctl
