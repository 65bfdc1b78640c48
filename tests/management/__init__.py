"""The commands: what they print, write and refuse."""
