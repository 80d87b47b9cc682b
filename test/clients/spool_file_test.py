#!/usr/bin/python3
"""The file of a spool: every cut and every changed byte, who may open it, a disk that fails."""

import errno
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

PYTHON = Path(__file__).resolve().parents[2] / "clients" / "python"
sys.path.insert(0, str(PYTHON))

from stampede import SpoolError
from stampede import spool_format as form
from stampede.spool_file import SpoolFile

FORK = multiprocessing.get_context("fork")
NOBODY = 65534
# Thousands of syncs, and what they do is not looked at here.
PLACE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def order(name, user="ann"):
    return {"op": "order", "id": name, "item": 1, "user": user, "qty": 1}


RECORDS = [{"orders": [order("a"), order("b", "\u00e9\u4e2d")]}, {"sent": ["a"]},
           {"answers": {"a": {"id": "a", "state": "confirmed", "order_id": "1099511627777"}}},
           {"orders": [order("c", "x" * 64)]}, {"taken": ["a"]}]


def file_of(records):
    return form.HEAD + b"".join(form.line_of(record) for record in records)


class Bytes(unittest.TestCase):
    """Without a file: what is read of which bytes."""

    def ends(self):
        """How many records are whole when the file ends there."""
        ends, data = {}, form.HEAD
        for count, record in enumerate(RECORDS, 1):
            data += form.line_of(record)
            ends[len(data)] = count
        return ends, data

    def test_a_line_comes_back_and_has_its_place(self):
        data = file_of(RECORDS)
        self.assertEqual(form.records_of(data), RECORDS)
        self.assertNotIn(0, data)
        self.assertEqual(data.count(b"\n"), 1 + len(RECORDS))
        for record in RECORDS:
            self.assertEqual(len(form.line_of(record)) % form.WORD, 0)

    def test_a_file_cut_anywhere_has_its_whole_lines(self):
        ends, data = self.ends()
        whole = 0
        for size in range(len(data) + 1):
            whole = ends.get(size, whole)
            self.assertEqual(form.records_of(data[:size]), RECORDS[:whole], size)

    def test_every_changed_byte_is_told(self):
        data = file_of(RECORDS)
        for at, byte in enumerate(data):
            for other in {byte ^ (1 << bit) for bit in range(8)} | {0, 10, 32, 48, 255} - {byte}:
                changed = data[:at] + bytes([other]) + data[at + 1:]
                with self.assertRaises((form.Damaged, form.Foreign, form.Later), msg=(at, other)):
                    form.records_of(changed)

    def test_every_pair_of_changed_bytes_in_a_line_is_told(self):
        data = file_of(RECORDS[:1])
        seed = random.randrange(10**6)
        chance = random.Random(seed)
        for _ in range(20_000):
            changed = bytearray(data)
            for at in chance.sample(range(len(form.HEAD), len(data)), 2):
                changed[at] ^= chance.randrange(1, 256)
            with self.assertRaises(form.Damaged, msg=f"seed {seed}: {changed}"):
                form.records_of(bytes(changed))

    def test_sectors_of_the_last_write_that_never_came_are_passed_over(self):
        before = file_of(RECORDS)
        last = form.line_of({"orders": [order(f"o{number}") for number in range(60)]})
        end = len(before) + len(last)
        sectors = [(max(at, len(before)), min(at + 512, end))
                   for at in range(len(before) // 512 * 512, end, 512)]
        self.assertGreater(len(sectors), 5)
        for lost in range(1, 1 << len(sectors)):
            data = bytearray(before + last)
            for number, (begin, stop) in enumerate(sectors):
                if lost >> number & 1:
                    data[begin:stop] = bytes(stop - begin)
            self.assertEqual(form.records_of(bytes(data)), RECORDS, lost)

    def test_zeros_before_a_later_write_are_damage(self):
        data = bytearray(file_of(RECORDS))
        data[len(form.HEAD):len(form.HEAD) + 64] = bytes(64)
        with self.assertRaises(form.Damaged):
            form.records_of(bytes(data))


class FileTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="spool-", dir=PLACE))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.path = self.folder / "orders.spool"

    def open(self, path=None):
        file = SpoolFile(path or self.path)
        self.addCleanup(file.close)
        file.rewrite(file.records)
        return file

    def refused(self, code, path=None):
        """The error of opening it, which must name the file and leave it as it is."""
        path = Path(path or self.path)
        before = path.read_bytes() if path.is_file() else None
        with self.assertRaises(SpoolError) as caught:
            SpoolFile(path)
        self.assertEqual(caught.exception.code, code, caught.exception)
        self.assertIn(str(path), str(caught.exception))
        self.assertIsInstance(caught.exception, OSError)
        if before is not None:
            self.assertEqual(path.read_bytes(), before)
        return caught.exception

    def reads(self):
        file = SpoolFile(self.path)
        file.close()
        return file.records


