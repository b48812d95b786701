"""What is to be known of data before a model is trained on it.
It imports data and support.
"""
