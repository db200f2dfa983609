"""`python -m lava_nbp` is `lava-nbp`."""

from lava_nbp.cli.app import main

main()
