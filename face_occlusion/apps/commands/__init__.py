"""The subcommands of `face-occlusion`, one module each."""
