"""Check scales, zero points and calibration."""
