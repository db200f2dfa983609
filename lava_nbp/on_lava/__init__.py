"""Starting, watching and ending Lava, and what Processes have in common."""

from lava_nbp.base.lava_repair import require_lava

require_lava("this part of lava_nbp")
