# test_install_deps.sh - install-deps.sh against a pretended system: what is
# missing, who may install, which lists are stale.  Nothing is installed.
. "$(dirname "$0")/lib.sh"

# A folder of pretended commands in front of the path; apt-get writes down what it was asked.
fake=$TMP/fake
mkdir "$fake"
log=$TMP/log
tool() { printf '#!/bin/sh\n%s\n' "$2" >"$fake/$1" && chmod +x "$fake/$1"; }
reset() { # installed-pattern candidate uid
    : >"$log"
    rm -f "$TMP/updated"
    tool dpkg-query "for p; do :; done; case \$p in $1) printf installed ;; *) exit 1 ;; esac"
    tool apt-cache "shift; for p; do echo \"\$p:\"; echo \"  Candidate: $2\"; done"
    tool apt-get "echo \"apt-get \$*\" >>'$log'; case \"\$*\" in *update*) touch '$TMP/updated' ;; esac"
    tool id "echo $3"
    tool sudo "echo sudo >>'$log'; exec \"\$@\""
}
deps() { PATH=$fake:$PATH scripts/install-deps.sh "$@"; }
logged() { grep -q -- "$1" "$log"; }

reset '*' 1.0 0
expect_ok "does nothing when all is there" deps
expect_empty out
expect_empty err
expect_true "asks apt-get for nothing" test ! -s "$log"

reset 'gcc|cmake' 1.0 0
expect_ok "installs as root what is missing" deps
expect_err "missing packages"
expect_err "the prover behind the fol functions"
expect_true "asks for the missing ones" logged 'install -y --no-install-recommends .*libz3-dev'
expect_true "does not ask for those that are there" sh -c "! grep -q ' cmake' '$log'"
expect_true "does not update lists that know all" test ! -e "$TMP/updated"
expect_true "needs no sudo as root" sh -c "! grep -q sudo '$log'"

reset gcc '(none)' 0
expect_ok "updates the lists when they do not know a package" deps
expect_true "has updated" test -e "$TMP/updated"

reset gcc 1.0 0
tool apt-get "echo \"apt-get \$*\" >>'$log'; case \"\$*\" in *update*) touch '$TMP/updated' ;; *) test -e '$TMP/updated' ;; esac"
expect_ok "updates stale lists and tries again" deps

reset gcc 1.0 0
tool apt-get "exit 100"
expect_fail 1 "reports what could not be installed" deps
expect_err "could not"

reset gcc 1.0 1000
expect_ok "uses sudo when not root" deps
expect_true "has used sudo" logged sudo

# Neither root nor sudo: a path with just the commands that the script needs.
reset gcc 1.0 1000
rm "$fake/sudo"
for name in bash cat env grep printf; do ln -sf "$(command -v $name)" "$fake/$name"; done
bare() { PATH=$fake "$fake/bash" scripts/install-deps.sh; }
expect_fail 1 "says what to ask for when neither root nor sudo is there" bare
expect_err "apt-get install libc6-dev cmake"

rm "$fake/dpkg-query"
expect_ok "names the packages on another system" bare
expect_err "no Debian system"

finish
