"""The file of a spool: one owner, every write durable before it counts.

Who holds it: a lock (flock) on the file itself, so that nothing else lies about and the lock ends
with the process. What is promised: `append` returns when the line is on the disk and the file still
stands under its name. What fails: SpoolError naming the file; after a full disk it goes on, after
anything that leaves it open what the disk has, never (`spool_damaged`, `spool_io`).
"""

import errno
import os
import stat
import weakref

from . import spool_format as form
from .answers import SpoolError

# At its end, wherever that is: after somebody has cut the file, the length shows it.
FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

open_files = weakref.WeakSet()


class SpoolFile:
    """Belongs to one process, and is called by one thread at a time.

    After opening, `records` is what was promised and is still there, and `rewrite` is called with
    what shall be kept of it: what the process before wrote last may not be on the disk yet, and
    whatever a crash has left is gone then.
    """

    def __init__(self, path):
        self.path = os.path.realpath(os.fsdecode(path))
        self.size = 0
        self.records = []
        self._fd = None
        self.broken = None  # the error that everybody gets from now on
        self._whole = True  # nothing lies behind `size`
        try:
            self._open()
        except SpoolError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise self._refusal(error) from error
        open_files.add(self)

    def append(self, record):
        """Durable on return. On an error nothing was added."""
        self._check()
        line = form.line_of(record)
        if not self._whole:
            self._cut()
        self._whole = False
        try:
            write_all(self._fd, line)
        except OSError as error:
            self._cut()
            raise self._refusal(error) from error
        self._sync(self._fd)
        self._look(self.size + len(line))
        self.size += len(line)
        self._whole = True

    def rewrite(self, records):
        """Puts a file with these records alone in its place; on an error it stays as it was."""
        self._check()
        fresh, size = self._fresh(records)
        try:
            os.rename(self._new, self.path)
        except OSError as error:
            os.close(fresh)
            raise self._refusal(error) from error
        os.close(self._fd)
        self._fd, self.size, self._whole = fresh, size, True
        self._sync_directory()
        self._look(self.size)

    def close(self):
        if self._fd is not None:
            os.close(self._fd)  # ends the lock
        self._fd = None

    # --- inside -----------------------------------------------------------------------------------

    @property
    def _new(self):
        return self.path + ".new"

    def _open(self):
        self._fd = self._locked()
        try:
            self.records = form.records_of(read_all(self._fd))
        except form.Later as error:
            raise SpoolError("spool_version", self.path, str(error)) from None
        except form.Foreign as error:
            raise SpoolError("spool_foreign", self.path, f"no spool of orders: {error}") from None
        except form.Damaged as error:
            raise SpoolError("spool_damaged", self.path, f"damaged: {error}. It is left alone: put "
                             "a good copy in its place, or take another name") from None

    def _locked(self):
        """A descriptor of the file under this name, with the lock. Who held it may have put another
        file in its place meanwhile."""
        import fcntl  # not where there is no flock: the other clients need none
        flags = FLAGS | os.O_NOFOLLOW | os.O_NONBLOCK
        while True:
            fd = os.open(self.path, flags, 0o600)
            try:
                self._refuse_strangers(os.fstat(fd))
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(fd), os.lstat(self.path)):
                    return fd
            except BlockingIOError:
                os.close(fd)
                raise SpoolError("spool_in_use", self.path, "in use: a spool belongs to one client "
                                 "of one process") from None
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def _refuse_strangers(self, found):
        """Whoever may write to the file buys in the name of this program."""
        if not stat.S_ISREG(found.st_mode):
            why = "no regular file"
        elif found.st_uid != os.geteuid():
            why = f"belongs to user {found.st_uid}, not to user {os.geteuid()}, who runs this"
        elif found.st_size and found.st_mode & 0o022:
            why = f"others may write to it (mode {stat.S_IMODE(found.st_mode):04o}); chmod 600 it"
        else:
            return
        raise SpoolError("spool_foreign", self.path, why)

    def _fresh(self, records):
        """A locked file beside this one, with these records, on the disk."""
        import fcntl
        fd = None
        try:
            self._remove_leftover()
            fd = os.open(self._new, FLAGS | os.O_EXCL, 0o600)
            os.fchmod(fd, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            data = form.HEAD + b"".join(form.line_of(record) for record in records)
            write_all(fd, data)
            os.fsync(fd)
            return fd, len(data)
        except SpoolError:
            raise
        except OSError as error:
            if fd is not None:
                os.close(fd)
                os.unlink(self._new)
            raise self._refusal(error) from error

    def _remove_leftover(self):
        """Of a rewriting that was killed; who holds the lock may remove it."""
        try:
            with open(self._new, "rb") as file:
                begin = file.read(len(form.HEAD))
        except FileNotFoundError:
            return
        if not form.HEAD.startswith(begin) and begin.strip(b"\0"):
            raise SpoolError("spool_foreign", self._new, "in the way: no spool, and its name is "
                             f"needed to rewrite {self.path}")
        os.unlink(self._new)

    def _cut(self):
        """Takes away what an append that failed has left."""
        try:
            os.ftruncate(self._fd, self.size)
            self._whole = True
        except OSError as error:
            raise self._break(self._refusal(error)) from error

    def _sync(self, fd):
        """After a sync that failed nobody knows what the disk has: no promise is made any more."""
        try:
            os.fsync(fd)
        except OSError as error:
            raise self._break(self._refusal(error)) from error

    def _sync_directory(self):
        try:
            fd = os.open(os.path.dirname(self.path), os.O_RDONLY)
        except OSError as error:
            raise self._break(self._refusal(error)) from error
        try:
            self._sync(fd)
        finally:
            os.close(fd)

    def _look(self, size):
        """A line in a file that is no longer under its name would be found by nobody."""
        try:
            named, ours = os.lstat(self.path), os.fstat(self._fd)
            good = os.path.samestat(named, ours) and named.st_size == size
        except OSError:
            good = False
        if not good:
            raise self._break(SpoolError(
                "spool_damaged", self.path, "removed, replaced or changed by somebody else while "
                "this client used it; what was added last is in no file"))

    def _check(self):
        if self.broken is not None:
            raise self.broken
        if self._fd is None:
            raise SpoolError("spool_closed", self.path, "closed")

    def _break(self, error):
        self.broken = error
        return error

    def _refusal(self, error):
        reason = os.strerror(error.errno) if error.errno else str(error)
        at = f" ({error.filename})" if error.filename not in (None, self.path) else ""
        what = "no room: " if error.errno in NO_ROOM else "cannot be read or written: "
        return SpoolError("spool_io", self.path, what + reason + at, error.errno)


def read_all(fd):
    parts, at = [], 0
    while part := os.pread(fd, 1 << 20, at):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def let_go_in_child():
    """A child must not hold its parent's lock when the parent has ended."""
    for file in list(open_files):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=let_go_in_child)
