"""Visits as sentences whose words are the items visited: vectors of items that are met in the same company.

from services.text.sessions import accesslog, itemvectors, neighbours
"""
