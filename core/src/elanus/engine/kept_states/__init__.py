"""Which older states can be asked, and how?"""
