"""The parameter table as the README shows it.

`python -m prv2_ros.ros.parameter_readme` prints it; `--write README.md` puts it between the file's markers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from prv2_ros.errors import ConfigError, StorageError
from prv2_ros.files import whole_file
from prv2_ros.ros.parameter_table import TABLE

README_BEGIN = "<!-- parameters:begin -->"
README_END = "<!-- parameters:end -->"

LAUNCH_NOTE = """\
`depth.launch.py` takes `namespace`, `camera_name` (the node lives in `<namespace>/<camera_name>`, below a pushed
namespace; `camera_name:=/` leaves that part out; `camera_name:=front,left` starts a node for each), `image`,
`camera_info` (topics to subscribe in place of `image_raw` and `camera_info`), `params_file` (the node in it is `/**:`,
or by its full name `/camera/depth_node:`), `model`, `device`, `image_transport`, `input_rectified`, `max_latency_ms`,
`camera_height_m`, `output_frame_id`, `autostart`, `use_sim_time` (these nine stand above the file where they are given,
and go to every camera), `log_level`, `use_rviz` (needs the package `rviz2`; shows the first camera) and `rviz_frame`
(RViz's fixed frame, where the images' frame_id is not `camera_optical_frame`). A `SetRemap` around the launch file
renames any topic. Where it is included more than once, or beside others that have a `model` or `device`, put each
`IncludeLaunchDescription` into a `GroupAction`: ROS hands the arguments of one on to the next. In a file write
`max_latency_ms: 300.0`, not `300`, and quote words (`"off"`, `"nan"`): ROS keeps values of two types side by side, and
may take the wrong one where another file or `-p` says another; `depth_node --set NAME=VALUE` stands above all of them.
QoS of any topic, by its full name:
`qos_overrides./camera/image_raw.subscription.reliability: reliable` (`publisher` or `subscription`; `reliability`,
`durability`, `depth` or `history`).

Parameters of other nodes, which a file shared by several holds, are ignored with a warning; a name that is nearly one
of this table is refused."""
"""What the README says below the table."""


def markdown_table() -> str:
    """Return the README table, one row for each parameter."""
    lines = [
        "| Parameter | Type | Default | Unit | Allowed | Live | Description |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in TABLE:
        default = str(row.default).lower() if isinstance(row.default, bool) else str(row.default)
        live = "no" if row.read_only else "yes"
        lines.append(
            f"| `{row.name}` | {row.kind} | `{default}` | {row.unit} | {row.allowed} | {live} | {row.description} |"
        )
    return "\n".join([*lines, "", LAUNCH_NOTE])


def write_table(path: Path) -> None:
    """Replace what stands between the markers of `path` by the table; the file is written whole or not at all.

    Raises:
        ConfigError: a marker is missing.

    """
    text = path.read_text(encoding="utf-8")
    if text.count(README_BEGIN) != 1 or text.count(README_END) != 1:
        raise ConfigError(f"{path}: needs the markers {README_BEGIN} and {README_END}, once each")
    head, _, rest = text.partition(README_BEGIN)
    tail = rest.partition(README_END)[2]
    with whole_file(path) as file:
        file.write(f"{head}{README_BEGIN}\n{markdown_table()}\n{README_END}{tail}".encode())


def main(arguments: list[str] | None = None) -> int:
    """Print the table, or write it into a file; exit code 1 with one line on an error."""
    parser = argparse.ArgumentParser(description="Print the node's parameter table as Markdown.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the file's markers")
    options = parser.parse_args(arguments)
    if options.write is None:
        print(markdown_table())
        return 0
    try:
        write_table(options.write)
    except (ConfigError, StorageError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
