#!/bin/sh
# Builds sbsh (or takes a given binary), installs it under a prefix, and removes exactly that again.
# What was installed is recorded in PREFIX/lib/sbsh/installed; --uninstall reads that record and nothing else.
# It never changes an account and never touches settings. POSIX sh only.

set -eu
umask 022
LC_ALL=C
export LC_ALL

here=$(cd -- "$(dirname -- "$0")" && pwd)
newline='
'

usage() {
    cat <<'USAGE'
usage: ./install.sh [--user | --prefix DIR] [--destdir DIR] [--binary FILE] [--yes] [--no-deps]
                    [--login-shell] [--dry-run]
       ./install.sh --uninstall [--user | --prefix DIR] [--destdir DIR] [--dry-run]

  --prefix DIR    install below DIR (default /usr/local)
  --user          install below ~/.local
  --binary FILE   install this program instead of building one with cargo
  --yes, -y       install a missing bubblewrap without asking
  --no-deps       leave bubblewrap alone
  --login-shell   add sbsh to /etc/shells and print the chsh line; no account is changed
  --destdir DIR   put everything below DIR, for making packages
  --dry-run       say what would be done, and do nothing
  --uninstall     remove what this script installed; settings stay
  --help, -h      show this
USAGE
}

say() { printf '%s\n' "$*"; }
warn() { printf 'install.sh: %s\n' "$*" >&2; }
fail() {
    warn "$*"
    exit 1
}
wrong() {
    warn "$*"
    usage >&2
    exit 2
}

# --- arguments -------------------------------------------------------------------------------------------------

prefix=
user=no
destdir=
binary=
yes=no
dependencies=yes
login_shell=no
dry_run=no
uninstall=no

while [ $# -gt 0 ]; do
    case $1 in
        --prefix | --destdir | --binary)
            [ $# -ge 2 ] || wrong "$1 needs a value"
            option=$1
            value=$2
            shift
            ;;
        --prefix=* | --destdir=* | --binary=*)
            option=${1%%=*}
            value=${1#*=}
            ;;
        *)
            option=$1
            value=-
            ;;
    esac
    [ -n "$value" ] || wrong "$option needs a value"
    case $option in
        --prefix) prefix=$value ;;
        --destdir) destdir=$value ;;
        --binary) binary=$value ;;
        --user) user=yes ;;
        --yes | -y) yes=yes ;;
        --no-deps) dependencies=no ;;
        --login-shell) login_shell=yes ;;
        --dry-run) dry_run=yes ;;
        --uninstall) uninstall=yes ;;
        --help | -h)
            usage
            exit 0
            ;;
        *) wrong "unknown option '$option'" ;;
    esac
    shift
done

