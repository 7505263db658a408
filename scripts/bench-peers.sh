#!/usr/bin/env bash
# Apprentice and its peers by turns on the same work, on this machine.
#   scripts/bench-peers.sh BUILD [option or workload of bench/peers/run.py ...]
# Makes BUILD/peers once: a Python environment with the pinned versions of
# bench/peers/requirements.txt (llama.cpp is compiled there, which needs a C++
# compiler) and the work as files.  Results: a table on stdout, BUILD/peers.csv.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?which build folder}
shift
peers=$build/peers
pins=bench/peers/requirements.txt

if ! cmp -s "$pins" "$peers/requirements.txt"; then
    echo "bench-peers: making $peers, which takes a while" >&2
    rm -rf "$peers/venv"
    mkdir -p "$peers"
    python3 -m venv "$peers/venv" || { echo "bench-peers: needs python3 with venv (python3-venv on Debian)" >&2; exit 1; }
    "$peers/venv/bin/pip" install --quiet --requirement "$pins"
    cp "$pins" "$peers/requirements.txt"
fi
exec "$peers/venv/bin/python" bench/peers/run.py --apprentice "$build/apprentice" --work "$peers/work" \
    --csv "$build/peers.csv" "$@"
