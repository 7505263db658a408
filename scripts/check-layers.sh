#!/usr/bin/env bash
# Check the rules of the house that a compiler does not (CONTRIBUTING.md says
# what to do about each).  Prints every violation as file:line: what.
#   scripts/check-layers.sh [ROOT]
set -uo pipefail
cd "${1:-$(dirname "$0")/..}" || exit 2

LAYERS="base jinja tensor tree model functions outside llm agent tasks store preference train evaluate report run bench cli"
MAX_LINES=650
violations=0

complain() { # place what
    echo "$1: $2"
    violations=$((violations + 1))
}

rank() { # layer -> its position, or nothing
    local n=0 layer
    for layer in $LAYERS; do
        n=$((n + 1))
        [ "$layer" != "$1" ] || echo "$n"
    done
}

# Source text without comments and string contents, line numbers kept.
bare() {
    awk '
    { line = $0; out = ""
      while (length(line)) {
          if (in_comment) {
              p = index(line, "*/")
              if (!p) { line = ""; break }
              line = substr(line, p + 2); in_comment = 0
          } else if (match(line, /^"([^"\\]|\\.)*"/) || match(line, /^\047([^\047\\]|\\.)*\047/)) {
              out = out "\"\""; line = substr(line, RLENGTH + 1)
          } else if (substr(line, 1, 2) == "/*") { in_comment = 1; line = substr(line, 3)
          } else if (substr(line, 1, 2) == "//") { line = ""
          } else { out = out substr(line, 1, 1); line = substr(line, 2) }
      }
      print out }' "$1"
}

# Includes point down, and to files that exist.
check_includes() { # file layer
    local own target number header
    own=$(rank "$2")
    while IFS=: read -r number header; do
        case $header in
        */*)
            target=$(rank "${header%%/*}")
            if [ ! -f "src/$header" ]; then
                complain "$1:$number" "includes \"$header\", which is not in src/"
            elif [ "${target:-99}" -gt "$own" ]; then
                complain "$1:$number" "layer $2 must not include \"$header\" of the layer above"
            elif [ "$2" = functions ] && [[ ${header%%/*} =~ ^(tensor|tree|model)$ ]]; then
                complain "$1:$number" "functions know nothing of models: \"$header\""
            fi ;;
        *)
            [ -f "include/$header" ] || complain "$1:$number" "includes \"$header\"; write it as \"layer/$header\"" ;;
        esac
    done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' "$1" | sed -E 's/^([0-9]+):[^"]*"([^"]*)".*/\1:\2/')
}

# The library neither prints nor exits, and takes its memory from base/alloc.h.
check_calls() { # file
    local number text
    while IFS=: read -r number text; do
        case $1 in
            src/base/progress.c) [[ $text =~ stderr ]] && continue ;;
            src/outside/sandbox.c) [[ $text =~ _exit ]] && continue ;; # in the child, after the fork
        esac
        complain "$1:$number" "the library never prints and never exits: $(echo "$text" | sed 's/^ *//')"
    done < <(bare "$1" | grep -nE '(^|[^A-Za-z0-9_.>])((v?printf|puts|putchar|perror|exit|_exit|abort|assert) *\(|stdout|stderr)')
    # free alone is no sin: libraries hand out memory that must go back to the C library.
    [ "$1" != src/base/alloc.c ] || return 0
    while IFS=: read -r number text; do
        complain "$1:$number" "heap memory comes from base/alloc.h: $(echo "$text" | sed 's/^ *//')"
    done < <(bare "$1" | grep -nE '(^|[^A-Za-z0-9_.>])(malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf) *\(')
}

check_shape() { # file
    local name lines
    name=$(basename "$1")
    lines=$(wc -l <"$1")
    [ "$lines" -le $MAX_LINES ] || complain "$1:$lines" "more than $MAX_LINES lines: split it by topic"
    head -n 1 "$1" | grep -qF "/* $name - " || complain "$1:1" "begins with \"/* $name - what it is\", the file's diagram"
    if LC_ALL=C grep -nP '\t| +$' "$1" | head -n 1 | grep -q .; then
        complain "$1:$(LC_ALL=C grep -nP '\t| +$' "$1" | head -n 1 | cut -d: -f1)" "a tab, or blanks at the end of a line"
    fi
}

check_unique_names() {
    local stem
    for stem in $(find src -name '*.[ch]' | sed -E 's/\.[ch]$//' | sort -u | sed 's|.*/||' | sort | uniq -d); do
        complain "$(find src -name "$stem.[ch]" | sort | head -n 1)" "the name $stem is used in two folders"
    done
}

for folder in src/*/; do
    layer=$(basename "$folder")
    if [ -z "$(rank "$layer")" ]; then
        complain "$folder" "is no layer; the layers are: $LAYERS"
        continue
    fi
    for file in "$folder"*.[ch]; do
        [ -f "$file" ] || continue
        check_includes "$file" "$layer"
        [ "$layer" = cli ] || check_calls "$file"
        check_shape "$file"
    done
done
for file in include/*.h tests/*.[ch] bench/*.[ch] examples/*.[ch]; do
    [ ! -f "$file" ] || check_shape "$file"
done
check_unique_names

if [ $violations -gt 0 ]; then
    echo "check-layers: $violations violations"
    exit 1
fi
echo "check-layers: all rules hold"
