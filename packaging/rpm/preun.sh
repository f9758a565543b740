# $1 is the number of versions that stay.
if [ "$1" = 0 ]; then
    users=$(while IFS=: read -r name _ _ _ _ _ shell; do
        case $shell in /usr/bin/sbsh | /usr/lib/sbsh/aliases/*) printf '%s ' "$name" ;; esac
    done </etc/passwd)
    if [ -n "$users" ]; then
        echo "sbsh: these accounts have sbsh as their login shell and cannot log in without it: ${users% }" >&2
        echo "sbsh: give each another one: chsh -s /bin/bash NAME" >&2
    fi
fi
