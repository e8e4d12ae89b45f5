#!/usr/bin/env bash
# Runs the depth node on real messages and leaves demo/index.html, which opens offline. Sets up .venv first where needed.
# What went in, what came back and the logs lie beside it. `bash scripts/demo.sh --help` lists the options.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
origin=$PWD # -o and --model are paths as the caller sees them
cd "$root"
export PYTHONPATH="$root/scripts${PYTHONPATH:+:$PYTHONPATH}"
for word in "$@"; do
    case $word in
        -h | --help) exec python3 -m demo.options --help ;; # costs no set-up
    esac
done
bash "$root/scripts/setup.sh"
exec "$root/.venv/bin/python" -m demo --from "$origin" "$@"
