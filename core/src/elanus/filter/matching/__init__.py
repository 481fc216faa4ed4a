"""Which texts match a pattern?"""
