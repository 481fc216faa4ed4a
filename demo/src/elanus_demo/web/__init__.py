"""How does a question get in and an answer out over HTTP?

A page for one person on this machine: the server listens on 127.0.0.1 only.
"""
