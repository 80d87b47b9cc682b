"""A tmpfs that can be filled to the last byte and freed again."""

import subprocess


class SmallDisk:
    """Mounted at `place`, a directory; its filler lies beside what is put there."""

    def __init__(self, place, size):
        self.place = place
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place],
                       check=True, capture_output=True)
        self.filler = place / "filler"

    def fill(self):
        with open(self.filler, "ab", buffering=0) as out:
            for piece in (65536, 4096, 512):
                try:
                    while out.write(bytes(piece)):
                        pass
                except OSError:
                    continue

    def free(self):
        self.filler.unlink(missing_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.place], check=False, capture_output=True)