class Living(FileTest):
    def test_what_was_appended_is_there_again(self):
        file = self.open()
        for record in RECORDS:
            file.append(record)
        file.close()
        self.assertEqual(self.reads(), RECORDS)

    def test_it_is_for_its_owner_alone_whatever_the_umask_and_the_mode_before(self):
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        self.open().close()
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.path.chmod(0o644)
        self.open()
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_a_cut_file_is_opened_and_written_on(self):
        data = file_of(RECORDS)
        for size in range(len(data) + 1):
            self.path.write_bytes(data[:size])
            self.path.chmod(0o600)
            file = SpoolFile(self.path)
            found = file.records
            file.rewrite(found)
            file.append({"sent": []})
            file.close()
            self.assertEqual(self.reads(), found + [{"sent": []}], size)

    def test_a_changed_byte_anywhere_is_told_and_nothing_is_touched(self):
        data = file_of(RECORDS)
        codes = {}
        for at in range(len(data)):
            self.path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
            self.path.chmod(0o600)
            with self.assertRaises(SpoolError) as caught:
                SpoolFile(self.path)
            codes.setdefault(caught.exception.code, []).append(at)
            self.assertIn(str(self.path), str(caught.exception))
        self.assertEqual(codes["spool_damaged"], list(range(len(form.HEAD), len(data))))
        self.assertEqual(os.listdir(self.folder), ["orders.spool"])

    def test_a_rewriting_that_was_killed_leaves_nothing(self):
        for leftover in (b"", form.HEAD[:5], file_of(RECORDS[:1])[:-3], bytes(100)):
            self.path.write_bytes(file_of(RECORDS))
            self.path.chmod(0o600)
            (self.folder / "orders.spool.new").write_bytes(leftover)
            file = self.open()
            self.assertEqual(file.records, RECORDS)
            file.close()
            self.assertEqual(os.listdir(self.folder), ["orders.spool"])

    def test_a_link_stays_a_link(self):
        link = self.folder / "link"
        link.symlink_to(self.path)
        file = self.open(link)
        file.append(RECORDS[0])
        file.close()
        self.assertTrue(link.is_symlink())
        self.assertEqual(self.reads(), RECORDS[:1])


class Durable(FileTest):
    def calls(self, do):
        """What is done to the disk, in order, and to which file."""
        done = []

        def seen(name, fd_of, call):
            def then(*arguments):
                path = fd_of(arguments)
                done.append((name, os.path.basename(path)))
                return call(*arguments)
            return mock.patch(f"os.{name}", then)

        of_fd = lambda arguments: os.readlink(f"/proc/self/fd/{arguments[0]}")
        with seen("write", of_fd, os.write), seen("fsync", of_fd, os.fsync), (
                seen("rename", lambda arguments: arguments[0], os.rename)):
            do()
        return done

    def test_a_line_is_synced_before_append_returns(self):
        file = self.open()
        self.assertEqual(self.calls(lambda: file.append(RECORDS[0])),
                         [("write", "orders.spool"), ("fsync", "orders.spool")])

    def test_a_new_file_is_synced_before_it_has_the_name_and_the_name_after(self):
        file = self.open()
        self.assertEqual(self.calls(lambda: file.rewrite(RECORDS)),
                         [("write", "orders.spool.new"), ("fsync", "orders.spool.new"),
                          ("rename", "orders.spool.new"), ("fsync", self.folder.name)])


