"""The commands of `flatten-edu`, one a file: `add_arguments(parser)` and `run(arguments)`."""