if [ $user = yes ]; then
    [ -z "$prefix" ] || wrong "--user and --prefix exclude each other"
    case ${HOME:-} in
        /*) prefix=$HOME/.local ;;
        *) fail "--user needs HOME to be an absolute path; say --prefix DIR instead" ;;
    esac
fi
[ -n "$prefix" ] || prefix=/usr/local
if [ $uninstall = yes ] && { [ -n "$binary" ] || [ $login_shell = yes ]; }; then
    wrong "--uninstall goes with neither --binary nor --login-shell"
fi

# The path without trailing slashes, and absolute; the root directory becomes the empty text.
absolute() {
    absolute=$1
    case $absolute in
        /*) ;;
        *) absolute=$PWD/$absolute ;;
    esac
    while [ "${absolute%/}" != "$absolute" ]; do absolute=${absolute%/}; done
}
case $prefix$destdir in *"$newline"*) wrong "a path with a line break cannot be recorded" ;; esac
absolute "$prefix"
prefix=$absolute
case $prefix/ in */../*) wrong "give --prefix without '..'" ;; esac
if [ -n "$destdir" ]; then
    absolute "$destdir"
    destdir=$absolute
fi

program=$prefix/bin/sbsh
aliases=$prefix/lib/sbsh/aliases
record=$prefix/lib/sbsh/installed
shells=$destdir/etc/shells

# --- doing things, or saying them ------------------------------------------------------------------------------

# Prints a command so that it can be pasted.
show() {
    shown=
    for word in "$@"; do
        case $word in
            '' | *[!A-Za-z0-9_./:=+@%,-]*)
                word=\'$(printf '%s\n' "$word" | sed "s/'/'\\\\''/g")\'
                ;;
        esac
        shown="$shown${shown:+ }$word"
    done
    say "  $shown"
}

# Runs a command, or shows it in a dry run.
run() {
    if [ $dry_run = yes ]; then show "$@"; else "$@"; fi
}

# The word that makes a command run as root: nothing, or `sudo -n`; fails where neither works.
become_root=
can_become_root() {
    become_root=
    [ "$(id -u)" != 0 ] || return 0
    command -v sudo >/dev/null 2>&1 && sudo -n true </dev/null >/dev/null 2>&1 || return 1
    become_root="sudo -n"
}

# --- bubblewrap ------------------------------------------------------------------------------------------------

# sbsh takes bwrap from a system directory only; one that somebody has elsewhere on PATH does not help. A PATH
# without a directory stands for a machine without it (the tests say "no bubblewrap" in that way).
bubblewrap_is_there() {
    for directory in /usr/bin /bin /usr/local/bin /run/current-system/sw/bin; do
        case :$PATH: in
            *:"$directory":*) if [ -x "$directory/bwrap" ]; then return 0; fi ;;
        esac
    done
    return 1
}

# Sets `install_it` (words without blanks) and `refresh` for the first package manager that is here.
find_package_manager() {
    refresh=
    if command -v apt-get >/dev/null 2>&1; then
        install_it="apt-get install -y --no-install-recommends bubblewrap"
        refresh="apt-get update"
    elif command -v dnf >/dev/null 2>&1; then
        install_it="dnf install -y bubblewrap"
    elif command -v yum >/dev/null 2>&1; then
        install_it="yum install -y bubblewrap"
    elif command -v zypper >/dev/null 2>&1; then
        install_it="zypper --non-interactive install bubblewrap"
    elif command -v pacman >/dev/null 2>&1; then
        install_it="pacman -S --noconfirm --needed bubblewrap"
        refresh="pacman -Sy"
    elif command -v apk >/dev/null 2>&1; then
        install_it="apk add --no-cache bubblewrap"
    else
        return 1
    fi
}

# A fresh container has no package lists; apt says so by not knowing the package.
needs_refresh_first() {
    case $install_it in
        apt-get*) ! apt-cache show bubblewrap >/dev/null 2>&1 ;;
        *) return 1 ;;
    esac
}

# Runs the package manager; a failure is tried once more after a refresh, because lists grow stale.
install_bubblewrap() {
    refreshed=no
    # The commands above are words without blanks, split on purpose here and below.
    # shellcheck disable=SC2086
    if needs_refresh_first; then
        say "refreshing the package lists"
        run $become_root $refresh || return 1
        refreshed=yes
    fi
    # shellcheck disable=SC2086
    if run $become_root env DEBIAN_FRONTEND=noninteractive $install_it; then return 0; fi
    if [ -z "$refresh" ] || [ $refreshed = yes ]; then return 1; fi
    say "refreshing the package lists"
    # shellcheck disable=SC2086
    run $become_root $refresh || return 1
    # shellcheck disable=SC2086
    run $become_root env DEBIAN_FRONTEND=noninteractive $install_it
}

# True if the person says yes. Only a terminal is asked.
agreed() {
    [ $yes = no ] || return 0
    [ -t 0 ] || return 1
    printf 'Install it now? [Y/n] ' >&2
    read -r answer || return 1
    case $answer in
        '' | [Yy] | [Yy][Ee][Ss]) return 0 ;;
        *) return 1 ;;
    esac
}

# Status 1 only if the package manager was run and failed; doing without is the person's choice.
provide_bubblewrap() {
    if [ $dependencies = no ] || [ -n "$destdir" ]; then return 0; fi
    if [ "$(uname -s)" != Linux ]; then
        warn "this is not Linux: on macOS sbsh uses sandbox-exec, which was never tried on a Mac; elsewhere it refuses to run commands"
        return 0
    fi
    if bubblewrap_is_there; then return 0; fi
    say "bubblewrap is missing: without it sbsh builds the sandbox itself, by code that fewer people have looked at"
    if ! find_package_manager; then
        warn "no package manager that is known here (apt, dnf, yum, zypper, pacman, apk): install bubblewrap yourself"
        return 0
    fi
    say "this installs it:"
    if [ "$(id -u)" = 0 ]; then say "  $install_it"; else say "  sudo $install_it"; fi
    if [ $dry_run = no ] && ! agreed; then
        say "going on without bubblewrap"
        return 0
    fi
    if ! can_become_root; then
        say "going on without bubblewrap: installing it needs root, and sudo asks for a password; run that command if you want it"
        return 0
    fi
    if install_bubblewrap; then return 0; fi
    warn "bubblewrap could not be installed: sbsh does without"
    return 1
}

# --- the program -----------------------------------------------------------------------------------------------

# Sets `binary` to a program that cargo built.
build() {
    if ! command -v cargo >/dev/null 2>&1; then PATH=$PATH:${HOME:-}/.cargo/bin; fi
    command -v cargo >/dev/null 2>&1 || fail "cannot build sbsh: cargo is missing; get Rust from https://rustup.rs, or say --binary FILE"
    directory=${CARGO_TARGET_DIR:-$here/target}
    native=$(rustc -vV | sed -n 's/^host: //p')
    static=$(uname -m)-unknown-linux-musl
    if [ "$(uname -s)" = Linux ] && [ -d "$(rustc --print sysroot)/lib/rustlib/$static" ]; then
        say "building sbsh (static, $static)"
        if build_for "$static"; then return 0; fi
        warn "the static build failed; trying the native one"
    fi
    say "building sbsh ($native)"
    build_for "$native" || fail "cannot build sbsh with $(rustc --version): see the lines above; Rust 1.95 or newer is needed (https://rustup.rs)"
}

build_for() {
    run cargo build --release --locked --bin sbsh --manifest-path "$here/Cargo.toml" --target-dir "$directory" \
        --target "$1" || return 1
    binary=$directory/$1/release/sbsh
}

# --- the record ------------------------------------------------------------------------------------------------

# One line for each thing: `dir PATH`, `file PATH`, `link PATH`, `shells PATH`, PATH without the destdir.
# It is written before the thing is made, so that an interrupted run can be taken back as well.
pending=
remember() {
    [ $dry_run = no ] || return 0
    if [ ! -d "$destdir$prefix/lib/sbsh" ]; then
        pending=$pending$1$newline
        return 0
    fi
    if [ -n "$pending" ]; then
        printf '%s' "$pending" >>"$destdir$record"
        pending=
    fi
    if [ -f "$destdir$record" ] && grep -Fxq -e "$1" "$destdir$record"; then return 0; fi
    printf '%s\n' "$1" >>"$destdir$record"
}

# Makes a directory with its parents and remembers those that were not there.
made=$newline
make_directory() {
    if [ -z "$1" ] || [ -d "$destdir$1" ]; then return 0; fi
    case $made in *"$newline$1$newline"*) return 0 ;; esac
    make_directory "${1%/*}"
    # $1 is the caller's again: positional parameters are a function's own.
    run mkdir "$destdir$1"
    made=$made$1$newline
    remember "dir $1"
}

# Puts a file in place in one step, so that a running program or a reader never sees half of it.
# put MODE SOURCE PATH
put() {
    make_directory "${3%/*}"
    [ ! -d "$destdir$3" ] || fail "cannot install '$3': a directory is in the way"
    remember "file $3"
    if [ $dry_run = yes ]; then
        show install -m "$1" "$2" "$destdir$3"
        return 0
    fi
    temporary=${destdir}${3%/*}/.sbsh-new-$$
    cp -- "$2" "$temporary"
    chmod "$1" "$temporary"
    mv -f -- "$temporary" "$destdir$3"
    temporary=
}

# put_link TARGET PATH
put_link() {
    make_directory "${2%/*}"
    if [ -e "$destdir$2" ] && [ ! -L "$destdir$2" ]; then
        fail "cannot make the link '$2': something that is not a link is in the way"
    fi
    remember "link $2"
    if [ $dry_run = yes ]; then
        show ln -s "$1" "$destdir$2"
        return 0
    fi
    if [ "$(readlink "$destdir$2" 2>/dev/null)" = "$1" ]; then return 0; fi
    rm -f -- "$destdir$2"
    ln -s -- "$1" "$destdir$2"
}

temporary=
trap '[ -z "$temporary" ] || rm -f -- "$temporary"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# --- /etc/shells -----------------------------------------------------------------------------------------------

add_login_shell() {
    if [ ! -f "$shells" ]; then
        warn "there is no $shells here, so there is nothing to add to"
    elif grep -Fxq -e "$program" "$shells"; then
        say "$shells has $program already"
    else
        # A last line without its end would swallow ours.
        last=$(tail -c 1 "$shells")
        line=$program
        [ -z "$last" ] || line=$newline$program
        remember "shells $program"
        if [ $dry_run = yes ]; then
            say "  add the line $program to $shells"
        elif [ -w "$shells" ]; then
            printf '%s\n' "$line" >>"$shells"
            say "added $program to $shells"
        elif can_become_root && printf '%s\n' "$line" | $become_root tee -a "$shells" >/dev/null; then
            say "added $program to $shells"
        else
            say "only root may add to $shells; run: echo $program | sudo tee -a $shells"
        fi
    fi
    say "to make it your login shell:"
    say "  chsh -s $program"
}

remove_login_shell() {
    if [ ! -f "$shells" ] || ! grep -Fxq -e "$1" "$shells"; then return 0; fi
    if [ $dry_run = yes ]; then
        say "  remove the line $1 from $shells"
        return 0
    fi
    # Rewritten in place: a link, the owner and the mode stay as they are.
    rest=$(grep -Fxv -e "$1" "$shells" && printf x) || rest=x
    rest=${rest%x}
    if [ -w "$shells" ]; then
        printf '%s' "$rest" >"$shells"
    elif can_become_root; then
        printf '%s' "$rest" | $become_root tee "$shells" >/dev/null
    else
        warn "only root may change $shells; remove the line $1 there"
    fi
}

# --- uninstall -------------------------------------------------------------------------------------------------

# Accounts whose login shell this is: removing it would lock them out.
accounts_with_it() {
    [ -r "$destdir/etc/passwd" ] || return 0
    while IFS=: read -r name _ _ _ _ _ account_shell; do
        case $account_shell in
            "$program" | "$aliases"/*) printf '%s ' "$name" ;;
        esac
    done <"$destdir/etc/passwd"
}

# The record may name only what lies below the prefix; a directory may also be one above it.
belongs_here() {
    case $2/ in */../*) return 1 ;; esac
    case $2 in "$prefix"/*) return 0 ;; esac
    [ "$1" = dir ] || return 1
    case $prefix/ in "$2"/*) return 0 ;; esac
    return 1
}

remove_everything() {
    if [ ! -f "$destdir$record" ]; then
        if [ -e "$destdir$program" ]; then
            fail "'$program' was not installed by this script (there is no '$record'): left alone"
        fi
        say "sbsh is not installed below ${prefix:-/}"
        return 0
    fi
    users=$(accounts_with_it)
    [ -z "$users" ] || fail "'$program' is the login shell of: ${users% }. Give them another one first (chsh -s /bin/bash NAME)"
    while IFS= read -r line; do
        belongs_here "${line%% *}" "${line#* }" || fail "the record '$record' names '${line#* }', which is not below ${prefix:-/}: nothing is removed"
    done <"$destdir$record"
    while IFS= read -r line; do
        kind=${line%% *}
        path=${line#* }
        case $kind in
            file) if [ -f "$destdir$path" ]; then run rm -f -- "$destdir$path"; fi ;;
            link) if [ -L "$destdir$path" ]; then run rm -f -- "$destdir$path"; fi ;;
            shells) remove_login_shell "$path" ;;
        esac
    done <"$destdir$record"
    directories=$(sed -n 's/^dir //p' "$destdir$record" | sort -r)
    run rm -f -- "$destdir$record"
    # The record's own directory goes last; what is not empty holds something of somebody else's, and stays.
    while IFS= read -r path; do
        if [ $dry_run = yes ]; then
            show rmdir "$destdir$path"
        else
            rmdir -- "$destdir$path" 2>/dev/null || :
        fi
    done <<DIRECTORIES
$directories
DIRECTORIES
    [ $dry_run = yes ] || say "removed sbsh from ${prefix:-/}; settings and trust stay as they are"
}

if [ $uninstall = yes ]; then
    remove_everything
    exit 0
fi

# --- install ---------------------------------------------------------------------------------------------------

# Whatever would stop the installation is found before minutes of building.
existing=$destdir$prefix
while [ -n "$existing" ] && [ ! -e "$existing" ]; do existing=${existing%/*}; done
[ -d "${existing:-/}" ] || fail "cannot install below '$prefix': '$existing' is not a directory"
if [ $dry_run = no ] && [ ! -w "${existing:-/}" ] && [ ! -w "$destdir$prefix/bin" ]; then
    fail "cannot write to '${existing:-/}': say --user to install below ~/.local, or build first (cargo build --release --locked) and run: sudo ./install.sh --binary target/release/sbsh"
fi
if [ $login_shell = yes ]; then
    case $program in *[[:space:]#]*) fail "'$program' cannot stand in /etc/shells because of a blank or '#': choose another --prefix" ;; esac
fi
if [ -n "$binary" ]; then
    if [ ! -f "$binary" ] || [ ! -r "$binary" ]; then fail "cannot install '$binary': not a file that can be read"; fi
fi
case $aliases in
    *bash* | *zsh*)
        warn "'$aliases' contains the word bash or zsh: agents that look for the word in \$SHELL take all the aliases there for that shell"
        ;;
esac

status=0
provide_bubblewrap || status=1
[ -n "$binary" ] || build

if [ -n "$destdir" ] && [ ! -d "$destdir" ]; then run mkdir -p -- "$destdir"; fi
make_directory "$prefix/lib/sbsh"
put 755 "$binary" "$program"
put_link sbsh "$prefix/bin/sbshctl"
# On PATH, so that commands inside find the door to the outside wherever they name it.
put_link sbsh "$prefix/bin/dangerouslyDisableSandbox"
for name in bash zsh sh fish; do
    put_link "$program" "$aliases/$name"
done
for page in "$here"/man/*.[1-9]; do
    [ -f "$page" ] || continue
    put 644 "$page" "$prefix/share/man/man${page##*.}/${page##*/}"
