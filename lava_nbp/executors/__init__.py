"""What runs a network: engines and Lava behind one interface, and what is done with any of them."""
