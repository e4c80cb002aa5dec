"""What a searcher keeps beside an index, in one SQLite file: uploaded drawings, shortlists with notes, saved searches."""

import datetime
import hashlib
import json
import os
import re
import sqlite3
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from fastpatent.errors import DataError

APPLICATION = 0x46504157  # "FPAW" in the header of the file: it is a workspace of ours
BUSY = 20  # seconds to wait for another process that writes
MOST_SHORTLISTS, MOST_ENTRIES, MOST_SAVED, MOST_PATENTS = 1000, 5000, 5000, 10_000
LONGEST_NAME, LONGEST_PATENT, LONGEST_NOTE, LONGEST_ADDRESS = 200, 1000, 10_000, 20_000  # characters
UPLOADS_MB = 1024
UPLOAD = re.compile("[0-9a-f]{32}")  # an ID, in an address
# Statements that bring the schema from each version to the next; those of a released version never change.
MIGRATIONS = (
    (
        "CREATE TABLE upload (id TEXT PRIMARY KEY, name TEXT NOT NULL, png BLOB NOT NULL,"
        " width INTEGER NOT NULL, height INTEGER NOT NULL)",
        "CREATE TABLE shortlist (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, made TEXT NOT NULL)",
        "CREATE TABLE entry (shortlist INTEGER NOT NULL REFERENCES shortlist ON DELETE CASCADE, patent TEXT NOT NULL,"
        " place INTEGER NOT NULL, note TEXT NOT NULL, address TEXT NOT NULL, added TEXT NOT NULL,"
        " PRIMARY KEY (shortlist, patent))",
        "CREATE TABLE search (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, note TEXT NOT NULL,"
        " address TEXT NOT NULL, generation INTEGER NOT NULL, patents TEXT NOT NULL, saved TEXT NOT NULL)",
    ),
)


class Missing(DataError):
    """There is no shortlist, entry or saved search of this number or name."""


class Unusable(DataError):
    """The file cannot be read or written: a full disk, no permission, damage, another process that does not end."""


class Shortlist(NamedTuple):
    """A list of patents, made at an ISO date and time, with the number of its entries."""

    id: int
    name: str
    made: str
    count: int


class Entry(NamedTuple):
    """A patent of a shortlist, with the address of the search that it was found by, "" where it is unknown."""

    patent: str
    note: str
    address: str
    added: str


class Saved(NamedTuple):
    """A search to run again, with the generation of the index and the patents that it found when it was saved."""

    id: int
    name: str
    note: str
    address: str
    generation: int
    patents: list[str]
    saved: str


