"""What everything else stands on; knows no algorithm and no Lava."""
