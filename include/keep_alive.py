"""How long a server keeps a connection that nobody uses."""

# Whoever reuses a connection that the server is about to close is cut off, unless he asks again: the longer it is kept,
# the more seldom that is, and a load balancer must be the one that closes it first. Amazon's waits up to 300 seconds
# here, see deploy/terraform/aws/entrance.tf; uvicorn keeps connections for 5.
KEEP_ALIVE_SECONDS = 310