class Refused(FileTest):
    def test_a_second_client_of_this_or_another_process(self):
        file = self.open()
        self.assertIn("in use", str(self.refused("spool_in_use")))
        script = ("import sys; from stampede.spool_file import SpoolFile\n"
                  "try: SpoolFile(sys.argv[1])\nexcept OSError as error: print(error.code)")
        said = subprocess.run([sys.executable, "-c", script, self.path], text=True, check=True,
                              capture_output=True, env={"PYTHONPATH": str(PYTHON)}).stdout
        self.assertEqual(said, "spool_in_use\n")
        file.close()
        self.open()

    def test_a_child_neither_uses_it_nor_keeps_it(self):
        file = self.open()
        (ours, theirs), (go, wait) = FORK.Pipe(), FORK.Pipe()

        def child():
            try:
                file.append(RECORDS[0])
            except SpoolError as error:
                theirs.send(error.code)
            wait.recv()

        process = FORK.Process(target=child)
        process.start()
        self.assertEqual(ours.recv(), "spool_closed")
        file.close()
        self.open()  # though the child is still there
        go.send(0)
        process.join()

    def test_foreign_files(self):
        for data in (b"hello\n", b"\x7fELF" + bytes(100), bytes(24), b"stampede-spool\n" + b" " * 9,
                     b"stampede-spool 0       \n", b"stampede-spoon 1       \n"):
            self.path.write_bytes(data)
            self.assertIn("no spool", str(self.refused("spool_foreign")))
        os.unlink(self.path)
        os.mkfifo(self.path)
        self.refused("spool_foreign")
        os.unlink(self.path)
        self.path.mkdir()
        self.refused("spool_io")

    def test_a_file_of_a_later_version(self):
        self.path.write_bytes(file_of(RECORDS).replace(b"spool 1", b"spool 2", 1))
        self.assertIn("later version", str(self.refused("spool_version")))
        self.path.write_bytes(b"stampede-spool 12      \n" + b"whatever it may hold" * 3)
        self.assertIn("format 12", str(self.refused("spool_version")))

    def test_a_foreign_file_where_the_new_one_would_be(self):
        new = self.folder / "orders.spool.new"
        new.write_bytes(b"somebody's own")
        file = SpoolFile(self.path)
        self.addCleanup(file.close)
        with self.assertRaises(SpoolError) as caught:
            file.rewrite([])
        self.assertIn(str(new), str(caught.exception))
        self.assertEqual(new.read_bytes(), b"somebody's own")

    def test_a_file_that_others_may_write(self):
        self.path.write_bytes(file_of(RECORDS))
        self.path.chmod(0o660)
        self.assertIn("0660", str(self.refused("spool_foreign")))

    @unittest.skipIf(os.geteuid(), "needs root to give a file away")
    def test_a_file_of_somebody_else(self):
        self.path.write_bytes(file_of(RECORDS))
        os.chown(self.path, NOBODY, NOBODY)
        self.assertIn(str(NOBODY), str(self.refused("spool_foreign")))

    def test_no_such_directory(self):
        self.refused("spool_io", self.folder / "none" / "orders.spool")

    def test_a_directory_that_cannot_be_written(self):
        self.path.write_bytes(file_of(RECORDS))
        self.path.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(self.path, NOBODY, NOBODY)
        self.folder.chmod(0o555)
        self.addCleanup(self.folder.chmod, 0o700)
        script = ("import sys; from stampede import SpooledClient\n"
                  "for path in sys.argv[1:]:\n"
                  "  try: SpooledClient(path)\n  except OSError as error: print(error)")
        fresh = self.folder / "fresh.spool"
        said = subprocess.run([sys.executable, "-Bc", script, self.path, fresh], text=True,
                              check=True, capture_output=True, env={"PYTHONPATH": str(PYTHON)},
                              user=NOBODY if os.geteuid() == 0 else None).stdout.splitlines()
        self.assertEqual(len(said), 2, said)
        for path, line in zip((self.path, fresh), said):
            self.assertIn(str(path), line)
            self.assertIn("Permission denied", line)
        self.assertEqual(self.path.read_bytes(), file_of(RECORDS))


