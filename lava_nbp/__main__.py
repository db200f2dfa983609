"""`python -m lava_nbp` is `lava-nbp`."""

from lava_nbp.cli import main

main()
