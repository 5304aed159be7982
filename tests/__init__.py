"""The tests of outlookfs that are written in Python; a package so that `python3 -m tests....` works from the root."""