@contextmanager
def room_for(size):
    """No file may be longer."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


class FailingDisk(FileTest):
    def test_without_room_nothing_is_added_and_it_goes_on_afterwards(self):
        file = self.open()
        file.append(RECORDS[0])
        line = len(form.line_of(RECORDS[3]))
        for more in range(line):  # so many of its bytes can still be written
            with room_for(file.size + more), self.assertRaises(SpoolError) as caught:
                file.append(RECORDS[3])
            self.assertEqual(caught.exception.code, "spool_io")
            self.assertEqual(caught.exception.errno, errno.EFBIG)
            self.assertIn(str(self.path), str(caught.exception))
            self.assertIn("no room", str(caught.exception))
        self.assertEqual(form.records_of(self.path.read_bytes()), RECORDS[:1])
        file.append(RECORDS[3])
        file.close()
        self.assertEqual(self.reads(), [RECORDS[0], RECORDS[3]])

    def test_without_room_for_a_new_file_the_old_one_stays(self):
        file = self.open()
        file.append(RECORDS[0])
        with room_for(30), self.assertRaises(SpoolError):
            file.rewrite(RECORDS)
        self.assertEqual(os.listdir(self.folder), ["orders.spool"])
        file.append(RECORDS[1])
        file.close()
        self.assertEqual(self.reads(), RECORDS[:2])

    def test_after_a_failed_sync_nothing_is_promised_any_more(self):
        file = self.open()
        file.append(RECORDS[0])
        with mock.patch("os.fsync", side_effect=OSError(errno.EIO, "I/O")) as sync:
            with self.assertRaises(SpoolError) as caught:
                file.append(RECORDS[1])
            self.assertEqual(caught.exception.errno, errno.EIO)
            self.assertEqual(sync.call_count, 1)
        for again in (lambda: file.append(RECORDS[1]), lambda: file.rewrite([])):
            with self.assertRaises(SpoolError) as second:
                again()
            self.assertIs(second.exception, caught.exception)
        file.close()
        self.assertEqual(self.reads()[:1], RECORDS[:1])

    def test_an_interrupted_append_leaves_nothing_behind(self):
        for place in ("os.write", "os.fsync"):
            file = self.open()
            file.append(RECORDS[0])
            with mock.patch(place, side_effect=KeyboardInterrupt):
                with self.assertRaises(KeyboardInterrupt):
                    file.append(RECORDS[3])
            file.append({"sent": []})
            file.close()
            self.assertEqual(self.reads(), [RECORDS[0], {"sent": []}])
            os.unlink(self.path)

    def test_a_file_that_was_removed_replaced_or_cut_is_told(self):
        def replace():
            other = self.folder / "other"
            other.write_bytes(self.path.read_bytes())
            os.replace(other, self.path)

        for harm in (lambda: os.unlink(self.path), replace,
                     lambda: os.truncate(self.path, 30),
                     lambda: os.rename(self.folder, f"{self.folder}-moved")):
            file = self.open()
            file.append(RECORDS[0])
            harm()
            for _ in range(2):
                with self.assertRaises(SpoolError) as caught:
                    file.append(RECORDS[1])
                self.assertEqual(caught.exception.code, "spool_damaged")
                self.assertIn(str(self.path), str(caught.exception))
            file.close()
            shutil.rmtree(f"{self.folder}-moved", ignore_errors=True)
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()


if __name__ == "__main__":
    unittest.main(verbosity=2)
