"""How every command ends: a user's mistake is one sentence on stderr, never a traceback."""

import errno
import io
import logging
import os
import select
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

from fastpatent import log
from fastpatent.errors import FastPatentError, missing_extra
from fastpatent.text import escaped

STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
logger = logging.getLogger(__name__)


def run(main_function: Callable[..., int | None], *arguments: Any) -> int:
    """Call `main_function(*arguments)` and return its exit status (None counts as 0).

    A FastPatentError, a package of an extra that is not installed, a full, read-only or forbidden disk, and a limit on the
    size of files become `error: <sentence>` lines and status 1; Ctrl-C becomes `interrupted` and 130; a reader that closed
    the pipe (`| head`) ends the command quietly with 141. Every other exception is a bug and passes through;
    its traceback has names escaped.
    """
    log.start()
    sys.excepthook, threading.excepthook = _report_bug, _report_thread
    for stream in (sys.stdout, sys.stderr):  # what a terminal of latin-1 cannot show, it shows as \u2500
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = main_function(*arguments)
        sys.stdout.flush()
        return status or 0
    except FastPatentError as error:
        logger.error("%s", error)
        return 1
    except ModuleNotFoundError as error:
        if not (sentence := missing_extra(error)):
            raise
        logger.error(sentence)
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")  # in one piece, as other processes may write too
        return 130
    except BrokenPipeError:
        if not _reader_left(sys.stdout):
            raise
        # The interpreter flushes stdout once more at its exit, which would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except OSError as error:
        if error.errno not in STORAGE:
            raise
        logger.error(f"{error.filename or 'an output file'}: {error.strerror}")
        return 1
    finally:
        log.stop()


def _report_thread(failure: threading.ExceptHookArgs) -> None:
    """Report a full disk in a thread in one sentence, and anything else as a bug."""
    error = failure.exc_value
    if isinstance(error, OSError) and error.errno in STORAGE:
        logger.warning(f"{error.filename or 'a file'} could not be written: {error.strerror}")
    else:
        _report_bug(failure.exc_type, error, failure.exc_traceback)


def _report_bug(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """Print a traceback as Python does, but for what could act on the terminal."""
    lines = "".join(traceback.format_exception(kind, error, trace)).split("\n")
    sys.stderr.write("\n".join(map(escaped, lines)))


def _reader_left(stream: TextIO) -> bool:
    """Return whether the other end of `stream` is closed; a broken pipe may also be that of a crashed worker process."""
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
