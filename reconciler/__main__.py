"""`python -m reconciler` and the `reconciler` script."""

from reconciler.cli.app import main

if __name__ == "__main__":
    main()
