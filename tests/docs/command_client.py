"""``python command_client.py SOCKET MODULE ARGUMENTS...``: the server runs a module, and this ends with its status."""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    request = {"module": sys.argv[2], "arguments": sys.argv[3:], "folder": os.getcwd()}
    socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
    status = connection.recv(1)
sys.exit(status[0] if status else 1)
