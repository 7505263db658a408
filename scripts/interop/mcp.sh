#!/usr/bin/env bash
# Speak MCP with the official Python SDK, in both of its generations.
#   scripts/interop/mcp.sh BUILD        BUILD holds apprentice
# Makes Python environments in BUILD/interop/mcp-VERSION; MCP_PYTHON names one
# interpreter that has an SDK to use that alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1

if [ -n "${MCP_PYTHON:-}" ]; then
    exec "$MCP_PYTHON" scripts/interop/mcp_interop.py "$build/apprentice"
fi
for version in 1.30.0 2.3.0; do
    python=$build/interop/mcp-$version/bin/python
    if [ ! -x "$python" ]; then
        python3 -m venv "$build/interop/mcp-$version"
        "$python" -m pip install --quiet "mcp==$version"
    fi
    "$python" scripts/interop/mcp_interop.py "$build/apprentice"
done
