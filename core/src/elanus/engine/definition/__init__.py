"""What is a collection called, made of and set to, and how does that change?"""
