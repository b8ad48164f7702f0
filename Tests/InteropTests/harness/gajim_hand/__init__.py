"""Gajim takes the first class of a plugin's module for the plugin: there is no other."""

from .plugin import HandPlugin  # noqa: F401
