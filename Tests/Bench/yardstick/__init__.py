"""What `make bench` is made of: the machine, the servers, the work, the table."""
