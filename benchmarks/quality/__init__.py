"""What `cascade.py` is made of."""
