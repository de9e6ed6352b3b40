"""``python -m understudy``: the command line, where the installed program is not on the path."""

from .cli.main import main

main()
