"""What does a fresh clone need before the demo and the tests can run?

`python3 -m tools.bootstrap` makes `.venv` hold everything, and does nothing when it already does.
Standard library only, because nothing is installed yet.
"""
