"""Which indexes and derived columns does a segment have, and who builds them?"""
