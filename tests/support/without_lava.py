"""The library where Lava is not installed: ``python without_lava.py < commands.json``, in the folder to work in.

The commands are lists of words, run one after the other in this interpreter; what comes out is a list of exit code,
standard output and standard error of each.
"""

import json
import os
import sys
import tempfile


class Nobody:
    """Finds no module of Lava, before anybody else can."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "lava":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def call(words):
    from lava_nbp.cli.app import main

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        kept = os.dup(1), os.dup(2)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.argv, code = ["lava-nbp", *words], 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
        return [code or 0, *(_read(file) for file in (out, err))]


def _read(file):
    file.seek(0)
    return file.read().decode()


if __name__ == "__main__":
    sys.meta_path.insert(0, Nobody)
    json.dump([call(words) for words in json.load(sys.stdin)], sys.stdout)
    assert not any(name.partition(".")[0] == "lava" for name in sys.modules)
