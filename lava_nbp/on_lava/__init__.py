"""Starting, watching and ending Lava, and what Processes have in common."""
