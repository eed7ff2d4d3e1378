"""The screens in headless Chromium."""
