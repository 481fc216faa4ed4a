"""What is done that no caller waits for?"""