class Workspace:
    """The file of a searcher, for any number of threads and processes.

    Every method raises DataError for a text that is empty or too long, or one too many of a kind, Missing and Unusable.

    Args:
        path: of the file, which is made where there is none.
        uploads_mb: most megabytes of all uploads.

    Raises:
        DataError: it is no workspace, or was written by a newer version.
    """

    def __init__(self, path: str | os.PathLike[str], uploads_mb: int = UPLOADS_MB) -> None:
        self.path, self._most = Path(path), uploads_mb * 10**6
        self._lock = threading.RLock()
        with self._errors():
            _make(self.path)
            self._database = sqlite3.connect(self.path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        try:
            with self._errors():
                self._migrate()
                # NORMAL: a loss of power may take the last changes, a kill takes none
                for setting in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
                    self._database.execute(f"PRAGMA {setting}")
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        with self._lock:
            self._database.close()

    def add_upload(self, png: bytes, width: int, height: int, name: str) -> str:
        """Store a drawing; return its ID, the BLAKE2b-16 of the PNG file in hexadecimal digits.

        Where all uploads are larger than is allowed, the oldest that no saved search and no shortlist needs are removed.

        Args:
            png: the file.
            width, height: pixels.
            name: of the file that was uploaded, for the record; cut where it is too long.
        """
        if len(png) > self._most:
            raise DataError(f"the drawing takes {len(png):,} bytes, all uploads may take {self._most:,}")
        identity = hashlib.blake2b(png, digest_size=16).hexdigest()
        name = name[:LONGEST_NAME].encode(errors="backslashreplace").decode()
        with self._transaction() as database:
            # REPLACE gives a new rowid, above all others: rowids are in the order of the last upload
            values = identity, name, png, width, height
            database.execute("REPLACE INTO upload (id, name, png, width, height) VALUES (?, ?, ?, ?, ?)", values)
            self._evict(database, identity)
        return identity

    def upload(self, identity: str) -> bytes | None:
        """Return the PNG file of an upload; None where there is none, or not any more."""
        return next((png for (png,) in self._rows("SELECT png FROM upload WHERE id = ?", identity)), None)

    def upload_name(self, identity: str) -> str:
        """Return the name of the file that was uploaded; "" where there is none."""
        return next((name for (name,) in self._rows("SELECT name FROM upload WHERE id = ?", identity)), "")

    def shortlists(self) -> list[Shortlist]:
        """Return all shortlists, the newest first."""
        return [Shortlist(*row) for row in self._rows(f"{SHORTLIST} ORDER BY id DESC")]

    def shortlist(self, number: int) -> Shortlist:
        """Return a shortlist by its number."""
        for row in self._rows(f"{SHORTLIST} WHERE id = ?", number):
            return Shortlist(*row)
        raise Missing(f"there is no shortlist {number}")

    def create_shortlist(self, name: str) -> int:
        """Make an empty shortlist; return its number."""
        name = _text(name, "the name of a shortlist", LONGEST_NAME)
        with self._transaction() as database:
            _check_count(database, "shortlist", MOST_SHORTLISTS, "shortlists")
            made = database.execute("INSERT INTO shortlist (name, made) VALUES (?, ?)", (name, _now()))
        return made.lastrowid or 0

    def rename_shortlist(self, number: int, name: str) -> None:
        """Give a shortlist another name."""
        name = _text(name, "the name of a shortlist", LONGEST_NAME)
        self._change("UPDATE shortlist SET name = ? WHERE id = ?", name, number, missing=f"there is no shortlist {number}")

    def delete_shortlist(self, number: int) -> None:
        """Remove a shortlist with its notes."""
        self._change("DELETE FROM shortlist WHERE id = ?", number, missing=f"there is no shortlist {number}")

    def entries(self, number: int) -> list[Entry]:
        """Return the patents of a shortlist in their order; none where there is no such shortlist."""
        rows = self._rows("SELECT patent, note, address, added FROM entry WHERE shortlist = ? ORDER BY place", number)
        return [Entry(*row) for row in rows]

    def add(self, number: int, patent: str, note: str = "", address: str = "") -> bool:
        """Add a patent at the end of a shortlist; return False, and change nothing, where it has it already.

        Args:
            number: of the shortlist.
            patent: its name.
            note: what a person wrote.
            address: of the search that found it.
        """
        patent = _text(patent, "the name of a patent", LONGEST_PATENT)
        note = _text(note, "a note", LONGEST_NOTE, empty=True)
        address = _text(address, "the address of a search", LONGEST_ADDRESS, empty=True)
        with self._transaction() as database:
            self.shortlist(number)
            if next(database.execute("SELECT 1 FROM entry WHERE (shortlist, patent) = (?, ?)", (number, patent)), None):
                return False
            _check_count(database, "entry", MOST_ENTRIES, "patents of a shortlist", "WHERE shortlist = ?", number)
            last = "(SELECT coalesce(max(place), 0) + 1 FROM entry WHERE shortlist = ?)"
            values = number, patent, number, note, address, _now()
            database.execute(f"INSERT INTO entry VALUES (?, ?, {last}, ?, ?, ?)", values)
        return True

    def set_note(self, number: int, patent: str, note: str) -> None:
        """Replace the note of a patent of a shortlist."""
        note = _text(note, "a note", LONGEST_NOTE, empty=True)
        statement = "UPDATE entry SET note = ? WHERE shortlist = ? AND patent = ?"
        self._change(statement, note, number, patent, missing=_no_entry(number))

    def remove(self, number: int, patent: str) -> None:
        """Remove a patent and its note from a shortlist."""
        statement = "DELETE FROM entry WHERE shortlist = ? AND patent = ?"
        self._change(statement, number, patent, missing=_no_entry(number))

    def move(self, number: int, patent: str, places: int) -> None:
        """Move a patent of a shortlist down by some places, or up where they are negative; at most to the end."""
        with self._transaction() as database:
            order = [entry.patent for entry in self.entries(number)]
            if patent not in order:
                raise Missing(_no_entry(number))
            place = order.index(patent)
            order.insert(min(max(place + places, 0), len(order) - 1), order.pop(place))
            changes = ((place, number, patent) for place, patent in enumerate(order))
            database.executemany("UPDATE entry SET place = ? WHERE shortlist = ? AND patent = ?", changes)

    def save_search(self, name: str, address: str, generation: int, patents: Sequence[str], note: str = "") -> int:
        """Store a search; return its number.

        Args:
            name: given by a person.
            address: of the search, with all that it asks for.
            generation: of the index.
            patents: names of those that were found, best first; the first MOST_PATENTS are stored.
            note: what a person wrote.
        """
        name = _text(name, "the name of a search", LONGEST_NAME)
        address = _text(address, "the address of a search", LONGEST_ADDRESS)
        note = _text(note, "a note", LONGEST_NOTE, empty=True)
        values = name, note, address, generation, json.dumps(patents[:MOST_PATENTS]), _now()
        statement = "INSERT INTO search (name, note, address, generation, patents, saved) VALUES (?, ?, ?, ?, ?, ?)"
        with self._transaction() as database:
            _check_count(database, "search", MOST_SAVED, "saved searches")
            made = database.execute(statement, values)
        return made.lastrowid or 0

    def saved(self) -> list[Saved]:
        """Return all saved searches, the newest first."""
        return [_saved(row) for row in self._rows(f"{SAVED} ORDER BY id DESC")]

    def saved_search(self, number: int) -> Saved:
        """Return a saved search by its number."""
        for row in self._rows(f"{SAVED} WHERE id = ?", number):
            return _saved(row)
        raise Missing(f"there is no saved search {number}")

    def delete_search(self, number: int) -> None:
        """Remove a saved search."""
        self._change("DELETE FROM search WHERE id = ?", number, missing=f"there is no saved search {number}")

    def _evict(self, database: sqlite3.Connection, newest: str) -> None:
        """Remove the oldest uploads that nothing needs until all are small enough; DataError where they stay too large."""
        sizes = dict(database.execute("SELECT id, length(png) FROM upload ORDER BY rowid"))
        excess = sum(sizes.values()) - self._most
        if excess <= 0:
            return
        addresses = database.execute("SELECT address FROM search UNION SELECT address FROM entry")
        needed = {newest, *(found for (address,) in addresses for found in UPLOAD.findall(address))}
        for identity, size in sizes.items():
            if excess > 0 and identity not in needed:
                database.execute("DELETE FROM upload WHERE id = ?", (identity,))
                excess -= size
        if excess > 0:
            raise DataError(
                f"the drawings of saved searches and shortlists fill the {self._most // 10**6:,} MB for uploads; "
                "delete some, or start with a larger --uploads-mb"
            )

    def _change(self, statement: str, *values: Any, missing: str) -> None:
        with self._transaction() as database:
            if not database.execute(statement, values).rowcount:
                raise Missing(missing)

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._errors():
            return self._database.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the database; what is done in the block is written as a whole, or where it raises not at all."""
        with self._errors():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk ends it
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """One thread at a time; Unusable for what SQLite and the file system raise."""
        with self._lock:
            try:
                yield
            except UnicodeEncodeError as error:
                raise DataError("a text has half a character, which UTF-8 cannot encode") from error
            except OverflowError as error:
                raise Missing("there is nothing of so large a number") from error
            except (sqlite3.Error, sqlite3.Warning) as error:
                raise Unusable(f"{self.path}: shortlists and searches cannot be read or written: {error}") from error
            except OSError as error:
                raise Unusable(
                    f"{self.path}: the file of shortlists cannot be made: {error.strerror}; name another by --workspace"
                ) from error

    def _migrate(self) -> None:
        """Bring the schema to the present version; DataError where the file is of something else, or newer."""
        with self._transaction() as database:
            application, version, tables = (
                database.execute(question).fetchone()[0]
                for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
            )
            if application != APPLICATION and (application or version or tables):
                raise DataError(f"{self.path}: is no file of shortlists of fastpatent; name another by --workspace")
            if version > len(MIGRATIONS):
                raise DataError(
                    f"{self.path}: was written by a newer fastpatent, as version {version}; "
                    f"this one reads up to {len(MIGRATIONS)}, update it"
                )
            for statement in (statement for step in MIGRATIONS[version:] for statement in step):
                database.execute(statement)
            if version < len(MIGRATIONS):
                database.execute(f"PRAGMA application_id = {APPLICATION}")
                database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


SHORTLIST = "SELECT id, name, made, (SELECT count(*) FROM entry WHERE shortlist = shortlist.id) FROM shortlist"
SAVED = "SELECT id, name, note, address, generation, patents, saved FROM search"


def _make(path: Path) -> None:
    """Make a file for its owner alone, as its drawings may be of designs that are not public; refuse what is no file."""
    if path.is_symlink() or (path.exists() and not stat.S_ISREG(path.stat().st_mode)):
        raise DataError(f"{path}: is a link, a folder or a device where the file of shortlists is expected")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))


def _check_count(database: sqlite3.Connection, table: str, most: int, what: str, where: str = "", *values: object) -> None:
    if database.execute(f"SELECT count(*) FROM {table} {where}", values).fetchone()[0] >= most:
        raise DataError(f"there are {most:,} {what}, and no more are possible; delete some")


def _text(text: str, what: str, longest: int, empty: bool = False) -> str:
    text = text.replace("\r\n", "\n").strip()  # as forms send line ends
    if not text and not empty:
        raise DataError(f"{what} is empty")
    if len(text) > longest:
        raise DataError(f"{what} has {len(text):,} characters, at most {longest:,} are possible")
    return text


def _saved(row: tuple[Any, ...]) -> Saved:
    saved = Saved(*row)
    return saved._replace(patents=json.loads(saved.patents))  # type: ignore[arg-type]


def _no_entry(number: int) -> str:
    return f"the shortlist {number} has no such patent"


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(" ", "seconds")
