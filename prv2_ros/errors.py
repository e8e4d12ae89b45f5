"""Errors that a user can act on; everything else is a bug and raises as Python does."""


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
