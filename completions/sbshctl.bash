# Made from src/cli/table.rs: SBSH_UPDATE=1 cargo test --test generated
_sbshctl() {
  local word=${COMP_WORDS[COMP_CWORD]} words
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='explain status doctor trust agent try approve pending allow deny ask exclude preset import schema lint review log sandbox help --help --version'
  else
    case ${COMP_WORDS[1]} in
      explain) words='--json --command --help' ;;
      status) words='--json --help' ;;
      doctor) words='--json --fix --help' ;;
      trust) words='--show --yes --list --revoke --help' ;;
      agent) words='--root --print-env --account-shell --help' ;;
      try) words='--diff --keep --drop --list --show --help' ;;
      approve) words='--help' ;;
      pending) words='--json --clear --help' ;;
      allow) words='domain write read socket command credential-file credential-env --project --shared --user --remove --dry-run --force --help' ;;
      deny) words='domain write read command credential-file credential-env --project --shared --user --remove --dry-run --force --help' ;;
      ask) words='command read --project --shared --user --remove --dry-run --force --help' ;;
      exclude) words='--project --shared --user --remove --dry-run --force --help' ;;
      preset) words='node python rust go java --project --shared --user --dry-run --help' ;;
      import) words='--srt --project --shared --user --dry-run --force --help' ;;
      schema) words='--help' ;;
      lint) words='--json --help' ;;
      review) words='--json --days --yes --dry-run --help' ;;
      log) words='--json --follow --event --lines --verify --help' ;;
      sandbox) words='mode allow deny ask exclude log why off-for-one status help --help' ;;
      help) words='explain status doctor trust agent try approve pending allow deny ask exclude preset import schema lint review log sandbox help' ;;
      *) return ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _sbshctl sbshctl
