"""The system library that LightGBM is linked with, and does not bring along."""

import ctypes
import sys

from include.errors import SettingsError

_FILE = "libgomp.so.1"


def refuse(error: OSError) -> SettingsError:
    """What to do where LightGBM cannot be loaded."""
    return SettingsError(
        f"LIGHTGBM_MODELS: LightGBM cannot be loaded ({error}). Install the OpenMP library (Debian and Ubuntu:"
        " `apt install libgomp1`; macOS: `brew install libomp`), or leave LIGHTGBM_MODELS empty."
    )


def check_openmp() -> None:
    """Looks for the library, without loading LightGBM.

    Raises:
        SettingsError: It is not there.
    """
    if sys.platform == "linux":
        try:
            ctypes.CDLL(_FILE)
        except OSError as error:
            raise refuse(error) from None
