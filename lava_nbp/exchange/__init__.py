"""Networks in the field's exchange formats: NIR graphs, and netx files of lava-dl."""
