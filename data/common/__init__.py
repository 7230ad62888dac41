"""What every package uses: errors, files, options, configs and run folders. Imports nothing else of this project."""
