"""Other people's programs against the emulated radios: what keeps the emulators honest.

The makers' own libraries are installed into a folder of their own, and run there as processes. They are never
imported here, and nothing of TNTN needs them.
"""
