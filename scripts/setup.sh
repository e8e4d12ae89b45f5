#!/usr/bin/env bash
# Makes .venv with everything that prv2_ros needs, from requirements/lock.txt. Safe to run again: when nothing has
# changed it ends at once and needs no network.
#
#   bash scripts/setup.sh            set up, or bring up to date
#   bash scripts/setup.sh --fresh    remake .venv from nothing
#
# PRV2_PYTHON=/path/to/python3.x     the Python to use (3.10 to 3.12)
#
# A ROS 2 that is sourced is used as it is: its Python, its rclpy, its numpy where that is 1.x. A torch that this Python
# has (a Jetson's own build), with the torchvision made for it, is used as it is too, also where it comes later.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
stamp=$venv/.prv2_complete      # holds the key of what is installed; written last
unfinished=$venv/.prv2_unfinished # there while an installation is under way
mode_file=$venv/.prv2_mode

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
trap 'say "stopped by an error (line $LINENO); the next run starts anew"' ERR

ros_is_sourced() { [[ -n ${ROS_DISTRO:-} && -n ${AMENT_PREFIX_PATH:-} ]]; }

suits() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; }

# Prints the Python to build .venv with.
pick_python() {
    local candidate
    if [[ -n ${PRV2_PYTHON:-} ]]; then
        suits "$PRV2_PYTHON" || die "PRV2_PYTHON=$PRV2_PYTHON is no Python 3.10 to 3.12"
        echo "$PRV2_PYTHON"
        return
    fi
    if $sourced; then
        command -v python3 || die "ROS 2 $ROS_DISTRO is sourced, but there is no python3"
        return
    fi
    for candidate in python3 python3.12 python3.11 python3.10 python \
        "$HOME"/.pyenv/versions/3.1[012].*/bin/python /usr/local/bin/python3.1[012] /usr/bin/python3.1[012]; do
        if suits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    die "found no Python 3.10 to 3.12; install one (with uv: uv python install 3.12) or set PRV2_PYTHON to one \
(PRV2_PYTHON=\$(uv python find 3.12))"
}

