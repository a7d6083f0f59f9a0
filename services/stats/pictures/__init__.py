"""Answers as pictures. matplotlib is loaded with the first of them; nothing of it is kept between two."""
