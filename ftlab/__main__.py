"""`python -m ftlab`."""

from ftlab.app import main

main()
