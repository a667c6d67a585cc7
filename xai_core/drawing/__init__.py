"""Maps as colours and layers over a picture, and sheets of them: numbers into pixels. Knows no page."""
