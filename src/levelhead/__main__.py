"""`python -m levelhead`: the same as the `levelhead` command."""

from .cli import main

if __name__ == "__main__":
    main()
