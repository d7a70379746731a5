"""Paywarden: real-time payment-fraud detection with one feature definition for training, stream and API."""

__version__ = "0.1.0"
