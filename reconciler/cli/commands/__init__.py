"""The commands, a file each: options in, an exit code out."""
