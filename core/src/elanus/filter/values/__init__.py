"""What is the value of an operand in each row?"""
