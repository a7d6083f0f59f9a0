"""The loops of the Kalman filters, compiled."""
