from lava.magma.core.model.py.type import LavaPyType as LavaCType  # noqa: F401
