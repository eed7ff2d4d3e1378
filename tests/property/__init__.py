"""Properties over random input, with printed seeds."""
