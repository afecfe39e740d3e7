"""Trip duration of New York's green taxis: its features, its zones, and a made-up sample."""
