# $1 is the number of versions that stay.
if [ "$1" = 0 ]; then
    for name in sbshctl dangerouslyDisableSandbox; do
        [ "$(readlink "/usr/bin/$name")" != sbsh ] || rm -f "/usr/bin/$name"
    done
    for name in bash zsh sh fish; do
        [ "$(readlink "/usr/lib/sbsh/aliases/$name")" != ../../../bin/sbsh ] || rm -f "/usr/lib/sbsh/aliases/$name"
    done
    # The tool packs files, not directories.
    rmdir /usr/lib/sbsh/aliases /usr/lib/sbsh /usr/share/doc/sbsh /usr/share/licenses/sbsh 2>/dev/null || :
    if [ -f /etc/shells ]; then
        # Written in place: a link, the owner and the mode stay.
        rest=$(grep -Fxv /usr/bin/sbsh /etc/shells)
        if [ -n "$rest" ]; then printf '%s\n' "$rest"; fi >/etc/shells
    fi
fi
