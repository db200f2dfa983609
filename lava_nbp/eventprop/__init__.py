"""EventProp: exact gradients of spiking networks, event by event (Wunderlich & Pehle 2021), without Lava."""
