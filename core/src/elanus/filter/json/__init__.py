"""What stands at a path of a JSON field?"""
