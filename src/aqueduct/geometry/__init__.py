"""WCS, distortion, pointing, footprints and sky cells."""
