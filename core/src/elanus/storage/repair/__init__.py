"""What of a damaged database can be kept, and how does it open again?"""
