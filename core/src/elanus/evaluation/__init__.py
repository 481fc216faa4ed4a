"""How well does a collection rank, how sure is that, and which settings rank better?"""
