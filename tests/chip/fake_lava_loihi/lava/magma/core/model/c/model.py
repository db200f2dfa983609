"""The base of models for embedded processors: in place of its C program one in Python runs, of the same name."""

from importlib import import_module
from pathlib import Path

from lava.magma.core.model.nc.model import journal
from lava.magma.core.model.py.model import PyLoihiProcessModel


class AbstractCProcessModel:
    pass


class CLoihiProcessModel(PyLoihiProcessModel, AbstractCProcessModel):
    def start(self):
        file = Path(self.source_file_name)
        journal(type(self).__name__, "c", file=file.name)
        self.c = import_module(f"c_programs.{file.stem}").Program(self)
        super().start()

    def run_spk(self):
        self.c.run_spk()

    def post_guard(self):
        return self.c.post_guard()

    def run_post_mgmt(self):
        self.c.run_post_mgmt()
