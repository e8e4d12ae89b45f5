#!/usr/bin/env bash
# Builds the package as a colcon workspace does, in a temporary folder, checks what landed and runs its package tests.
# Sets up .venv first where needed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
export PATH=$root/.venv/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/src/prv2_ros"
# What git knows, and new files that it does not ignore: what a fresh clone with the change would hold.
(cd "$root" && git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    if [[ -e $file ]]; then printf '%s\0' "$file"; fi
done | tar --null --files-from=- -cf -) | tar -xf - -C "$work/src/prv2_ros"
cd "$work"

export COLCON_HOME=$work/.colcon
colcon --log-base "$work/log" build --event-handlers console_direct+ desktop_notification-
missing=0
share=install/prv2_ros/share/prv2_ros
for path in lib/prv2_ros/depth_node lib/prv2_ros/prv2 share/ament_index/resource_index/packages/prv2_ros; do
    [[ -e install/prv2_ros/$path ]] || { echo "colcon: install/prv2_ros/$path is missing" >&2; missing=1; }
done
for folder in launch config models; do
    while IFS= read -r -d '' file; do
        [[ -e $share/$file ]] || { echo "colcon: $share/$file is missing" >&2; missing=1; }
    done < <(cd src/prv2_ros && find "$folder" -type f -not -name '.*' -not -path '*__pycache__*' -print0 2>/dev/null)
done
[[ $missing == 0 ]] || exit 1
for script in depth_node prv2; do
    # The Python of whoever runs it: the one that colcon runs on need not be that of the virtual environment with torch.
    [[ $(head -n 1 "install/prv2_ros/lib/prv2_ros/$script") == "#!/usr/bin/env python3" ]] ||
        { echo "colcon: $script is tied to one Python" >&2; exit 1; }
done

# The installed package finds its own files, with nothing of the checkout on the path.
(
    set +u # colcon's own scripts read variables that may be unset
    source install/setup.bash
    set -u
    cd /
    python - "$work/install/prv2_ros" <<'PY'
import sys
from pathlib import Path

import prv2_ros
from prv2_ros.network.paths import config_folder, models_folder

prefix = Path(sys.argv[1])
for path in (Path(prv2_ros.__file__), models_folder(), config_folder()):
    assert prefix in path.resolve().parents, f"{path} is not of the workspace {prefix}"
print("colcon: workspace sourced,", models_folder())
PY
)

# As in scripts/test.sh. colcon replaces PYTEST_ADDOPTS by options of its own, but leaves this as it is.
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1
colcon --log-base "$work/log" test --event-handlers console_direct+ desktop_notification- \
    --pytest-args test/test_package.py test/test_layers.py
colcon test-result --verbose
