"""What of the caller's environment reaches the stack: a short list. All else is another project's.

A shell may hold another Airflow's or MLflow's configuration, another project's PYTHONPATH, passwords that are none of
the stack's business. What a source or a mail server needs is let through; what the stack can be told is a setting.
"""

from collections.abc import Iterable, Mapping, MutableMapping

from include.configuration.env_file import read_env_file
from include.configuration.layers import ENV_FILE
from include.errors import SettingsError

# The machine, its language, its way to the network.
MACHINE = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME",
           "XDG_CONFIG_HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
           "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # fmt: skip
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
# Logins of object stores, and which GPU to use.
PREFIXES = ("LC_", "AWS_", "AZURE_", "GOOGLE_", "FSSPEC_", "CUDA_")
# For what talks to a person: the launcher, and the programs that it becomes.
TERMINAL = ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PAGER", "LESS", "EDITOR", "VISUAL")
ALLOWED = frozenset((*MACHINE, *PROXIES, *(name.lower() for name in PROXIES)))


def choose_environment(caller: Mapping[str, str], others: Iterable[str] = ()) -> dict[str, str]:
    """The part of an environment that is let through: the list above, what `.env` refers to, and `others`.

    Raises:
        SettingsError: `.env` cannot be read.
    """
    return _choose(caller, (*others, *read_env_file(ENV_FILE, caller).names))


def _choose(caller: Mapping[str, str], others: Iterable[str]) -> dict[str, str]:
    names = {*ALLOWED, *others}
    return {key: value for key, value in caller.items() if key in names or key.startswith(PREFIXES)}


def isolate(environment: MutableMapping[str, str], others: Iterable[str]) -> list[str]:
    """Removes from an environment what is not let through, and returns the names of that."""
    # A file that cannot be read is said by the command that needs it; `make down` does not.
    try:
        kept = choose_environment(environment, (*TERMINAL, *others))
    except SettingsError:
        kept = _choose(environment, (*TERMINAL, *others))
    removed = sorted(environment.keys() - kept.keys())
    for name in removed:
        del environment[name]
    return removed
