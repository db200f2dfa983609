"""Starting, watching and ending Lava, and what Processes have in common."""

from lava_nbp.on_lava.start_method import import_lava

import_lava()  # before anything else of Lava
