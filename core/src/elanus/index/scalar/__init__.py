"""Which rows hold this number or text, without looking at every row?"""
