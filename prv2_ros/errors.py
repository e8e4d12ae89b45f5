"""Errors that a user can act on; everything else is a bug and raises as Python does."""

from __future__ import annotations

import sys


class Prv2Error(Exception):
    """Base of every error this package raises on purpose; its text names the value and the way out."""


class InputError(Prv2Error, ValueError):
    """An image, message, camera or option that cannot be used as it is."""


class ConfigError(Prv2Error, ValueError):
    """A configuration value or file that is unknown, of the wrong type or out of range."""


class WeightsError(Prv2Error, ValueError):
    """A weights file that is missing, altered, truncated or made for another network."""


class StorageError(Prv2Error, RuntimeError):
    """A place where nothing more can be written."""


class DeviceError(Prv2Error, RuntimeError):
    """A compute device that was asked for and cannot be used."""


class DeviceMemoryError(DeviceError):
    """An image for which the device has too little memory; smaller ones may well do."""


def missing_module(error: Exception) -> str | None:
    """Say in a line which package is not installed and what to do, where that is what an error is about."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    package = error.name.partition(".")[0]
    return (
        f"{package} is not installed for {sys.executable}: activate the virtual environment that README.md has made, "
        f"or python3 -m pip install {package}"
    )
