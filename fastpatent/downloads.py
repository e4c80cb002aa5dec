"""Whether a name in a file may make a library download: only where the command line says so."""

import os

from fastpatent.errors import ConfigError

OPTION = "--allow-downloads"
ALLOWED = "FASTPATENT_ALLOW_DOWNLOADS"  # of the environment, which workers and the processes of --num-gpus inherit


def allow_downloads(allowed: bool = True) -> None:
    """Allow or forbid downloads in this process and those that it starts."""
    os.environ[ALLOWED] = str(int(allowed))


def check_download(key: str, what: str) -> None:
    """Raise ConfigError where `what`, named by a configuration key, would be downloaded and that is not allowed."""
    if os.environ.get(ALLOWED) != "1":
        raise ConfigError(
            f"{key}: {what} would be downloaded; name a local file, or give {OPTION} (with HF_HUB_OFFLINE=1 beside it only "
            "what earlier downloads left here is used)"
        )
