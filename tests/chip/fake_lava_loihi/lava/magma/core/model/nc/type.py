from lava.magma.core.model.py.type import LavaPyType as LavaNcType  # noqa: F401
