"""Where do the bytes live, and are they intact?"""
