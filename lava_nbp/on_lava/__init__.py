"""Starting, watching and ending Lava, and what Processes have in common."""

from lava_nbp.base.lava_repair import require_lava
from lava_nbp.on_lava.start_method import import_lava

require_lava("this part of lava_nbp")
import_lava()  # before anything else of Lava
