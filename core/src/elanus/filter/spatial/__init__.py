"""How do geometries relate?"""
