"""`python -m llm`: the command `dragoman` where it is not on the PATH."""

import sys

from llm.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
