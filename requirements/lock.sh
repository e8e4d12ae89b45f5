#!/usr/bin/env bash
# Renews both lock files; needs `pip install uv`. Run it after changing a file in this folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
direct=(runtime.txt ros.txt tools.txt training.txt dev.txt)
options=(--universal --python-version 3.10 --no-annotate --quiet --custom-compile-command "bash requirements/lock.sh")
uv pip compile "${options[@]}" "${direct[@]}" "$@" -o lock.txt
uv pip compile "${options[@]}" "${direct[@]}" numpy1.txt "$@" -o lock_numpy1.txt