done
# put_completion FILE PATH...: bash looks for a file of each command's name, zsh for one that names both.
put_completion() {
    completion=$here/completions/$1
    shift
    [ -f "$completion" ] || return 0
    for path in "$@"; do put 644 "$completion" "$prefix/share/$path"; done
}
put_completion sbsh.bash bash-completion/completions/sbsh bash-completion/completions/sbshctl
put_completion sbsh.zsh zsh/site-functions/_sbsh
put_completion sbsh.fish fish/vendor_completions.d/sbsh.fish
put_completion sbshctl.fish fish/vendor_completions.d/sbshctl.fish

if [ $dry_run = yes ]; then
    if [ $login_shell = yes ]; then add_login_shell; fi
    say "nothing was changed"
    exit 0
fi
say "sbsh is installed: $program"
say "  for agents, a shell under its usual name: $aliases/bash"
say "  what can be enforced on this machine: $prefix/bin/sbshctl doctor"
case :$PATH: in
    *:"$prefix/bin":*) ;;
    *) say "  $prefix/bin is not on your PATH" ;;
esac
if [ $user = yes ] && [ -f "$prefix/share/zsh/site-functions/_sbsh" ]; then
    say "  for completion in zsh: fpath=($prefix/share/zsh/site-functions \$fpath), before compinit"
fi
if [ $login_shell = yes ]; then add_login_shell; fi
exit $status
