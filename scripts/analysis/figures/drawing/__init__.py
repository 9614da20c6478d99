"""What the figures share: their look, ratios with intervals, the campaign that they read."""
