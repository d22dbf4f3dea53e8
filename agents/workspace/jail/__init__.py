"""The program that runs another one confined; a small package of its own, which imports the standard library alone.

``confine.py`` starts it as a process by its folder, so that neither this project nor what it needs has to be loaded.
"""
