#!/usr/bin/env bash
# Runs the tests. Sets up .venv first where needed; arguments go to pytest: bash scripts/test.sh test/geometry -k tiles
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
cd "$root"

# A domain of its own and no traffic beyond this machine, so that neither robots nearby nor other test runs are met.
export ROS_DOMAIN_ID=${ROS_DOMAIN_ID:-$((RANDOM % 100 + 1))}
if [[ ${ROS_DISTRO:-} == humble ]]; then
    export ROS_LOCALHOST_ONLY=1
else
    export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)}
export MPLBACKEND=Agg
# A sourced Humble brings pytest plugins of its own, which this pytest refuses (ros2/launch#979). pyproject.toml names what
# the tests need; others are asked for by name: bash scripts/test.sh -p pytest_cov --cov=prv2_ros
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1

exec "$root/.venv/bin/python" -m pytest "$@"
