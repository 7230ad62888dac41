"""Figures of the paper, and the web page of relations."""
