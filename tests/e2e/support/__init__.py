"""What the end-to-end tests stand on: servers, certificates, mounts, loaders."""
