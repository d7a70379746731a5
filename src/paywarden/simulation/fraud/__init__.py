"""Fraud campaigns: four patterns, each derived from the day on which its campaigns begin."""
