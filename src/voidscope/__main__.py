"""`python -m voidscope` is the command line."""

from voidscope.cli import main

if __name__ == "__main__":
    main()
