"""How does a collection change safely?"""
