"""What models are searched, judged and watched by: one objective per task."""
