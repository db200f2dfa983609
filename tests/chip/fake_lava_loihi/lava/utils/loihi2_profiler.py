"""What lava.utils.loihi asks for."""
