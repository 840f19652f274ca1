"""Aqueduct: data management for the Roman Space Telescope's Wide Field Instrument."""
