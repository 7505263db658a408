#!/usr/bin/env bash
# Compare what is exported with llama.cpp.
#   scripts/interop/run.sh BUILD        BUILD holds apprentice and interop_greedy
# Makes a Python environment in BUILD/interop/venv (the wheel is compiled: many
# minutes), unless INTEROP_PYTHON names an interpreter that has the packages.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1
python=${INTEROP_PYTHON:-$build/interop/venv/bin/python}

if [ -z "${INTEROP_PYTHON:-}" ] && [ ! -x "$python" ]; then
    python3 -m venv "$build/interop/venv"
    "$python" -m pip install --quiet -r scripts/interop/requirements.txt
fi
"$python" scripts/interop/interop.py "$build/apprentice" "$build/interop_greedy" "$build/interop/files"
