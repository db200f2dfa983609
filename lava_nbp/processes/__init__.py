"""Lava Processes of this library, each in one file with its CPU models; import them from their modules.

Lava looks for models in every file of this folder and executes each of them
again at every compilation, so the folder holds process files and nothing else,
and their imports of compiled code stand inside functions.
"""
