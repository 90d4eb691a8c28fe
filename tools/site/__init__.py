"""Write the parts of the documentation that are made from the code and from real runs."""
