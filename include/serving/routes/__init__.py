"""The routes of the service: what they take and answer, and their documentation."""
