"""Which texts hold these words?"""
