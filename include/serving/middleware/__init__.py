"""What stands around all routes: limits of connections and requests, and measuring."""
