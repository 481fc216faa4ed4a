"""What is a collection?"""
