"""What recipes are made of: steps, the parts of reports, and what several of them end with."""
