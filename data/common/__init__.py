"""Errors, files, command-line options, configs and run folders. Imports nothing else from this project."""
