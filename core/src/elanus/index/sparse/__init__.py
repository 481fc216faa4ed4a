"""Which rows hold these terms or dimensions, and how much do they weigh?"""
