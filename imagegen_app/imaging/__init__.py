"""Bytes of pictures: inspect, mark, sign, derive and compare; plain Python without Django."""