# Names everything that decides what .venv must hold, so that a change of any of it is seen.
key() {
    {
        cat "$root"/requirements/*.txt "$root/setup.py" "$root/setup.cfg" "$root/scripts/setup.sh"
        grep -o '<version>.*</version>' "$root/package.xml"
        echo "$root" "$mode" "$lock" "${ROS_DISTRO:-}" "${PRV2_PYTHON:-}"
    } | cksum
}

complete() { [[ -f $stamp && ! -e $unfinished && $(<"$stamp") == "$(key)" ]] && "$venv/bin/python" -c '' 2>/dev/null; }

has() { "$python" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$1') is None)" 2>/dev/null; }

# Whether a module lies in a virtual environment itself, and not in what that shares with its machine.
in_environment() {
    "$python" -c "import importlib.util as u, sys
where = u.find_spec('$1').origin or ''
sys.exit(sys.prefix == sys.base_prefix or not where.startswith(sys.prefix + '/'))" 2>/dev/null
}

# Looks at the machine and decides what .venv is made of. Refuses what would fail once gigabytes are downloaded.
survey() {
    if ros_is_sourced; then sourced=true; fi
    python=$(pick_python) || exit 1
    if $sourced && ! { suits "$python" && "$python" -c 'import rclpy' 2>/dev/null; }; then
        die "ROS 2 $ROS_DISTRO is sourced, but $python is no Python 3.10 to 3.12 that can import its rclpy: to use that \
ROS 2, leave conda or pyenv, or set PRV2_PYTHON=/usr/bin/python3; to use ROS 2 from PyPI, run this where none is sourced"
    fi
    if has torch; then own_torch=true; fi
    if $own_torch && in_environment torch; then
        die "$python is that of a virtual environment, and its torch cannot be shared with .venv: leave it (deactivate), or \
set PRV2_PYTHON to a Python outside of one"
    fi
    if $own_torch && ! has torchvision; then
        die "$python has a torch of its own, but no torchvision, which timm needs, and PyPI's would bring another torch: \
install the torchvision made for that torch (a Jetson's is where its torch came from), or set PRV2_PYTHON to a Python \
without torch"
    fi
    if $sourced; then mode=system-ros; elif $own_torch; then mode=system; fi
    if $own_torch; then mode+=-torch; fi
    # Extensions compiled for numpy 1 (messages, torch) do not load with numpy 2.
    if [[ $mode == *system* ]] && "$python" -c 'import numpy, sys; sys.exit(numpy.__version__[0] != "1")' 2>/dev/null; then
        lock=lock_numpy1.txt
    fi
}

# Prints the lock file less what this machine brings itself.
wanted() {
    local leave_out='^$'
    $sourced && leave_out+='|^ros-'
    [[ $(uname -m) == x86_64 ]] || leave_out+='|^ros-'
    $own_torch && leave_out+='|^(torch|torchvision|triton)==|^(nvidia|cuda)-'
    grep -vE "$leave_out" "$root/requirements/$lock"
}

make_venv() {
    local options=()
    [[ $mode == *system* ]] && options+=(--system-site-packages)
    # Whenever this is cut short, what is left has no Python or is marked unfinished, so the next run starts anew.
    rm -f "$stamp" "$venv/bin/python"
    rm -rf "$venv"
    mkdir "$venv"
    touch "$unfinished"
    say "making .venv with $("$python" -V) ($python)"
    if has ensurepip; then
        "$python" -m venv "${options[@]}" "$venv"
    elif "$python" -m venv --without-pip "${options[@]}" "$venv" &&
        "$python" -m pip --python "$venv/bin/python" install --quiet pip; then
        :  # Debian's Python without python3-venv, but with a pip that can install for another Python
    else
        rm -rf "$venv"
        die "this Python can make no virtual environment: install python3-venv (apt) and run this again"
    fi
}

verify() {
    local modules="cv2, numpy, torch, torchvision, timm, safetensors, yaml, prv2_ros, rosbags, skimage, tqdm, pytest, \
rclpy, sensor_msgs.msg, diagnostic_msgs.msg"
    (cd / && "$venv/bin/python" -c "import $modules
print(f'torch {torch.__version__}, numpy {numpy.__version__}, cuda', torch.cuda.is_available())")
}

install_all() {
    local list=$venv/.prv2_requirements.txt
    touch "$unfinished"
    rm -f "$stamp"
    wanted > "$list"
    # The lock file is complete, so no dependency is resolved anew and nothing that is kept gets replaced.
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps -r "$list" |
        { grep -vE '^(Requirement already satisfied|Looking in)' || true; }
    "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable "$root"
    say "checking that everything loads"
    verify || die "the installation does not load. Kept torch: $own_torch (it needs a torchvision made for it); \
sourced ROS 2: $sourced. Try --fresh, or another PRV2_PYTHON"
    echo "$mode" > "$mode_file"
    key > "$stamp.new"
    mv "$stamp.new" "$stamp"
    rm -f "$unfinished"
}

main() {
    # An activated .venv is no Python to build on: it may be removed below.
    PATH=":$PATH:"
    PATH=${PATH//":$venv/bin:"/:}
    PATH=${PATH#:}
    PATH=${PATH%:}
    unset VIRTUAL_ENV
    [[ $(uname -s) == Linux ]] || die "prv2_ros is set up on Linux only"
    sourced=false own_torch=false lock=lock.txt mode=wheels fresh=false
    case ${1:-} in
        '') ;;
        --fresh) fresh=true ;;
        *) die "unknown option $1; the only one is --fresh" ;;
    esac
    survey
    if ! $fresh && complete; then
        say ".venv is up to date"
        return
    fi
    # Behind a link lies another checkout's environment: installing here would turn that one over to this checkout.
    [[ ! -L $venv ]] || die ".venv is a link to $(readlink "$venv"): remove it, or run this in the checkout it belongs to"
    # One installation at a time: scripts/demo.sh and scripts/test.sh may both call this.
    exec 9< "$root"
    if command -v flock > /dev/null; then flock 9; fi
    if ! $fresh && complete; then return; fi

    say "ROS 2 sourced: $sourced; torch of its own: $own_torch; versions from requirements/$lock"
    ! $sourced && [[ $(uname -m) != x86_64 ]] &&
        die "no ROS 2 is sourced, and its wheels exist for x86-64 only: source /opt/ros/<distro>/setup.bash and run this again"

    # An installation that broke off, or one of another kind, is not built upon.
    if $fresh || [[ -e $unfinished || ! -x $venv/bin/python || $(cat "$mode_file" 2>/dev/null || echo "$mode") != "$mode" ]] ||
        ! suits "$venv/bin/python"; then
        make_venv
    fi
    install_all
    say "done; activate it with: source .venv/bin/activate"
}

main "$@"
