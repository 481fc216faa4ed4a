"""Given a query, which rows of this segment?"""
